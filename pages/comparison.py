"""The page of `lookalike compare`: whether two sets differ, in which pictures, in which regions and classes.

Decisions a reader would question:
- The page says what a p-value says and what it does not, in a sentence each and beside the number: whoever is sent the
  page has not read the documentation.
- Everything is bounded: MAX_REGIONS regions and MAX_CLASSES classes, the most different first, and some hundred small
  pictures; the file that `--output` writes has all rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from artifact.arrays import Numbers
from pages.page import write_page
from pages.pictures import Picture
from pages.plot import Axis, Plot, axis
from pages.report_figures import Figure

MAX_REGIONS, MAX_CLASSES = 20, 50
PICTURES_OF_REGION = 4
"""Of each set; how many of the least alike are shown is for who found them."""

PICTURE_PX = 64
"""Longest side at most of the pictures that it is given."""

A_COLOUR, B_COLOUR = "c1", "c2"
_NUM_BINS = 40


@dataclass(frozen=True, kw_only=True)
class RegionLine:
    """One region: its place on the page, its figures, and pictures of both sets."""

    place: int
    facts: Mapping[str, Any]
    differs: bool
    of_a: list[Picture]
    of_b: list[Picture]


def shown_ids(facts: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Ids of the pictures of A and of B that the page of these facts shows."""
    found = []
    for side in ("a", "b"):
        ids = [str(row["id"]) for row in facts[side]["most_unlike"]]
        for region in facts["regions"][:MAX_REGIONS]:
            ids += map(str, region[f"typical_{side}"][:PICTURES_OF_REGION])
        found.append(ids)
    return found[0], found[1]


def write_comparison(
    page: Path,
    facts: Mapping[str, Any],
    *,
    like_b: tuple[Numbers, Numbers] | None,
    relabelled: Numbers,
    pictures: tuple[Mapping[str, str], Mapping[str, str]],
    missing: Sequence[str] = (),
) -> None:
    """Write the page.

    Args:
        page: the file.
        facts: as `lookalike compare --json` prints them.
        like_b: how much like B each row of A and each of B is, float64 in [0, 1]; None where nothing was learned.
        relabelled: float64 [R], what relabellings gave for `mmd_squared`.
        pictures: {id: data URL} of A and of B.
        missing: lines on why there are no pictures, or not all.

    Raises:
        OutputError: the page cannot be written.
    """
    figures = [_relabellings(facts["mmd_squared"], relabelled)]
    if like_b is not None:
        figures.insert(0, _likeness(*like_b))
    lines = [_region_line(place, region, facts["alpha"], pictures) for place, region in _numbered(facts["regions"])]
    classes = facts["classes"]
    write_page(
        page,
        "comparison.html.jinja",
        facts=facts,
        names=tuple(_short(facts[side]["source"]) for side in ("a", "b")),
        percent=f"{100 * (1 - facts['alpha']):g} %",
        figures=figures,
        region_figure=_differences(lines),
        regions=lines,
        more_regions=len(facts["regions"]) - len(lines),
        unlike=[
            [_unlike(row, found) for row in facts[side]["most_unlike"]]
            for side, found in zip(("a", "b"), pictures, strict=True)
        ],
        classes=None if classes is None else classes[:MAX_CLASSES],
        more_classes=0 if classes is None else max(0, len(classes) - MAX_CLASSES),
        missing=missing,
        has_pictures=any(pictures),
    )


def _numbered(regions: Sequence[Mapping[str, Any]]) -> Sequence[tuple[int, Mapping[str, Any]]]:
    return list(enumerate(regions[:MAX_REGIONS], start=1))


def _short(source: str) -> str:
    return PurePosixPath(source).name or source


def _region_line(
    place: int, region: Mapping[str, Any], alpha: float, pictures: tuple[Mapping[str, str], Mapping[str, str]]
) -> RegionLine:
    of_a, of_b = (
        [_picture(str(name), found) for name in region[f"typical_{side}"][:PICTURES_OF_REGION]]
        for side, found in zip(("a", "b"), pictures, strict=True)
    )
    return RegionLine(place=place, facts=region, differs=region["p_value"] <= alpha, of_a=of_a, of_b=of_b)


def _picture(name: str, pictures: Mapping[str, str], captions: Sequence[tuple[str, str]] = ()) -> Picture:
    return Picture(name=name, data=pictures.get(name), kind="near", title=name, captions=captions)


def _unlike(row: Mapping[str, Any], pictures: Mapping[str, str]) -> Picture:
    name = str(row["id"])
    said = row["p_other"]
    caption = f"{said:.1%}" if said is not None else f"{row['neighbours_other']:.0%} near"
    return _picture(name, pictures, [(caption, "chance of the other set")])


def _likeness(of_a: Numbers, of_b: Numbers) -> Figure:
    """How much like B the rows of each set are, as shares of the set."""
    edges = np.linspace(0.0, 1.0, _NUM_BINS + 1)
    shares = [np.histogram(values, edges)[0] * (100 / max(1, len(values))) for values in (of_a, of_b)]
    top = max(float(share.max()) for share in shares)
    x = Axis(low=0.0, high=1.0, ticks=(0.0, 0.25, 0.5, 0.75, 1.0), label="how much like B (0.5: could be of either)")
    plot = Plot(x=x, y=axis([0.0, top], from_zero=True), title="How much like B the pictures of each set are")
    for share, colour in zip(shares, (A_COLOUR, B_COLOUR), strict=True):
        _steps(plot, share, edges, colour)
    return Figure(
        title="Can the pictures be told apart?",
        svg=plot.svg(),
        legend=((A_COLOUR, "A", f"{len(of_a):,} rows"), (B_COLOUR, "B", f"{len(of_b):,} rows")),
        note="Share of each set in %, as a classifier says of pictures that it has not seen. Two equal hills: it "
        "cannot tell them apart. A small hill aside: a few pictures that only one set has.",
    )


def _relabellings(found: float, relabelled: Numbers) -> Figure:
    """The MMD of the sets beside that of sets dealt by chance."""
    edges = np.linspace(float(relabelled.min()), max(float(relabelled.max()), float(relabelled.min()) + 1e-12), 31)
    counts = np.histogram(relabelled, edges)[0].astype(np.float64)
    plot = Plot(
        x=axis([float(edges[0]), float(edges[-1]), found], label="squared distance of the sets (MMD)"),
        y=axis([0.0, float(counts.max())], from_zero=True),
        title="The difference beside what chance gives",
    )
    _steps(plot, counts, edges, "muted")
    plot.rule(found, "these sets")
    return Figure(
        title="What chance alone would give",
        svg=plot.svg(),
        legend=(("muted", "pictures dealt to two sets by chance", f"{len(relabelled):,} times"),),
        note="One of the four statistics behind the p-value: the mean distance of the sets under a Gaussian kernel.",
    )


def _steps(plot: Plot, heights: Numbers, edges: Numbers, colour: str) -> None:
    top = [
        (at, height)
        for height, *ends in zip(heights.tolist(), edges[:-1].tolist(), edges[1:].tolist(), strict=True)
        for at in ends
    ]
    plot.area(top, [(at, 0.0) for at, _ in top], colour)
    plot.line(top, colour)


def _differences(lines: Sequence[RegionLine]) -> Figure:
    """Difference of the shares of each region, with its interval, the most different on top."""
    ends = [100 * line.facts[name] for line in lines for name in ("low", "high")]
    x = axis([0.0, *ends], label="share in B less share in A, percentage points")
    places = tuple(-float(line.place) for line in lines)
    y = Axis(low=places[-1] - 0.7, high=-0.3, ticks=())
    plot = Plot(x=x, y=y, title="Regions by difference of shares", height=60 + 18 * len(lines))
    plot.rule(0.0, "")
    for line, place in zip(lines, places, strict=True):
        colour = "muted" if not line.differs else A_COLOUR if line.facts["difference"] < 0 else B_COLOUR
        low, high, middle = (100 * line.facts[name] for name in ("low", "high", "difference"))
        plot.line([(low, place), (high, place)], colour)
        plot.dots([(middle, place)], colour, [f"{line.place}: {middle:+.2f} ({low:.2f} to {high:.2f})"], radius=4)
        plot.word((x.low, place), str(line.place), shift=(-12, 4))
    return Figure(
        title="Where they differ",
        svg=plot.svg(),
        legend=((A_COLOUR, "more of A", ""), (B_COLOUR, "more of B", ""), ("muted", "no difference shown", "")),
        note="Numbers as in the table; intervals hold for all regions at once.",
    )
