"""Nearest neighbours by faiss: exact among vectors in memory, and the search of any index that holds its vectors.

Decisions a reader would question: faiss computes in float32 by |a|^2 + |b|^2 - 2ab, which loses its digits far from the
origin. So euclidean vectors are moved to the mean of the references first (which changes no distance), some more
candidates than asked for are taken, and their distances are computed again by the artifact's own function. That is done
for some queries at a time, whose candidates fit in the cache: it then costs about a hundredth of the search.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from analysis.neighbours.checks import check_vectors, too_far
from analysis.neighbours.faiss_library import load_faiss
from analysis.neighbours.pairwise import distance_chunks
from artifact.arrays import Indices, Vectors
from artifact.distances import DISTANCES, check_distance
from artifact.distances.cosine import unit_vectors
from artifact.distances.distance import COSINES, LENGTHS, SQUARES
from artifact.errors import DataError, UsageError

EXTRA_CANDIDATES = 4
"""Taken besides the k asked for, so that rounding at the k-th place does not lose a nearer one; 8 cost 2 % of speed."""

_QUERIES_AT_ONCE = 8192

_CACHED_VALUES = 1 << 17
"""Numbers in the candidates whose distances are computed again at once: half a MiB of float32."""


def nearest(
    references: Vectors, queries: Vectors, k: int, *, distance: str, own: Indices | None = None
) -> tuple[Vectors, Indices]:
    """The k nearest references of each query, nearest first; the lower row first at equal distance.

    Args:
        references: float32 [N, n].
        queries: float32 [Q, n].
        k: at most N; at most N - 1 with `own`.
        distance: a name in artifact.distances.DISTANCES; euclidean is the root, not the square.
        own: int64 [Q], the row of each query among the references, where they are: no row is its own neighbour.

    Returns:
        (distances float32 [Q, k], rows of `references` int64 [Q, k]).

    Raises:
        UsageError: k out of range, an unknown distance, or not one row of `own` for each query.
        DataError: shapes that do not fit, or numbers that are not finite.
    """
    check_distance(distance)
    references, queries = check_vectors(references, "references"), check_vectors(queries, "queries")
    if own is not None and len(own) != len(queries):
        raise UsageError("own", expected=f"a row for each of {len(queries)} queries", got=str(len(own)))
    available = len(references) - int(own is not None)
    if not 1 <= k <= available:
        raise UsageError("k", expected=f"1 to {available}, the neighbours there are", got=str(k))
    if DISTANCES[distance].product is None:
        return _nearest_by_pairs(references, queries, k, distance=distance, own=own)
    centre = centre_of(references, distance)
    index = flat_index(references.shape[1], distance)
    index.add(prepare(references, distance, centre))
    return search_index(index, references.__getitem__, queries, k, distance=distance, centre=centre, own=own)


def _nearest_by_pairs(
    references: Vectors, queries: Vectors, k: int, *, distance: str, own: Indices | None
) -> tuple[Vectors, Indices]:
    """`nearest` by all distances, for one that faiss does not know."""
    distances, rows = np.empty((len(queries), k), np.float32), np.empty((len(queries), k), np.int64)
    for first, apart in distance_chunks(queries, references, distance=distance):
        if own is not None:
            apart[np.arange(len(apart)), own[first : first + len(apart)]] = np.inf
        order = np.argsort(apart, axis=1, kind="stable")[:, :k]
        rows[first : first + len(apart)] = order
        distances[first : first + len(apart)] = np.take_along_axis(apart, order, axis=1)
    return distances, rows


def faiss_metric(distance: str) -> int:
    """The metric by which faiss orders vectors that went through `prepare`; raises UsageError where it has none."""
    faiss = load_faiss()

    metrics: dict[str | None, int] = {
        SQUARES: faiss.METRIC_L2,
        LENGTHS: faiss.METRIC_L2,
        COSINES: faiss.METRIC_INNER_PRODUCT,
    }
    product = DISTANCES[distance].product
    if product not in metrics:
        known = [name for name, facts in DISTANCES.items() if facts.product in metrics]
        raise UsageError("distance of a search index", expected=f"one of {', '.join(known)}", got=distance)
    return metrics[product]


def flat_index(dim: int, distance: str) -> Any:
    """An empty exact faiss index for vectors that went through `prepare`."""
    faiss = load_faiss()

    return faiss.IndexFlatL2(dim) if faiss_metric(distance) == faiss.METRIC_L2 else faiss.IndexFlatIP(dim)


def centre_of(references: Vectors, distance: str) -> Vectors:
    """The vector that `prepare` subtracts: float32 [n], zeros where the distance depends on the origin."""
    if DISTANCES[distance].of_directions:
        return np.zeros(references.shape[1], np.float32)
    centre: Vectors = references.mean(axis=0, dtype=np.float64).astype(np.float32)
    return centre


def prepare(vectors: Vectors, distance: str, centre: Vectors) -> Vectors:
    """Vectors as the index takes them: of length 1 for a distance of directions, else moved by `centre`."""
    if not DISTANCES[distance].of_directions:
        moved: Vectors = vectors - centre
        return moved
    return unit_vectors(vectors)


def search_index(
    index: Any,
    vectors_of: Callable[[Indices], Vectors],
    queries: Vectors,
    k: int,
    *,
    distance: str,
    centre: Vectors,
    own: Indices | None = None,
) -> tuple[Vectors, Indices]:
    """Search a faiss index of prepared vectors and compute the distances again.

    Args:
        index: flat or inverted lists; holds `prepare(references)` in order.
        vectors_of: gives float32 [m, n] for int64 [m] rows, such as `index.reconstruct_batch`.
        own: the row of each query among the references, left out of its neighbours.

    Returns:
        As `nearest`, of the rows that the index finds.

    Raises:
        DataError: queries of another n, or numbers so large that their distances are infinite in float32.
    """
    if queries.shape[1] != index.d:
        raise DataError("queries", expected=f"{index.d} dims as the references have", got=str(queries.shape[1]))
    wanted = min(index.ntotal, k + EXTRA_CANDIDATES)
    size = max(1, _CACHED_VALUES // (wanted * index.d))
    distances = np.empty((len(queries), k), np.float32)
    rows = np.empty((len(queries), k), np.int64)
    for first in range(0, len(queries), _QUERIES_AT_ONCE):
        asked = queries[first : first + _QUERIES_AT_ONCE]
        found = _candidates(index, prepare(asked, distance, centre), wanted, k + int(own is not None))
        apart = np.empty(found.shape, np.float32)
        for start in range(0, len(asked), size):
            part = slice(start, start + size)
            candidates = vectors_of(np.maximum(found[part], 0).reshape(-1)).reshape(*found[part].shape, -1)
            apart[part] = DISTANCES[distance](asked[part, None, :], candidates)
        apart[found < 0] = np.inf
        if own is not None:
            apart[found == own[first : first + len(asked), None]] = np.inf
        order = np.lexsort((found, apart), axis=1)[:, :k]
        distances[first : first + len(asked)] = np.take_along_axis(apart, order, axis=1)
        rows[first : first + len(asked)] = np.take_along_axis(found, order, axis=1)
    return distances, rows


def _candidates(index: Any, queries: Vectors, wanted: int, needed: int) -> Indices:
    """Rows int64 [Q, wanted], at least `needed` of them real (the rest -1): a query that found fewer looks further."""
    faiss = load_faiss()

    _, found = index.search(queries, wanted)
    rows: Indices = found
    short = np.flatnonzero(rows[:, needed - 1] < 0)
    num_lists = getattr(index, "nprobe", 0)
    all_lists = getattr(index, "nlist", 0)
    while short.size and num_lists < all_lists:
        num_lists = min(2 * num_lists, all_lists)
        parameters: Any = faiss.IVFSearchParameters()
        parameters.nprobe = num_lists
        # faiss.contrib.torch_utils, which pytorch-metric-learning imports, puts a search without `params` in its place
        search: Any = getattr(index, "search_numpy", index.search)
        _, rows[short] = search(queries[short], wanted, params=parameters)
        short = short[rows[short, needed - 1] < 0]
    if short.size:  # faiss finds nothing at an infinite distance
        raise too_far()
    return rows
