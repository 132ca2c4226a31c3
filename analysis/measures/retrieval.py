"""Where the images of a query's class stand in its ranking, for every query, in bounded memory.

Decisions a reader would question:
- Nothing is sorted that need not be. The rank of an image of the class is its place among those of its class plus the
  number of other images at most as far, and a number is counted in one pass over a row of distances. References stand
  sorted by class, so the images of a class are one slice of that row.
- At equal distance (of the float32 distances) an image of another class ranks BEFORE one of the same class. So the
  result does not depend on the order of the rows, and a collapsed network that maps every image to one point gets 0.
- Blocks of queries go to as many threads as there are cores (OMP_NUM_THREADS, where it is set), each with one BLAS
  thread: passes over distances cost as much as the product, and BLAS would leave them to one core.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from queue import SimpleQueue

import numpy as np
import numpy.typing as npt

from analysis.neighbours.labels import Codes
from analysis.neighbours.pairwise import CHUNK_BYTES, TILE_COLUMNS, References, Wide, chunk_rows
from artifact.arrays import Indices, Vectors
from artifact.cores import available_cores

Ranks = npt.NDArray[np.int64]

_FEW_THRESHOLDS = 32
"""Up to this many counts over a row are faster than sorting what lies below the last of them."""

_STRIDE = 64
"""A row's every 64th distance tells where about its n-th smallest lies."""


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """What each query found.

    Attributes:
        rows: int64 [Q], row of each query, sorted by class.
        codes: int64 [Q], its class.
        values: name -> float64 [Q]: "recall@<k>" (0 or 1), "P@<k>", "mAP@R", and "mAP", which is NaN where the query
            was ranked only as far as the others need.
    """

    rows: Indices
    codes: Codes
    values: dict[str, npt.NDArray[np.float64]]


def rank_queries(
    queries: Vectors,
    codes: Codes,
    targets: Vectors,
    target_codes: Codes,
    *,
    distance: str,
    ks: Sequence[int],
    rows: Indices,
    whole: npt.NDArray[np.bool_],
    leave_one_out: bool,
    chunk_bytes: int = CHUNK_BYTES,
) -> Ranking:
    """Rank the targets for each of some queries.

    Args:
        queries, targets: float32 [Q, n] and [N, n].
        codes, target_codes: int64, the class of each.
        distance: a name in artifact.distances.DISTANCES.
        ks: depths, at least 1 each.
        rows: int64 [q], which queries; each must have a target of its class (besides itself).
        whole: bool [q], whether to rank so far that average precision is known.
        leave_one_out: the targets ARE the queries, and none finds itself.
        chunk_bytes: size of the distances that a thread works on.
    """
    by_class = np.argsort(codes[rows], kind="stable")
    rows, whole = rows[by_class], whole[by_class]
    order = np.argsort(target_codes, kind="stable")
    sorted_codes = target_codes[order]
    right = References.of(targets[order], distance)
    starts = np.searchsorted(sorted_codes, codes[rows], side="left")
    ends = np.searchsorted(sorted_codes, codes[rows], side="right")
    place = np.argsort(order, kind="stable")[rows] if leave_one_out else np.full(len(rows), -1)

    size = min(len(rows), chunk_rows(len(targets), chunk_bytes))
    blocks = [slice(first, first + size) for first in range(0, len(rows), size)]
    found = np.empty((len(rows), 2 * len(ks) + 2))

    def rank_block(block: slice) -> None:
        out, tile = buffers.get()  # as many as threads: never waits
        try:
            used = rows[block]
            distances = right.distances(queries[used], out=out[: len(used)], tile=tile)
            found[block] = _block_values(distances, starts[block], ends[block], place[block], whole[block], ks)
        finally:
            buffers.put((out, tile))

    num_threads = min(len(blocks), _num_cores())
    buffers: SimpleQueue[tuple[Vectors, Wide]] = SimpleQueue()
    for _ in range(num_threads):
        buffers.put((np.empty((size, len(targets)), np.float32), np.empty(size * min(TILE_COLUMNS, len(targets)))))
    if num_threads == 1:
        for block in blocks:
            rank_block(block)
    else:
        with _one_blas_thread(), ThreadPoolExecutor(num_threads) as pool:
            for _ in pool.map(rank_block, blocks):
                pass
    names = [*(f"recall@{k}" for k in ks), *(f"P@{k}" for k in ks), "mAP@R", "mAP"]
    return Ranking(rows=rows, codes=codes[rows], values=dict(zip(names, found.T, strict=True)))


def _block_values(
    distances: Vectors,
    starts: Indices,
    ends: Indices,
    place: Indices,
    whole: npt.NDArray[np.bool_],
    ks: Sequence[int],
) -> npt.NDArray[np.float64]:
    """[rows, recall@k and P@k of each k, AP@R, AP] from distances float32 [rows, N], which are overwritten."""
    values = np.empty((len(distances), 2 * len(ks) + 2))
    near = np.empty(distances.shape[1], bool)
    cuts = np.flatnonzero(np.diff(starts)) + 1
    for rows in np.split(np.arange(len(distances)), cuts):  # of one class each
        own = slice(int(starts[rows[0]]), int(ends[rows[0]]))
        same = distances[rows, own]  # a copy, [rows, R or R + 1]
        if place[rows[0]] >= 0:
            same[np.arange(len(rows)), place[rows] - own.start] = np.nan
            same.sort(axis=1)
            same = same[:, :-1]  # NaN sorts last: not itself
        else:
            same.sort(axis=1)
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
    return values


def rank_values(ranks: Ranks, ks: Sequence[int]) -> npt.NDArray[np.float64]:
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


def wrong_before(
    row: Vectors, thresholds: Vectors, near: npt.NDArray[np.bool_], *, depth: int | None = None
) -> Indices:
    """How many numbers of a row are at most as large as each threshold.

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


def _keep_smallest(row: Vectors, count: int, near: npt.NDArray[np.bool_]) -> None:
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


def _num_cores() -> int:
    """Threads to use."""
    told = os.environ.get("OMP_NUM_THREADS", "")
    cores = available_cores()
    return min(cores, int(told)) if told.isdecimal() and int(told) else cores


@contextmanager
def _one_blas_thread() -> Iterator[None]:
    """One BLAS thread per caller while this lasts, as scikit-learn does around its own threads."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        yield
