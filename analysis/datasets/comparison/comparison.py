"""What is known of two sets of vectors that were compared: all figures, and what is known of every row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from analysis.datasets.comparison.class_shifts import ClassShift
from analysis.datasets.comparison.difference_test import DifferenceTest
from analysis.datasets.comparison.domain_classifier import DomainClassifier
from analysis.datasets.comparison.neighbour_shares import NeighbourShares
from analysis.datasets.comparison.regions import RegionShare
from analysis.datasets.comparison.two_sets import SETS
from artifact.arrays import Indices, Numbers


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What is known of two sets of vectors.

    Attributes:
        sources: of A and of B.
        num_rows, num_counted: of A and of B; copies within a set count once.
        most_copied: rows of the vector that most rows of the set have.
        num_shared: distinct vectors that both sets have.
        dim, distance: of the vectors.
        alpha: the level: 1 - the confidence of every interval.
        test: whether they differ.
        classifier: which pictures; None where a set has too few.
        neighbours: whose neighbours the pictures have.
        regions: the most different first.
        classes: None without labels.
        p_other: float64 [N], chance that the row is of the other set, from a classifier that has not seen its vector;
            NaN without one.
        neighbours_other: float64 [N], share of the other set among its nearest.
        region: int32 [N].
        most_unlike: rows of A and of B that are least like the other set, the least first.
        ids: of all N rows, those of A first.
        label, every_row, relabellings, seed: as given.
    """

    sources: tuple[str, str]
    num_rows: tuple[int, int]
    num_counted: tuple[int, int]
    most_copied: tuple[int, int]
    num_shared: int
    dim: int
    distance: str
    alpha: float
    test: DifferenceTest
    classifier: DomainClassifier | None
    neighbours: NeighbourShares
    regions: list[RegionShare]
    classes: list[ClassShift] | None
    p_other: Numbers
    neighbours_other: Numbers
    region: Indices
    most_unlike: tuple[list[int], list[int]]
    ids: list[str]
    label: str | None
    every_row: bool
    relabellings: int
    seed: int

    @property
    def differ(self) -> bool | None:
        """Whether chance alone is ruled out at the level; None where so few rows could not rule it out, unless the
        sets are equal."""
        if self.num_counted == (self.num_shared, self.num_shared):
            return False
        if self.test.least_p_value > self.alpha:
            return None
        return self.test.p_value <= self.alpha

    @property
    def like_b(self) -> tuple[Numbers, Numbers] | None:
        """How much like B each row of A, and each of B, is, in [0, 1]; None where there is no classifier."""
        if self.classifier is None:
            return None
        split = self.num_rows[0]
        return self.p_other[:split], 1.0 - self.p_other[split:]

    def facts(self) -> dict[str, Any]:
        """Everything but what is known of every row, for JSON."""
        classifier, neighbours = self.classifier, self.neighbours
        intervals = ("auc", "auc_low", "auc_high", "told_apart", "told_apart_low", "told_apart_high")
        sides = {
            name.lower(): {
                "source": self.sources[side],
                "rows": self.num_rows[side],
                "counted": self.num_counted[side],
                "most_copied": self.most_copied[side],
                "most_unlike": [self._row(row) for row in self.most_unlike[side]],
            }
            for side, name in enumerate(SETS)
        }
        return {
            "differ": self.differ,
            "p_value": self.test.p_value,
            "alpha": self.alpha,
            "least_p_value": self.test.least_p_value,
            "p_values": self.test.p_values,
            "mmd_squared": self.test.mmd_squared,
            **{name: getattr(classifier, name) if classifier else None for name in intervals},
            "neighbours": {
                "k": neighbours.k,
                "share_b_of_a": neighbours.of_a,
                "share_b_of_b": neighbours.of_b,
                "expected": neighbours.expected_b,
                "recall": neighbours.recall,
            },
            **sides,
            "shared": self.num_shared,
            "regions": [region.facts(self.ids) for region in self.regions],
            "label": self.label,
            "untested_classes": sum(each.is_left_untested for each in self.classes or ()),
            "classes": None if self.classes is None else [each.facts() for each in self.classes],
            "distance": self.distance,
            "dims": self.dim,
            "every_row": self.every_row,
            "relabellings": self.relabellings,
            "seed": self.seed,
        }

    def _row(self, row: int) -> dict[str, Any]:
        return {
            "id": self.ids[row],
            "p_other": float(self.p_other[row]) if self.classifier else None,
            "neighbours_other": float(self.neighbours_other[row]),
            "region": int(self.region[row]),
        }
