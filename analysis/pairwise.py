"""All distances between two sets of vectors, a chunk of queries at a time, so memory stays bounded.

The matrix product is done in float64. In float32 the euclidean distance of vectors far from the origin loses all its
digits to cancellation, and neighbours then rank by rounding noise; float64 costs twice the time and keeps the order.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from artifact.distances import COSINE_EPSILON, DISTANCES, Vectors
from artifact.errors import DataError, UsageError
from rows.lineage import Lineage

CHUNK_BYTES = 64 * 1024 * 1024
"""Size of one float64 chunk of distances."""

ROUNDING = 1e-13
"""Squared distances below this share of the squared lengths are rounding of the product, so equal vectors are at 0."""


def check_distance(distance: str) -> None:
    """Raise UsageError unless `distance` is one of artifact.distances.DISTANCES."""
    if distance not in DISTANCES:
        raise UsageError("distance", expected=f"one of {', '.join(DISTANCES)}", got=repr(distance))


def check_vectors(vectors: npt.ArrayLike, name: str = "vectors") -> Vectors:
    """float32 [N, n], C-contiguous and finite (a copy only where needed); raises DataError otherwise."""
    array = np.ascontiguousarray(vectors, dtype=np.float32)
    if array.ndim != 2 or array.shape[1] == 0:
        raise DataError(name, expected="an array of shape [N, n]", got=f"shape {list(array.shape)}")
    if not np.isfinite(array).all():
        bad = np.flatnonzero(~np.isfinite(array).all(axis=1))
        raise DataError(name, expected="finite numbers", got=f"NaN or infinity in {bad.size} rows, first {bad[0]}")
    return array


def distance_chunks(
    queries: Vectors, references: Vectors, *, distance: str, chunk_bytes: int = CHUNK_BYTES
) -> Iterator[tuple[int, Vectors]]:
    """Distances from every query to every reference, in order, a chunk of queries at a time.

    Args:
        queries: float32 [Q, n].
        references: float32 [N, n].
        distance: a name in artifact.distances.DISTANCES.
        chunk_bytes: size of one float64 chunk; about three such are alive at once.

    Yields:
        (first query row, float32 [rows, N]); never negative; exactly 0 between equal vectors, but for the cosine
        distance of the zero vector, which is 1 to all.

    Raises:
        UsageError: an unknown distance.
        DataError: vectors of different dims.
    """
    check_distance(distance)
    if queries.shape[1] != references.shape[1]:
        raise DataError(
            "vectors", expected=f"{references.shape[1]} dims as the references have", got=str(queries.shape[1])
        )
    right = _prepared(references, distance)
    right_squares = np.einsum("ij,ij->i", right, right)  # [N]
    rows = max(1, chunk_bytes // (8 * max(1, len(references))))
    for first in range(0, len(queries), rows):
        left = _prepared(queries[first : first + rows], distance)
        left_squares = np.einsum("ij,ij->i", left, left)  # [rows]
        products = left @ right.T  # [rows, N]
        if distance == "cosine":
            found = 1.0 - products
            found[found < ROUNDING] = 0.0
        else:
            total = left_squares[:, None] + right_squares
            found = total - 2.0 * products
            found[found < ROUNDING * total] = 0.0
            if distance == "euclidean":
                np.sqrt(found, out=found)
        yield first, found.astype(np.float32)


def _prepared(vectors: Vectors, distance: str) -> npt.NDArray[np.float64]:
    """float64, and for the cosine distance of length 1 (or of length 0: then every cosine is 0, as in the artifact)."""
    wide = vectors.astype(np.float64)
    if distance == "cosine":
        wide /= np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), COSINE_EPSILON)
    return wide


def table_distance(lineage: Lineage | None, distance: str | None, *, where: str) -> str:
    """The distance of a table of vectors: the one its artifact was trained with, or the one named where it has none.

    Raises:
        UsageError: neither, an unknown one, or one that contradicts the lineage.
    """
    if distance is not None:
        check_distance(distance)
    if lineage is None:
        if distance is None:
            raise UsageError(
                "distance", expected="a name, for vectors without lineage", got="none", where=where, mend="name one of "
                + ", ".join(DISTANCES),
            )  # fmt: skip
        return distance
    check_distance(lineage.distance)
    if distance not in (None, lineage.distance):
        raise UsageError(
            "distance", expected=f"{lineage.distance}, as {lineage.artifact} was trained", got=distance, where=where
        )
    return lineage.distance
