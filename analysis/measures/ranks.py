"""Ranks of the images of a query's class among its distances to all, by counting, and the values that follow from them.

Decision a reader would question: nothing is sorted that need not be. The rank of an image of the class is its place
among those of its class plus the number of other images at most as far, and a number is counted in one pass over a row
of distances. References stand sorted by class, so the images of a class are one slice of that row.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from artifact.arrays import Flags, Indices, Numbers, Vectors

_FEW_THRESHOLDS = 32
"""Up to this many counts over a row are faster than sorting what lies below the last of them."""

_NUM_DEPTHS = 60
"""Depths of a curve of recall."""

_STRIDE = 64
"""A row's every 64th distance tells where about its n-th smallest lies."""


def block_values(
    distances: Vectors,
    starts: Indices,
    ends: Indices,
    place: Indices,
    whole: Flags,
    ks: Sequence[int],
    *,
    with_ranks: bool = False,
) -> tuple[Numbers, Indices]:
    """Values of a block of queries.

    Args:
        distances: float32 [rows, N], references sorted by class; afterwards NaN for those of the query's class.
        starts, ends: int64 [rows], columns of the query's class.
        place: int64 [rows], column of the query itself.
        whole: bool [rows], whether to rank so far that AP is known; it is NaN elsewhere.
        ks: depths.
        with_ranks: rank the first image of the class exactly, however far it is.

    Returns:
        (float64 [rows, recall@k of each k, P@k of each k, AP@R, AP], int64 [rows]: place of the first image of the
        class, 1 is the nearest; without `with_ranks` only at least so far beyond the depths).
    """
    first = np.empty(len(distances), np.int64)
    values = np.empty((len(distances), 2 * len(ks) + 2))
    near = np.empty(distances.shape[1], bool)
    cuts = np.flatnonzero(np.diff(starts)) + 1
    for rows in np.split(np.arange(len(distances)), cuts):  # of one class each
        own = slice(int(starts[rows[0]]), int(ends[rows[0]]))
        same = distances[rows, own]  # a copy, [rows, R + 1]
        same[np.arange(len(rows)), place[rows] - own.start] = np.nan
        same.sort(axis=1)
        same = same[:, :-1]  # NaN sorts last: not itself
        distances[rows, own] = np.nan  # at most as far as nothing
        num_same = same.shape[1]
        depth = max(num_same, *ks)
        wrong = np.stack(
            [
                wrong_before(distances[row], same[at], near, depth=None if whole[row] else depth)
                for at, row in enumerate(rows)
            ]
        )
        ranks = wrong + np.arange(num_same)  # from 0
        values[rows] = rank_values(ranks, ks)
        values[rows[~whole[rows]], -1] = np.nan
        if with_ranks:
            for at in np.flatnonzero(wrong[:, 0] >= depth):  # so many, or more
                wrong[at, 0] = np.count_nonzero(np.less_equal(distances[rows[at]], same[at, 0], out=near))
        first[rows] = 1 + wrong[:, 0]
    return values, first


def rank_values(ranks: Indices, ks: Sequence[int]) -> Numbers:
    """Values of queries of one class from the ranks of its images.

    Args:
        ranks: int64 [q, R], rising, from 0.
        ks: depths.

    Returns:
        float64 [q, 2 len(ks) + 2]: recall@k and P@k for each k, average precision at R, average precision.
    """
    num_same = ranks.shape[1]
    precision = np.arange(1, num_same + 1) / (ranks + 1.0)  # at each image of the class
    within = [(ranks < k).sum(axis=1) for k in ks]
    return np.stack(
        [
            *((count > 0).astype(float) for count in within),
            *(count / k for count, k in zip(within, ks, strict=True)),
            (precision * (ranks < num_same)).sum(axis=1) / num_same,
            precision.mean(axis=1),
        ],
        axis=1,
    )


def recall_by_depth(first_ranks: Indices) -> tuple[Indices, Numbers]:
    """recall@k at depths that lie evenly in factors, and at 1, 5 and 10.

    Args:
        first_ranks: int64 [Q], at least one; place of each query's first right image, 1 is the nearest.

    Returns:
        (depths int64 [K], rising, from 1 to the last rank or 10; recall float64 [K], in [0, 1]).
    """
    ordered = np.sort(first_ranks)
    spread = np.geomspace(1, max(10, ordered[-1]), _NUM_DEPTHS).round().astype(np.int64)
    depths = np.unique(np.concatenate([[1, 5, 10], spread]))
    return depths, np.searchsorted(ordered, depths, side="right") / len(ordered)


def wrong_before(row: Vectors, thresholds: Vectors, near: Flags, *, depth: int | None = None) -> Indices:
    """Numbers of a row that are at most as large as a threshold: the count for each.

    Args:
        row: float32 [N]; NaN counts nowhere.
        thresholds: float32 [R], rising.
        near: bool [N] to work in.
        depth: numbers of this size and above need not be right, only at least this large.

    Returns:
        int64 [R].
    """
    count = int(np.count_nonzero(np.less_equal(row, thresholds[-1], out=near)))
    if count == 0:
        return np.zeros(len(thresholds), np.int64)
    if depth is not None and count > 4 * depth + 4 * _STRIDE:
        _keep_smallest(row, depth, near)
    elif len(thresholds) <= _FEW_THRESHOLDS and count > len(row) // 64:
        counts = [np.count_nonzero(np.less_equal(row, threshold, out=near)) for threshold in thresholds[:-1]]
        return np.array([*counts, count])
    kept = row[near]
    kept.sort()
    return np.searchsorted(kept, thresholds, side="right")


def _keep_smallest(row: Vectors, count: int, near: Flags) -> None:
    """Set `near` to the `count` smallest numbers of a row and not many more, guessing from a sample of it.

    The row holds at least `count` numbers that are not NaN.
    """
    sample = np.sort(row[::_STRIDE])
    at = count // _STRIDE + count // (2 * _STRIDE) + 8
    while at < len(sample) and not np.isnan(sample[at]):
        if np.count_nonzero(np.less_equal(row, sample[at], out=near)) >= count:
            return
        at *= 2
    np.logical_not(np.isnan(row), out=near)
