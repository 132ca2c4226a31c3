"""All rows of an index within a distance of a query, however many there are.

Decision a reader would question: faiss compares with a slightly larger radius, and what it finds is measured again by
the artifact's own function, as in nearest.py: a pair at the very threshold is on the side where scoring puts it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from analysis.neighbours.faiss_library import load_faiss
from analysis.neighbours.nearest import prepare
from artifact.arrays import Indices, Vectors
from artifact.distances import DISTANCES
from artifact.distances.distance import COSINES, LENGTHS
from artifact.errors import UsageError

MORE_LISTS = 4
"""So many times the lists that the nearest ten are looked for in: what is within a distance may be further."""

_SLACK = 1e-5
"""Of the radius, and of the largest squared length, that float32 may be wrong by in faiss."""

_CACHED_VALUES = 1 << 20


def search_within(
    index: Any, vectors_of: Callable[[Indices], Vectors], queries: Vectors, radius: float, *, distance: str
) -> tuple[Indices, Vectors, Indices]:
    """Every row that the index finds within a distance of each query.

    Args:
        index: flat or inverted lists of prepared vectors with origin 0 (analysis.neighbours.nearest.prepare).
        vectors_of: gives float32 [m, n] for int64 [m] rows, such as `index.reconstruct_batch`.
        queries: float32 [Q, n].
        radius: at least 0; compared in float32, the radius itself is within.
        distance: a name in artifact.distances.DISTANCES with a product.

    Returns:
        (ends int64 [Q + 1], distances float32 [M], rows int64 [M]): those of query q are ends[q]:ends[q + 1], nearest
        first, the lower row first at equal distance. A query among the rows finds itself.

    Raises:
        UsageError: a radius below 0 or NaN.
    """
    if not radius >= 0:
        raise UsageError("radius", expected="at least 0", got=str(radius))
    ends, found = _candidates(index, queries, radius, distance)
    asked = np.repeat(np.arange(len(queries)), np.diff(ends))
    apart = np.empty(len(found), np.float32)
    size = max(1, _CACHED_VALUES // index.d)
    for first in range(0, len(found), size):
        part = slice(first, first + size)
        apart[part] = DISTANCES[distance](queries[asked[part]], vectors_of(found[part]))
    kept = np.flatnonzero(apart <= np.float32(radius))
    kept = kept[np.lexsort((found[kept], apart[kept], asked[kept]))]
    counts = np.bincount(asked[kept], minlength=len(queries))
    return np.concatenate([[0], np.cumsum(counts)]), apart[kept], found[kept]


def _candidates(index: Any, queries: Vectors, radius: float, distance: str) -> tuple[Indices, Indices]:
    """(ends, rows) of what is within a little more than the radius."""
    faiss = load_faiss()

    prepared = np.ascontiguousarray(prepare(queries, distance, np.zeros(index.d, np.float32)))
    product = DISTANCES[distance].product
    if product == COSINES:
        limit = 1.0 - radius * (1 + _SLACK) - _SLACK
    else:
        squared = radius**2 if product == LENGTHS else radius
        longest = float(np.square(prepared).sum(axis=1, dtype=np.float64).max(initial=0.0))
        limit = squared * (1 + _SLACK) + _SLACK * longest
    limit = float(np.clip(limit, -np.finfo(np.float32).max, np.finfo(np.float32).max))
    options: dict[str, Any] = {}
    num_lists = getattr(index, "nlist", 0)
    if num_lists:
        parameters: Any = faiss.IVFSearchParameters()
        parameters.nprobe = min(num_lists, MORE_LISTS * index.nprobe)
        options["params"] = parameters
    # see analysis.neighbours.nearest: another search may have been put in its place
    search: Any = getattr(index, "range_search_numpy", index.range_search)
    ends, _, rows = search(prepared, limit, **options)
    return ends.astype(np.int64), rows.astype(np.int64)
