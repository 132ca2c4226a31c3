"""How copies were searched for, among the rows of one table or in another: what is told of either search."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.datasets.thresholds import Threshold


@dataclass(frozen=True, kw_only=True)
class CopySearch:
    """A search for copies.

    Attributes:
        threshold: the largest distance of near copies, and where it comes from.
        content: what exact copies were compared by: exact_copies.PICTURES, VECTORS or BOTH.
        distance: a name in artifact.distances.DISTANCES.
        recall: recall@10 of the search in [0, 1]; 1 where it was exact.
        kind: of the index.
        nearest: {share: the distance within which this share of the rows have their nearest other of other content}.
    """

    threshold: Threshold
    content: str
    distance: str
    recall: float
    kind: str
    nearest: dict[str, float]
