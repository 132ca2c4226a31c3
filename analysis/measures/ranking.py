"""Rankings of all images by distance from each query: where those of its class stand, in bounded memory.

Decisions a reader would question:
- At equal distance (of the float32 distances) an image of another class ranks BEFORE one of the same class. So the
  result does not depend on the order of the rows, and a collapsed network that maps every image to one point gets 0.
- Blocks of queries go to as many threads as there are cores (OMP_NUM_THREADS, where it is set), each with one BLAS
  thread: passes over distances cost as much as the product, and BLAS would leave them to one core.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from queue import SimpleQueue

import numpy as np

from analysis.measures.ranks import block_values
from analysis.neighbours.checks import check_vectors
from analysis.neighbours.pairwise import TILE_COLUMNS, References, chunk_rows
from artifact.arrays import Flags, Indices, Numbers, Vectors
from artifact.images.cores import available_cores

Adjusted = Callable[[Indices, Indices, Vectors], None]
"""Called with some queries (rows, int64 [q]), the row of each column (int64 [N]) and their distances [q, N], which it
changes in place; from several threads."""


@dataclass(frozen=True, kw_only=True)
class Mistakes:
    """Ranks of the first right images, and the nearest wrong ones, one of each for a query; all arrays are [Q].

    Attributes:
        ranks: int64, place of the first image of the query's class; 1 is the nearest.
        wrong: int64, row of the nearest image of another class; -1: there is none, or all are infinitely far.
        wrong_distances: float32, to that image; infinite where there is none.
    """

    ranks: Indices
    wrong: Indices
    wrong_distances: Vectors


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """Values of queries whose other images were ranked by distance.

    Attributes:
        rows: int64 [Q], row of each query, sorted by class.
        codes: int64 [Q], its class.
        values: name -> float64 [Q]: "recall@<k>" (0 or 1), "P@<k>", "mAP@R", and "mAP", which is NaN where the query
            was ranked only as far as the others need.
        mistakes: of each query, where they were asked for; else None.
    """

    rows: Indices
    codes: Indices
    values: dict[str, Numbers]
    mistakes: Mistakes | None = None


def rank_within(vectors: Vectors, codes: Indices, *, distance: str, with_mistakes: bool = False) -> Ranking | None:
    """Rank all other images for every image whose class has another one; only as far as recall@1, P@1 and mAP@R need.

    Args:
        vectors: float32 [N, n].
        codes: int64 [N], the class of each.
        distance: a name in artifact.distances.DISTANCES.
        with_mistakes: look for `mistakes` too: one more pass over the distances.

    Returns:
        The ranking, its rows rising; None where no class has two images.

    Raises:
        UsageError: an unknown distance.
        DataError: shapes that do not fit, or numbers that are not finite.
    """
    array = check_vectors(vectors)
    rows = np.flatnonzero(np.bincount(codes)[codes] > 1) if len(codes) else codes
    if not rows.size:
        return None
    found = rank_queries(
        array,
        codes,
        distance=distance,
        ks=(1,),
        rows=rows,
        whole=np.zeros(len(rows), bool),
        with_mistakes=with_mistakes,
    )
    order = np.argsort(found.rows)
    mistakes = found.mistakes
    if mistakes is not None:
        mistakes = Mistakes(
            ranks=mistakes.ranks[order], wrong=mistakes.wrong[order], wrong_distances=mistakes.wrong_distances[order]
        )
    values = {name: column[order] for name, column in found.values.items()}
    return Ranking(rows=found.rows[order], codes=found.codes[order], values=values, mistakes=mistakes)


def rank_queries(
    vectors: Vectors,
    codes: Indices,
    *,
    distance: str,
    ks: Sequence[int],
    rows: Indices,
    whole: Flags,
    with_mistakes: bool = False,
    adjusted: Adjusted | None = None,
) -> Ranking:
    """Rank all other images for each of some queries.

    Args:
        vectors: float32 [N, n].
        codes: int64 [N], the class of each.
        distance: a name in artifact.distances.DISTANCES.
        ks: depths, at least 1 each.
        rows: int64 [q], which are queries; each must have another image of its class.
        whole: bool [q], whether to rank so far that average precision is known.
        with_mistakes: look for `mistakes` too.
        adjusted: what to rank by in place of the distances.
    """
    by_class = np.argsort(codes[rows], kind="stable")
    rows, whole = rows[by_class], whole[by_class]
    order = np.argsort(codes, kind="stable")
    sorted_codes = codes[order]
    right = References.of(vectors[order], distance)
    starts = np.searchsorted(sorted_codes, codes[rows], side="left")
    ends = np.searchsorted(sorted_codes, codes[rows], side="right")
    place = np.argsort(order, kind="stable")[rows]

    size = min(len(rows), chunk_rows(len(vectors)))
    blocks = [slice(first, first + size) for first in range(0, len(rows), size)]
    found = np.empty((len(rows), 2 * len(ks) + 2))
    mistakes = None
    if with_mistakes:
        num_queries = len(rows)
        ranks, wrong = np.empty(num_queries, np.int64), np.empty(num_queries, np.int64)
        mistakes = Mistakes(ranks=ranks, wrong=wrong, wrong_distances=np.empty(num_queries, np.float32))

    def rank_block(block: slice) -> None:
        out, tile = buffers.get()  # as many as threads: never waits
        try:
            used = rows[block]
            distances = right.distances(vectors[used], out=out[: len(used)], tile=tile)
            if adjusted is not None:
                adjusted(used, order, distances)
            found[block], ranks = block_values(
                distances, starts[block], ends[block], place[block], whole[block], ks, with_ranks=with_mistakes
            )
            if mistakes is not None:
                mistakes.ranks[block] = ranks
                mistakes.wrong[block], mistakes.wrong_distances[block] = _nearest_wrong(distances, order)
        finally:
            buffers.put((out, tile))

    num_threads = min(len(blocks), _num_cores())
    buffers: SimpleQueue[tuple[Vectors, Numbers]] = SimpleQueue()
    for _ in range(num_threads):
        buffers.put((np.empty((size, len(vectors)), np.float32), np.empty(size * min(TILE_COLUMNS, len(vectors)))))
    if num_threads == 1:
        for block in blocks:
            rank_block(block)
    else:
        with _one_blas_thread(), ThreadPoolExecutor(num_threads) as pool:
            for _ in pool.map(rank_block, blocks):
                pass
    names = [*(f"recall@{k}" for k in ks), *(f"P@{k}" for k in ks), "mAP@R", "mAP"]
    return Ranking(rows=rows, codes=codes[rows], values=dict(zip(names, found.T, strict=True)), mistakes=mistakes)


def _nearest_wrong(distances: Vectors, order: Indices) -> tuple[Indices, Vectors]:
    """(row, distance) of the nearest image of another class, -1 and infinity where there is none or none in reach.

    Args:
        distances: float32 [rows, N], NaN for those of the query's class; overwritten.
        order: int64 [N], the row of each column.
    """
    distances[np.isnan(distances)] = np.inf
    nearest = distances.argmin(axis=1)
    found = distances[np.arange(len(distances)), nearest]
    return np.where(np.isfinite(found), order[nearest], -1), found


def class_means(values: Numbers, codes: Indices, num_classes: int) -> Numbers:
    """Mean of the values of each class, float64 [num_classes], NaN left out; NaN for a class without any.

    Args:
        values: float64 [Q].
        codes: int64 [Q], below `num_classes`.
    """
    measured = ~np.isnan(values)
    counts = np.bincount(codes[measured], minlength=num_classes)
    sums = np.bincount(codes[measured], weights=values[measured], minlength=num_classes)
    means: Numbers = np.full(num_classes, np.nan)
    return np.divide(sums, counts, out=means, where=counts > 0)


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
