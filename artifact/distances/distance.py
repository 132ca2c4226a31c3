"""Distance: a formula between two vectors, and what training, graphs, analysis and stores ask about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from artifact.arrays import AnyArray, Vectors
from artifact.namespace import NUMPY, Array, Namespace

SQUARES, LENGTHS, COSINES = "squares", "lengths", "cosines"
"""What a matrix product gives at once for all pairs: |a - b|^2, |a - b|, and 1 - cos(a, b)."""


@dataclass(frozen=True, kw_only=True)
class Distance:
    """A distance of two vectors; smaller is closer.

    Attributes:
        name: as settings, manifests and tables of vectors say it.
        between: the formula, (namespace, [..., n], [..., n]) -> [...]. Its gradient must be finite where the vectors
            are equal or 0; the namespace's roots are.
        bound: the largest distance of two unit vectors, or None where their number of dimensions decides.
        of_directions: whether it depends on the vectors' directions only, not on their lengths.
        product: SQUARES, LENGTHS or COSINES where it is just that: all pairs are then computed by one matrix product,
            and neighbours found by an index. None for any other: all pairs are computed by `between`.
        in_float64: whether training computes it in float64: needed where nearly equal numbers are subtracted after
            they were summed or scaled, as 1 - cos does for neighbours.
        flat_at_zero: whether its gradient vanishes as vectors come together, so that a collapsed run stays collapsed.
    """

    name: str
    between: Callable[[Namespace, Array, Array], Array]
    bound: float | None
    of_directions: bool = False
    product: str | None = None
    in_float64: bool = True
    flat_at_zero: bool = False

    def __call__(self, a: AnyArray, b: AnyArray) -> Vectors:
        """Distances over the last axis: float32 [..., n] twice, which broadcast -> float32 [...]."""
        return np.asarray(self.between(NUMPY, a, b), dtype=np.float32)

    def largest(self, *, normalized: bool) -> float | None:
        """The largest distance of two vectors, None where there is none: no margin above it can ever be met.

        Args:
            normalized: whether the vectors have length 1.
        """
        return self.bound if normalized or self.of_directions else None
