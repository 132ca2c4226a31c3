"""Ranking accuracy: the share of triplets and quartets whose distances are in the right order.

Right is d(anchor, positive) < d(anchor, negative); for quartets also < d(negative, negative2). A tie is wrong, so a
collapsed network scores 0. It is what training reports as % correct.

Decision a reader would question: tuples of the caller get Wilson's interval, as if they were independent. Only he knows
what they share; where the classes of the anchors are known, whole classes are drawn (analysis/measures/intervals.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from analysis.measures.intervals import class_intervals, mean_interval
from analysis.measures.pairs import pair_distances
from analysis.neighbours.batches import number_column
from analysis.neighbours.checks import check_vectors
from analysis.neighbours.labels import Labels, label_codes
from analysis.neighbours.samples import check_seed
from artifact.arrays import AnyArray, Flags, Indices, Vectors
from artifact.distances import check_distance
from artifact.errors import DataError, UsageError
from artifact.kinds import KINDS, distance_name
from rows.vectors.table import VectorTable

_POSITIVE, _NEGATIVE, _, _NEGATIVES = KINDS["quartet"].pairs
_COMPARED = (_NEGATIVE, _NEGATIVES)
"""Pairs of streams whose distances the positive's is compared with; the second in quartets only."""


def ranking_accuracy(
    vectors: Vectors,
    tuples: npt.ArrayLike,
    *,
    distance: str,
    labels: Labels | None = None,
    bootstrap: int = 0,
    seed: int = 0,
) -> dict[str, Any]:
    """Ranking accuracy of given tuples of rows.

    Args:
        vectors: float32 [N, n].
        tuples: integers [T, 3] or [T, 4], rows of `vectors`: anchor, positive, negative and, in quartets, negative2.
        distance: a name in artifact.distances.DISTANCES.
        labels: [N], for the bootstrap.
        bootstrap: resamples of the anchors' classes; 0 for Wilson's interval.

    Returns:
        {"ranking_accuracy", "ranking_accuracy_low", "ranking_accuracy_high" (None with too few classes), "tuples"}.

    Raises:
        UsageError: an unknown distance, or a bootstrap without labels.
        DataError: tuples of another shape, none, or rows that are not there.
    """
    check_distance(distance)
    check_seed(seed)
    array = check_vectors(vectors)
    rows = np.asarray(tuples)
    if rows.ndim != 2 or rows.shape[1] not in (3, 4) or not len(rows) or not np.issubdtype(rows.dtype, np.integer):
        got = f"{rows.dtype} of shape {list(rows.shape)}"
        raise DataError("tuples", expected="integers of shape [T, 3] or [T, 4]", got=got)
    if rows.min() < 0 or rows.max() >= len(array):
        bad = int(rows.min()) if rows.min() < 0 else int(rows.max())
        raise DataError("tuples", expected=f"rows 0 to {len(array) - 1}", got=str(bad))
    if bootstrap and labels is None:
        raise UsageError("bootstrap", expected="labels, to draw classes of anchors", got="none")
    stream = dict(zip(KINDS["quartet"].streams, rows.T.astype(np.int64), strict=False))
    positive, *others = (
        pair_distances(array, stream[a], stream[b], distance) for a, b in (_POSITIVE, *_COMPARED[: rows.shape[1] - 2])
    )
    right = in_right_order(positive, others)
    if not bootstrap or labels is None:
        return _facts(right, mean_interval(right.astype(float)))
    codes = label_codes(labels, len(array))[rows[:, 0]]
    found = class_intervals(right[:, None].astype(float), codes, resamples=bootstrap, seed=seed)
    return _facts(right, found[0] if found else (None, None))


def table_ranking_accuracy(table: VectorTable) -> dict[str, Any] | None:
    """Ranking accuracy of a table that a full artifact scored, from its columns `distance_<a>_<b>`.

    Returns:
        As `ranking_accuracy`, with Wilson's interval; None for a table without these columns.

    Raises:
        DataError: a distance that is missing or no number.
    """
    positive, *others = (distance_name(pair) for pair in (_POSITIVE, *_COMPARED))
    if not {positive, others[0]} <= set(table.columns):
        return None
    compared = [number_column(table, name) for name in others if name in table.columns]
    right = in_right_order(number_column(table, positive), compared)
    return _facts(right, mean_interval(right.astype(float)))


def in_right_order(positive: AnyArray, others: Sequence[AnyArray]) -> Flags:
    """Whether the positive's distance of each tuple is below all others: bool [T] from [T] each."""
    return np.asarray(positive < np.minimum.reduce(others), dtype=bool)


def sample_triplets(labels: Labels, count: int, *, seed: int = 0) -> Indices | None:
    """Draw triplets of rows with replacement: an anchor, another image of its class, one of another class; uniformly.

    Args:
        labels: [N], any hashable.
        count: at least 1.

    Returns:
        int64 [count, 3]; None where no class has two images, or there is only one class.

    Raises:
        UsageError: a count below 1, or a seed below 0.
    """
    if count < 1:
        raise UsageError("count", expected="at least 1", got=str(count))
    check_seed(seed)
    codes = label_codes(labels, len(labels))
    order = np.argsort(codes, kind="stable")
    sizes = np.bincount(codes)[codes[order]] if len(codes) else codes  # [N], of the class at each place
    starts = np.searchsorted(codes[order], codes[order])
    anchors = np.flatnonzero((sizes > 1) & (sizes < len(codes)))
    if not anchors.size:
        return None
    rng = np.random.default_rng(seed)
    anchor = rng.choice(anchors, count)  # places in `order`, as the two below
    start, size = starts[anchor], sizes[anchor]
    positive = start + (anchor - start + rng.integers(1, size)) % size
    negative = rng.integers(0, len(codes) - size)
    negative += np.where(negative < start, 0, size)  # over the anchor's own class
    triplets: Indices = order[np.stack([anchor, positive, negative], axis=1)]
    return triplets


def _facts(right: Flags, interval: tuple[float | None, float | None]) -> dict[str, Any]:
    return {
        "ranking_accuracy": float(right.mean()),
        "ranking_accuracy_low": interval[0],
        "ranking_accuracy_high": interval[1],
        "tuples": len(right),
    }
