"""How many of a vector's nearest others are of the other set: a second view, which learns nothing.

It sees what is small and near (a few pictures of B alone that lie together), where a classifier sees what is large.
Beyond EXACT_UNITS the neighbours are found by inverted lists, whose recall is told.
"""

from __future__ import annotations

from dataclasses import dataclass

from analysis.datasets.comparison.two_sets import TwoSets
from analysis.search.graph import neighbour_graph
from analysis.search.index_kinds import choose_kind
from artifact.arrays import Numbers
from rows.vectors.table import VectorTable

NEIGHBOURS = 10
EXACT_UNITS = 30_000

_RECALL = 0.9
"""One neighbour in ten that is the eleventh instead changes no share to speak of."""


@dataclass(frozen=True, kw_only=True)
class NeighbourShares:
    """Whose neighbours the vectors have.

    Attributes:
        share_b: float64 [U], share of B's among the nearest others of each unit; one that both sets have counts once
            in each.
        expected_b: what it would be were the sets alike.
        of_a, of_b: means of `share_b` over the units of A and of B.
        k: neighbours looked at.
        recall: of those that were found, in [0, 1]; 1 where all were compared.
    """

    share_b: Numbers
    expected_b: float
    of_a: float
    of_b: float
    k: int
    recall: float


def neighbour_shares(sets: TwoSets, *, seed: int) -> NeighbourShares:
    """Look at the NEIGHBOURS nearest other units of every unit, or at all where there are fewer."""
    table = VectorTable.from_arrays(sets.unit_vectors(slice(None)))
    kind = choose_kind("auto", table.num_rows, table.dim) if table.num_rows <= EXACT_UNITS else "ivf"
    graph = neighbour_graph(table, NEIGHBOURS, distance=sets.distance, recall=_RECALL, kind=kind, seed=seed)
    of_a, of_b = sets.in_a[graph.rows].sum(axis=1), sets.in_b[graph.rows].sum(axis=1)
    share = of_b / (of_a + of_b)
    num_a, num_b = int(sets.in_a.sum()), int(sets.in_b.sum())
    return NeighbourShares(
        share_b=share,
        expected_b=num_b / (num_a + num_b),
        of_a=float(share[sets.in_a].mean()),
        of_b=float(share[sets.in_b].mean()),
        k=graph.k,
        recall=graph.recall,
    )
