"""The drawings of a run's report: curves over epochs, distances of pairs, trade-off of errors, map of the vectors."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from artifact.arrays import Numbers
from artifact.model.threshold import resting_on
from pages.colouring import by_class
from pages.findings import PairDistances, RecallCurve
from pages.plot import Axis, Plot, axis, log_axis, number
from pages.scatter import scatter_plot

MAX_POINTS = 400
"""Epochs drawn of a long run, evenly spaced."""

_NUM_BINS = 60
_LOWEST_RATE = 1e-4


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A drawing with its heading, a legend of (colour, name, value), and one sentence on how to read it."""

    title: str
    svg: str
    legend: tuple[tuple[str, str, str], ...] = ()
    note: str = ""


@dataclass(frozen=True)
class _Curve:
    key: str
    name: str
    colour: str


_CURVES: tuple[tuple[str, tuple[_Curve, ...], str], ...] = (
    ("Loss", (_Curve("loss", "loss", "c1"),), "Of the tuples that still have any; read it beside % active."),
    ("Held-out retrieval", (_Curve("recall@1", "recall@1", "c1"), _Curve("mAP@R", "mAP@R", "c2")), ""),
    ("Held-out tuples", (_Curve("held_out_pct_correct", "% correct", "c1"),), ""),
    ("Tuples", (_Curve("pct_correct", "% correct", "c1"), _Curve("pct_active", "% active", "c2")), ""),
    ("Mean distance", (_Curve("mean_negative", "different", "other"), _Curve("mean_positive", "same", "same")), ""),
    ("Learning rate", (_Curve("learning_rate", "learning rate", "c1"),), "At the end of each epoch."),
)
_DIFFICULTY = (("pct_easy", "easy", "same"), ("pct_semi_hard", "semi-hard", "c2"), ("pct_hard", "hard", "other"))


def curves(lines: Sequence[Mapping[str, Any]]) -> list[Figure]:
    """What metrics.jsonl says, as curves; one that no line has a number for is left out."""
    shown = np.unique(np.linspace(0, len(lines) - 1, min(len(lines), MAX_POINTS)).round().astype(int))
    rows = [lines[index] for index in shown]
    found = [_curve_figure(rows, title, wanted, note) for title, wanted, note in _CURVES]
    found.insert(4, _difficulty(rows))
    return [figure for figure in found if figure is not None]


def _values(rows: Sequence[Mapping[str, Any]], key: str) -> list[float]:
    return [float(row[key]) if isinstance(row.get(key), int | float) else math.nan for row in rows]


def _curve_figure(rows: Sequence[Mapping[str, Any]], title: str, wanted: Sequence[_Curve], note: str) -> Figure | None:
    found = [(curve, _values(rows, curve.key)) for curve in wanted]
    found = [(curve, values) for curve, values in found if any(map(math.isfinite, values))]
    if not found:
        return None
    epochs = _values(rows, "epoch")
    every = [value for _, values in found for value in values]
    plot = Plot(x=_epoch_axis(epochs), y=axis(every, from_zero=not title.startswith("Held-out")), title=title)
    for curve, values in found:
        points = list(zip(epochs, values, strict=True))
        plot.line([point for point in points if math.isfinite(point[1])], curve.colour)  # not each epoch is validated
        titles = [f"epoch {epoch:.0f}: {curve.name} {number(value)}" for epoch, value in points]
        plot.dots(points, curve.colour, titles, radius=3 if len(rows) <= 40 else 1.5)
    legend = tuple((curve.colour, curve.name, number(_last(values))) for curve, values in found)
    return Figure(title=title, svg=plot.svg(), legend=legend, note=note)


def _difficulty(rows: Sequence[Mapping[str, Any]]) -> Figure | None:
    """Shares of easy, semi-hard and hard tuples, stacked to 100 %."""
    split = [_values(rows, key) for key, _, _ in _DIFFICULTY]
    kept = [index for index in range(len(rows)) if all(math.isfinite(values[index]) for values in split)]
    if not kept:
        return None
    epochs = [_values(rows, "epoch")[index] for index in kept]
    if len(kept) == 1:  # an area needs a width
        epochs, kept = [epochs[0] - 0.5, epochs[0] + 0.5], kept * 2
    plot = Plot(
        x=_epoch_axis(epochs), y=Axis(low=0, high=100, ticks=(0, 20, 40, 60, 80, 100)), title="Difficulty of tuples"
    )
    floor = [0.0] * len(kept)
    for (_, _, colour), values in zip(_DIFFICULTY, split, strict=True):
        ceiling = [low + values[index] for low, index in zip(floor, kept, strict=True)]
        plot.area(list(zip(epochs, ceiling, strict=True)), list(zip(epochs, floor, strict=True)), f"{colour} solid")
        floor = ceiling
    legend = tuple(
        (colour, name, f"{values[kept[-1]]:.1f} %")
        for (_, name, colour), values in zip(_DIFFICULTY, split, strict=True)
    )
    return Figure(title="Difficulty of tuples", svg=plot.svg(), legend=legend)


def _epoch_axis(epochs: Sequence[float]) -> Axis:
    return axis(epochs, label="epoch", whole=True)


def _last(values: Sequence[float]) -> float:
    return next((value for value in reversed(values) if math.isfinite(value)), math.nan)


def histogram(pairs: PairDistances, *, threshold: Mapping[str, Any] | None) -> Figure:
    """Distances of same and of different pairs as shares of each, with the threshold and the errors on its sides."""
    both = np.concatenate([pairs.same, pairs.different])
    high = float(np.quantile(both, 0.999)) if len(both) else 1.0
    x = axis([0.0, high], label="distance")
    edges = np.linspace(x.low, x.high, _NUM_BINS + 1)
    shares = {
        name: np.histogram(np.clip(values, x.low, x.high), edges)[0] * (100 / max(1, len(values)))
        for name, values in (("same", pairs.same), ("other", pairs.different))
    }
    y = axis([0.0, *(float(share.max()) for share in shares.values())], from_zero=True)
    plot = Plot(x=x, y=y, title="Distances of same and different pairs")
    for name, share in shares.items():
        heights = share.tolist()
        top = [
            (at, height)
            for height, *ends in zip(heights, edges[:-1].tolist(), edges[1:].tolist(), strict=True)
            for at in ends
        ]
        plot.area(top, [(at, 0.0) for at, _ in top], name)
        plot.line(top, name)
    legend = [
        ("same", "same class", f"{len(pairs.same):,} pairs"),
        ("other", "different classes", f"{len(pairs.different):,} pairs"),
    ]
    value = _number(threshold, "value")
    if math.isfinite(value):
        plot.rule(value, f"threshold {number(value)}")
        legend[0] = ("same", "same class", f"{_percent(threshold, 'frr')} rejected (FRR)")
        legend[1] = ("other", "different classes", f"{_percent(threshold, 'far')} accepted (FAR)")
    note = f"Share of the pairs of each sort, in %.{_rests_on(threshold)}"
    return Figure(title="Distances of pairs", svg=plot.svg(), legend=tuple(legend), note=note)


def trade_off(pairs: PairDistances, *, threshold: Mapping[str, Any] | None) -> Figure:
    """Same pairs accepted over different pairs accepted, for every threshold (ROC), with the threshold and its errors.

    Args:
        pairs: of both sorts.
        threshold: {"eer", "far", "frr"}; what is missing is not drawn.
    """
    far, accepted = pairs.far, pairs.tar
    plot = Plot(
        x=log_axis(_LOWEST_RATE, 1.0, label="different pairs accepted (FAR)"),
        y=axis([0.0, 1.0], from_zero=True),
        title="Receiver operating characteristic",
    )
    kept = np.unique(
        np.round(
            np.interp(np.linspace(-4, 0, MAX_POINTS), np.log10(np.maximum(far, _LOWEST_RATE)), np.arange(len(far)))
        ).astype(int)
    )
    plot.line([(float(far[index]), float(accepted[index])) for index in kept], "c1")
    balance = np.linspace(_LOWEST_RATE, 1, 200)
    plot.line([(float(rate), 1 - float(rate)) for rate in balance], "muted", dashed=True)
    legend = []
    eer = _number(threshold, "eer")
    if math.isfinite(eer):
        plot.dots([(max(eer, _LOWEST_RATE), 1 - eer)], "c2", [f"equal error rate {eer:.2%}"], radius=5)
        legend.append(("c2", "equal error rate", f"{eer:.2%}"))
    frr, point = _number(threshold, "frr"), _number(threshold, "far")
    if math.isfinite(frr) and math.isfinite(point):
        text = f"FAR {point:.2%}, FRR {frr:.2%}"
        plot.dots([(max(point, _LOWEST_RATE), 1 - frr)], "other", [f"threshold: {text}"], radius=5)
        legend.append(("other", "threshold", text))
    note = "Same pairs accepted, for every threshold; both errors are equal on the dashed line."
    note += _rests_on(threshold)
    return Figure(title="Trade-off (ROC)", svg=plot.svg(), legend=tuple(legend), note=note)


def _rests_on(threshold: Mapping[str, Any] | None) -> str:
    """The pairs that a threshold rests on, as one more sentence."""
    text = resting_on(threshold)
    return f" The threshold rests on {text}." if text else ""


def recall_curve(curve: RecallCurve) -> Figure:
    """recall@k for every k."""
    points = list(zip(curve.depths.astype(float).tolist(), curve.recall.tolist(), strict=True))
    plot = Plot(
        x=log_axis(1, points[-1][0], label="k, nearest images looked at"),
        y=axis([points[0][1], 1.0]),
        title="Recall at every depth",
    )
    plot.line(points, "c1")
    plot.dots(points, "c1", [f"recall@{k:.0f} {share:.2%}" for k, share in points], radius=2)
    at = dict(points)
    legend = tuple(("c1", f"recall@{k}", f"{at[k]:.1%}") for k in (1, 5, 10))
    rests_on = curve.rests_on or f"{curve.num_queries:,} queries"
    note = f"{rests_on}; the last one finds its class at place {curve.last_rank:,}."
    return Figure(title="Recall at k", svg=plot.svg(), legend=legend, note=note)


def scatter(places: Numbers, classes: Sequence[int], *, class_names: Sequence[str], titles: Sequence[str]) -> Figure:
    """Vectors in two dimensions; the largest classes in colour with their names, the rest in grey.

    Args:
        places: float64 [N, 2].
        classes: [N], indices into `class_names`; -1: unknown.
        class_names: names of the classes.
        titles: [N], what a point says when it is pointed at.
    """
    colouring = by_class(classes, class_names)
    plot = scatter_plot(places, colouring, titles, title="Map of the vectors")
    return Figure(title="Map of the vectors", svg=plot.svg(), legend=colouring.legend)


def _number(values: Mapping[str, Any] | None, key: str) -> float:
    value = (values or {}).get(key)
    return float(value) if isinstance(value, int | float) else math.nan


def _percent(values: Mapping[str, Any] | None, key: str) -> str:
    value = _number(values, key)
    return f"{value:.2%}" if math.isfinite(value) else "-"
