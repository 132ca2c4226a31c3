"""Checks of the vectors that are compared: their shape, their numbers, and that both sides have the same n."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from artifact.arrays import Vectors
from artifact.errors import DataError


def check_vectors(vectors: npt.ArrayLike, name: str = "vectors") -> Vectors:
    """float32 [N, n], C-contiguous and finite (a copy only where needed); raises DataError otherwise."""
    array = np.ascontiguousarray(vectors, dtype=np.float32)
    if array.ndim != 2 or array.shape[1] == 0:
        raise DataError(name, expected="an array of shape [N, n]", got=f"shape {list(array.shape)}")
    if not np.isfinite(array).all():
        bad = np.flatnonzero(~np.isfinite(array).all(axis=1))
        raise DataError(name, expected="finite numbers", got=f"NaN or infinity in {bad.size} rows, first {bad[0]}")
    return array


def require_near(vectors: Vectors) -> None:
    """Raise DataError where squared distances of such vectors, or of them less their mean, could overflow float32."""
    with np.errstate(over="ignore"):
        squares = np.einsum("ij,ij->i", vectors, vectors)
    if not (squares < np.finfo(np.float32).max / 16).all():  # less their mean twice as long, and twice that apart
        raise too_far()


def too_far() -> DataError:
    return DataError("vectors", expected="squared distances within float32", got="larger ones")


def check_dims(queries: Vectors, references: Vectors) -> None:
    """Raise DataError unless both have the same n."""
    if queries.shape[1] != references.shape[1]:
        raise DataError(
            "vectors", expected=f"{references.shape[1]} dims as the references have", got=str(queries.shape[1])
        )
