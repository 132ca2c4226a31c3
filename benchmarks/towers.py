"""Two towers beside ridge regression: images found by attributes whose combinations were never trained on.

Drawn shapes (benchmarks/sets/turned_shapes.py): 200 of 500 combinations of a shape, stripes and cells of hue, size and
turn, which are numbers, to train on, 40 others to search in. Each row of all attributes ranks the unseen pictures; P@10
of the attribute tower, and of ridge regression from the same encoded rows onto the vectors of the SAME image tower over
the pictures trained on, its penalty the best of seven on a fifth. Beside it shapes whose attributes are categories and
add up (benchmarks/sets/shapes.py), where ridge regression has what it needs, and emoji with their keywords
(benchmarks/sets/emoji_keywords.py), half of the symbols never trained on. All are also asked for one flag, category
or number alone. A run that was cut off goes on where it stopped.

And what flipped negatives gain over those of other images, and softmax over a hinge: runs of the same seeds in pairs,
with 95 % intervals of the difference by Student's t.
"""

from __future__ import annotations

import math
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from analysis.measures.attribute_retrieval import attribute_retrieval
from analysis.measures.attribute_rows import HALF_SCALE, AttributeRows
from artifact.arrays import Numbers, Vectors
from artifact.attributes import NUMBER, Attributes
from benchmarks.arms import Arms
from benchmarks.sets.emoji_keywords import prepare_emoji_keywords
from benchmarks.sets.shapes import prepare_shapes
from benchmarks.sets.turned_shapes import prepare_turned_shapes
from trainer.config.config import make_config
from trainer.data.dataset import open_dataset, read_dataset
from trainer.loop.assessment import embed
from trainer.loop.attribute_measures import embed_rows
from trainer.loop.fit import fit
from trainer.run.saved_run import Run
from trainer.towers.values import values_of

SEEDS = (0, 1, 2, 3, 4)
EPOCHS = 20
PARTIAL = Path("build/benchmark-towers.json")
ARMS: dict[str, dict[str, Any]] = {
    "softmax, other": {"loss": "softmax", "negatives": "other"},
    "softmax, flipped:1": {"loss": "softmax", "negatives": "flipped:1"},
    "hinge, other": {"loss": "triplet", "negatives": "other"},
    "hinge, flipped:1": {"loss": "triplet", "negatives": "flipped:1"},
    "hinge, mined": {"loss": "triplet", "negatives": "mined"},
}
QUANTILES = (0.1, 0.3, 0.5, 0.7, 0.9)
PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0, 1000.0)
_T = {2: 12.71, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 8: 2.365, 10: 2.262}
"""Student's t at 97.5 %, by the number of seeds."""


def run(seeds: Sequence[int] = SEEDS, epochs: int = EPOCHS, arms: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """All arms on shapes of numbers, the first on shapes of categories and emoji; each seed has weights of its own, and
    of shapes pictures too."""
    chosen = ARMS if arms is None else arms
    done = Arms(PARTIAL, (epochs, ARMS))
    first, *others = chosen
    wanted: list[tuple[str, str, Callable[[int], tuple[Path, Path]]]] = [
        *(("shapes", name, prepare_turned_shapes) for name in chosen),
        ("shapes_of_categories", first, prepare_shapes),
        ("emoji", first, lambda seed: prepare_emoji_keywords()),
    ]
    trials: dict[tuple[str, str], list[dict[str, float]]] = {}
    for seed in seeds:  # seeds outside, arms inside: a machine that slows down slows all of them
        for of_set, name, prepare in wanted:
            measure = partial(_trial, prepare, seed=seed, epochs=epochs, settings=chosen[name])
            trials.setdefault((of_set, name), []).append(done.get(f"{of_set}, {name}, {seed}", measure))
    done.forget()
    found = {name: trials["shapes", name] for name in chosen}
    besides = {of_set: trials[of_set, first] for of_set in ("shapes_of_categories", "emoji")}
    return {
        "epochs": epochs,
        "seeds": list(seeds),
        "shapes": {name: _means(runs) for name, runs in found.items()},
        "over_ridge": {
            name: _gain([each["P@10"] for each in runs], [each["ridge P@10"] for each in runs])
            for name, runs in {"shapes": found[first], **besides}.items()
        },
        "gains": {
            f"{name} over {first}": {
                figure: _gain([each[figure] for each in found[name]], [each[figure] for each in found[first]])
                for figure in ("P@10", "mAP", "one asked, P@10", "triplets_easy", "triplets_hard")
            }
            for name in others
        },
        **{name: _means(runs) for name, runs in besides.items()},
    }


def _trial(
    prepare: Callable[[int], tuple[Path, Path]], *, seed: int, epochs: int, settings: Mapping[str, Any]
) -> dict[str, float]:
    """One run, and its figures on the pictures that it has never seen, beside those of ridge regression."""
    train, unseen = prepare(seed)
    table = train / "table.csv"
    names = table.read_text().splitlines()[0].split(",")
    values = {
        "images": table,
        "kind": "triplet",
        "columns": {"image": names[0]},
        "attributes": names[1:],
        "validation": str(unseen / "table.csv"),
        "epochs": epochs,
        "seed": seed,
        "size": 48,
    }
    with tempfile.TemporaryDirectory() as folder:
        trained = fit(make_config(values | dict(settings)), Path(folder) / "run")
        return _measured(trained)


def _measured(run: Run) -> dict[str, float]:
    attributes = run.attributes
    assert attributes is not None
    sides = {}
    for name, path in (("train", run.config.images), ("unseen", Path(str(run.config.validation)))):
        opened = open_dataset(
            path, kind=run.kind, columns=run.config.columns, attributes=run.config.attributes, folder_has_columns=True
        )
        data = read_dataset(opened, run.config, run.preprocessing, cache=None, report=lambda event: None)
        assert data.columns is not None
        rows, bad = attributes.encode(data.columns, len(data.images))
        assert not bad
        sides[name] = (embed(run.branch, data.images), rows)
    vectors, rows = sides["unseen"]
    alone = {"one asked": _asked_alone(attributes), "one number asked": _numbers_alone(attributes, rows)}
    by_ridge = _ridge(*sides["train"])
    figures: dict[str, float] = {}
    for name, embedded in (("", lambda asked: embed_rows(run.branch, asked)), ("ridge ", by_ridge)):
        found = _figures(embedded(rows), rows, rows, vectors, attributes, run.distance)
        figures |= {name + figure: value for figure, value in found.items()}
        for what, asked in alone.items():
            if len(asked):
                found = _figures(embedded(asked), asked, rows, vectors, attributes, run.distance)
                figures |= {f"{name}{what}, {figure}": found[figure] for figure in ("P@10", "mAP", "chance")}
    return figures


def _asked_alone(attributes: Attributes) -> Vectors:
    """Rows that ask for one flag or category and leave all else open, float32 [Q, A]."""
    places = [
        column
        for each, columns in zip(attributes.attributes, attributes.slices.values(), strict=True)
        if each.type != NUMBER
        for column in range(columns.start, columns.stop)
    ]
    return np.eye(attributes.width, dtype=np.float32)[places]


def _numbers_alone(attributes: Attributes, rows: Vectors) -> Vectors:
    """Rows that ask for one number, such as images have it, and leave all else open, float32 [Q, A]."""
    asked = []
    for each, columns in zip(attributes.attributes, attributes.slices.values(), strict=True):
        if each.type == NUMBER:
            for value in np.quantile(rows[:, columns.start], QUANTILES, method="nearest"):
                row = np.zeros(attributes.width, np.float32)
                row[columns] = value, 1
                asked.append(row)
    return np.array(asked, np.float32).reshape(-1, attributes.width)


def _figures(
    of_asked: Vectors, asked: Vectors, rows: Vectors, vectors: Vectors, attributes: Attributes, distance: str
) -> dict[str, float]:
    """Of some rows that ask, with their vectors, among images with their rows and vectors."""
    found = attribute_retrieval(
        AttributeRows(vectors=of_asked, values=values_of(asked, attributes)),
        vectors,
        values_of(rows, attributes),
        distance=distance,
        tolerances=np.array([HALF_SCALE if each.type == NUMBER else 0.0 for each in attributes.attributes]),
        bootstrap=0,
    )
    triplets = {name: found[name] for name in ("triplets_easy", "triplets_hard") if found[name] is not None}
    return {name: found["all"][name] for name in ("P@1", "P@10", "mAP", "chance")} | triplets


def _ridge(vectors: Vectors, rows: Vectors) -> Callable[[Vectors], Vectors]:
    """Ridge regression from rows to vectors, put on the unit sphere: float32 [Q, A] -> float32 [Q, n]."""
    order = np.random.default_rng(0).permutation(len(rows))
    tried, fitted = np.split(order, [len(rows) // 5])
    errors = {
        penalty: float(np.square(_solved(vectors[fitted], rows[fitted], penalty)(rows[tried]) - vectors[tried]).mean())
        for penalty in PENALTIES
    }
    solved = _solved(vectors, rows, min(errors, key=errors.__getitem__))

    def predicted(asked: Vectors) -> Vectors:
        found = solved(asked)
        return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float32)

    return predicted


def _solved(vectors: Vectors, rows: Vectors, penalty: float) -> Callable[[Vectors], Numbers]:
    """A function from rows to vectors: means apart, the rest by the normal equations in float64."""
    mean_row, mean_vector = rows.mean(axis=0, dtype=np.float64), vectors.mean(axis=0, dtype=np.float64)
    x, y = rows - mean_row, vectors - mean_vector
    weights = np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ y)
    return lambda asked: (asked - mean_row) @ weights + mean_vector


def _means(trials: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """{figure: {"mean", "low", "high"}} over seeds."""
    return {name: _interval([each[name] for each in trials]) for name in trials[0]}


def _gain(ours: Sequence[float], others: Sequence[float]) -> dict[str, float | None]:
    """The mean difference of runs of the same seeds, and its interval."""
    return _interval([one - other for one, other in zip(ours, others, strict=True)])


def _interval(values: Sequence[float]) -> dict[str, float | None]:
    mean = statistics.fmean(values)
    if len(values) < 2:
        return {"mean": mean, "low": None, "high": None}
    half = _T.get(len(values), 1.96) * statistics.stdev(values) / math.sqrt(len(values))
    return {"mean": mean, "low": mean - half, "high": mean + half}
