"""What vectors add up to, of all and of each class: all that the views by classes have to know of other vectors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from artifact.arrays import Flags, Indices, Numbers, Vectors

_BLOCK_VALUES = 1 << 22


@dataclass(frozen=True, kw_only=True)
class Frame:
    """What does not depend on labels: mean and principal axes of U vectors.

    Attributes:
        mean: float32 [n].
        axes, variances: float64 [n, n] and [n], of the sum of squares about the mean.
        scale: root mean square distance from the mean.
    """

    mean: Vectors
    axes: Numbers
    variances: Numbers
    scale: float

    @classmethod
    def of(cls, vectors: Vectors) -> Frame:
        """Of float32 [U, n], at least two of which differ."""
        mean = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
        gram = np.zeros((vectors.shape[1],) * 2)
        for first in range(0, len(vectors), _rows_of(vectors.shape[1])):
            moved = (vectors[first : first + _rows_of(vectors.shape[1])] - mean).astype(np.float64)
            gram += moved.T @ moved
        variances, axes = np.linalg.eigh(gram)
        variances = np.maximum(variances, 0)
        return cls(mean=mean, axes=axes, variances=variances, scale=float(np.sqrt(variances.sum() / len(vectors))))


@dataclass(frozen=True, kw_only=True)
class Classes:
    """What the vectors of each class add up to.

    Attributes:
        sums: float64 [C, n], of the vectors less the mean of all.
        sizes: int64 [C].
        num_vectors: of all vectors, those without a class among them.
    """

    sums: Numbers
    sizes: Indices
    num_vectors: int

    @classmethod
    def of(cls, vectors: Vectors, voted: Indices, frame: Frame, num_classes: int) -> Classes:
        """Args: vectors float32 [U, n]; voted int64 [U], -1 for no class."""
        sums = np.zeros((num_classes, vectors.shape[1]))
        size = _rows_of(vectors.shape[1])
        for first in range(0, len(vectors), size):
            classes = voted[first : first + size]
            order = np.argsort(classes, kind="stable")
            order = order[np.searchsorted(classes[order], 0) :]
            present, starts = np.unique(classes[order], return_index=True)
            if len(present):
                moved = (vectors[first : first + size][order] - frame.mean).astype(np.float64)
                sums[present] += np.add.reduceat(moved, starts, axis=0)
        return cls(sums=sums, sizes=np.bincount(voted[voted >= 0], minlength=num_classes), num_vectors=len(vectors))

    def with_moved(self, vectors: Vectors, before: Indices, after: Indices, frame: Frame) -> Classes:
        """The same where some vectors, float32 [m, n], are of other classes."""
        moved = (vectors - frame.mean).astype(np.float64)
        sums, sizes = self.sums.copy(), self.sizes.copy()
        for classes, sign in ((before, -1), (after, 1)):
            np.add.at(sums, classes, sign * moved)
            np.add.at(sizes, classes, sign)
        return Classes(sums=sums, sizes=sizes, num_vectors=self.num_vectors)


def is_judged(sizes: Indices, own: Indices, given: Indices) -> Flags:
    """Whether the class given to each case has a vector besides its own.

    Args:
        own: int64 [m], what the case's own vector stands for.
    """
    judged: Flags = sizes[given] - (own == given) >= 1
    return judged


def _rows_of(dim: int) -> int:
    return max(1, _BLOCK_VALUES // dim)
