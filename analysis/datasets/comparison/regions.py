"""Regions: k-means clusters of both sets together, and the share of each set that lies in each.

Decisions a reader would question:
- The clusters are made and tested on the same rows. They are made without looking at which row is whose, so under a
  relabelling they would be the same ones: nothing was selected that the test would have to be protected from, and half
  of the rows need not be put aside. What IS selected is the region that differs most, and for that the p-values are
  corrected (over all regions, jointly) and the intervals are those of all regions at once (Bonferroni).
- A region for every UNITS_PER_REGION units, MAX_REGIONS at most: smaller ones find smaller groups, but more of them
  have to be corrected for, and a person looks at no more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from analysis.clusters.kmeans import assign, kmeans
from analysis.datasets.comparison.share_difference import ShareDifference, share_difference
from analysis.datasets.comparison.two_sets import TwoSets
from analysis.neighbours.samples import sample_rows
from artifact.arrays import Indices, Numbers, Vectors
from artifact.errors import UsageError

UNITS_PER_REGION = 50
MAX_REGIONS = 100
TYPICAL = 8
"""Rows of each set that are named for a region, the nearest to its centre first."""

_TRAINING_UNITS_PER_REGION = 256
_STARTS = 3
_ROWS_AT_ONCE = 1 << 16


@dataclass(frozen=True, kw_only=True)
class Regions:
    """Where each row lies.

    Attributes:
        of_rows: int32 [N], the region of each row, numbered from the largest (by units of a sample) to the smallest.
        of_units: int32 [U].
        apart: float32 [N], squared euclidean distance to the centre of the region.
        count: k, of which some may be empty.
    """

    of_rows: npt.NDArray[np.int32]
    of_units: npt.NDArray[np.int32]
    apart: Vectors
    count: int


@dataclass(frozen=True, kw_only=True)
class RegionShare(ShareDifference):
    """One region.

    Attributes:
        region: its number, as in the written table.
        ratio: share_b / share_a; None where A has none.
        p_value: corrected for all regions.
        medoid: the row nearest to the centre.
        typical_a, typical_b: rows of A and of B nearest to the centre, the nearest first.
    """

    region: int
    ratio: float | None
    p_value: float
    medoid: int
    typical_a: list[int]
    typical_b: list[int]

    def facts(self, ids: list[str]) -> dict[str, Any]:
        """For JSON, rows by their ids."""
        facts = dict(self.__dict__)
        facts["medoid"] = ids[self.medoid]
        for name in ("typical_a", "typical_b"):
            facts[name] = [ids[row] for row in facts[name]]
        return facts


def find_regions(sets: TwoSets, count: int | None, *, seed: int) -> Regions:
    """Cluster the units of both sets together, and give every row the region of its unit.

    Args:
        count: of regions; None: by the number of units.

    Raises:
        UsageError: fewer than 2 regions, or more than units.
    """
    num_units = len(sets.firsts)
    if count is not None and not 2 <= count <= num_units:
        raise UsageError("regions", expected=f"2 to {num_units}, the different vectors", got=str(count))
    if count is None:
        count = min(num_units, MAX_REGIONS, max(2, num_units // UNITS_PER_REGION))
    sample = sample_rows(num_units, _TRAINING_UNITS_PER_REGION * count, np.random.default_rng(seed))
    trained = kmeans(sets.unit_vectors(sample), count, seed=seed, num_starts=_STARTS, distance="euclidean")
    of_units, apart = np.empty(num_units, np.int32), np.empty(num_units, np.float32)
    for first in range(0, num_units, _ROWS_AT_ONCE):
        block = slice(first, first + _ROWS_AT_ONCE)
        apart[block], of_units[block] = assign(sets.unit_vectors(block), trained.centroids)
    return Regions(of_rows=of_units[sets.units], of_units=of_units, apart=apart[sets.units], count=count)


def region_shares(sets: TwoSets, regions: Regions, p_values: Numbers, *, alpha: float) -> list[RegionShare]:
    """What each region has of each set, the most different first; empty regions are left out.

    Args:
        p_values: float64 [up to k], of DifferenceTest.
        alpha: how often any of the intervals may leave the truth out, in (0, 1).
    """
    counts = [
        np.bincount(regions.of_rows[sets.counted & side], minlength=regions.count) for side in (~sets.is_b, sets.is_b)
    ]
    present = np.flatnonzero(counts[0] + counts[1])
    nearest = _nearest(sets, regions)
    found = []
    for region in present.tolist():
        both = int(counts[0][region]), int(counts[1][region])
        share = share_difference(both, sets.num_counted, alpha=alpha / len(present))
        of_a, of_b = ([int(row) for row in nearest[region] if sets.is_b[row] == side] for side in (False, True))
        found.append(
            RegionShare(
                **vars(share),
                region=region,
                ratio=share.share_b / share.share_a if share.share_a else None,
                p_value=float(p_values[region]),
                medoid=min(of_a[:1] + of_b[:1], key=lambda row: float(regions.apart[row])),
                typical_a=of_a,
                typical_b=of_b,
            )
        )
    return sorted(found, key=lambda each: (each.p_value, -abs(each.difference), each.region))


def _nearest(sets: TwoSets, regions: Regions) -> list[Indices]:
    """The TYPICAL rows of A and of B nearest to the centre of each region, among those that count."""
    rows = np.flatnonzero(sets.counted)
    group = regions.of_rows[rows].astype(np.int64) * 2 + sets.is_b[rows]
    order = np.lexsort((regions.apart[rows], group))
    rising = group[order]
    place = np.arange(len(order)) - np.searchsorted(rising, rising, side="left")  # within the group
    kept = order[place < TYPICAL]
    return [rows[kept[group[kept] // 2 == region]] for region in range(regions.count)]
