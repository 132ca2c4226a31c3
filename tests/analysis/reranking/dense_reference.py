"""Re-ranking as the paper's authors wrote it down: all rows against all in dense matrices, one row after another."""

from __future__ import annotations

import numpy as np


def reranked(squares: np.ndarray, scale: float, *, k1: int = 10, k2: int = 3, weight: float = 0.3) -> np.ndarray:
    """float64 [N, N]: what each row ranks the others by; squares: float64 [N, N], with every row nearest to itself."""
    num_rows = len(squares)
    k1 = min(k1, num_rows - 1)
    distances = squares / scale
    own_first = distances - np.eye(num_rows)
    ranks = np.argsort(own_first, axis=1, kind="stable")
    encodings = np.zeros((num_rows, num_rows))

    def mutual(row: int, k: int) -> np.ndarray:
        forward = ranks[row, : k + 1]
        return np.array([other for other in forward if row in ranks[other, : k + 1]])

    for row in range(num_rows):
        near = mutual(row, k1)
        expanded = list(near)
        for candidate in near:
            theirs = mutual(int(candidate), round(k1 / 2))
            if len(np.intersect1d(theirs, near)) > 2 / 3 * len(theirs):
                expanded.extend(theirs)
        members = np.unique(expanded)
        weights = np.exp(-distances[row, members])
        encodings[row, members] = weights / weights.sum()
    encodings = np.stack([encodings[ranks[row, :k2]].mean(axis=0) for row in range(num_rows)])
    shared = np.stack([np.minimum(encodings[row], encodings).sum(axis=1) for row in range(num_rows)])
    return (1 - weight) * (1 - shared / (2 - shared)) + weight * distances


def squares_between(vectors: np.ndarray) -> np.ndarray:
    """float64 [N, N]: squared distances, the plain way."""
    wide = vectors.astype(np.float64)
    return ((wide[:, None, :] - wide[None, :, :]) ** 2).sum(axis=2)


def mean_largest(squares: np.ndarray) -> float:
    """The mean of the largest of each row."""
    return float(squares.max(axis=1).mean())
