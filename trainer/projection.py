"""Vectors in two dimensions, for looking at: the two directions in which they vary most."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from artifact.distances import Vectors


def project(vectors: Vectors) -> tuple[npt.NDArray[np.float64], float]:
    """Principal component analysis.

    Args:
        vectors: float32 [N, n], N at least 1.

    Returns:
        float64 [N, 2] with mean 0, and the share of the variance that these two directions hold, in [0, 1]. The sign
        of each direction is such that its largest coordinate is positive. Zeros where nothing varies.

    Source: K. Pearson 1901, "On lines and planes of closest fit to systems of points in space".
    """
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    wide = centred.shape[1] > len(centred)
    gram = centred @ centred.T if wide else centred.T @ centred  # the smaller of the two has the same spectrum
    values, directions = np.linalg.eigh(gram)
    values, directions = np.clip(values[::-1][:2], 0, None), directions[:, ::-1][:, :2]
    places = directions * np.sqrt(values) if wide else centred @ directions
    places = np.pad(places, ((0, 0), (0, 2 - places.shape[1])))
    total = float(np.trace(gram))
    if total <= 0:
        return np.zeros_like(places), 0.0
    places *= np.where(places[np.abs(places).argmax(axis=0), [0, 1]] < 0, -1.0, 1.0)
    return places, float(values.sum() / total)
