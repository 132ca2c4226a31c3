"""The neighbour graph of a table: the k nearest other rows of every row, and how many of them an index finds.

What asks something of every row of a set (copies, outliers, label errors, maps) reads it here, so the neighbours are
found once and their recall is told in one way.

Decisions a reader would question:
- Small tables are compared exactly. Larger ones go through inverted lists, with the fewest lists that reach the recall
  asked for on a sample of the table's own rows.
- Row numbers are int32 where they fit: of a million rows with 16 neighbours that is 64 MB less.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analysis.neighbours.batches import checked_batches
from analysis.neighbours.nearest import search_index
from analysis.neighbours.samples import check_seed
from analysis.search.index_kinds import AUTO, INDEX_KINDS, choose_kind
from artifact.arrays import Vectors
from artifact.errors import DataError, UsageError
from rows.vectors.lineage import table_distance
from rows.vectors.table import VectorTable

GRAPH_RECALL = 0.99
"""What recall@10 of a sample must reach where the search is not exact."""


@dataclass(frozen=True, kw_only=True)
class NeighbourGraph:
    """The nearest others of every row of a table of N rows.

    Attributes:
        distances: float32 [N, k], rising along a row.
        rows: int32 or int64 [N, k], their numbers; the lower first at equal distance. No row is its own neighbour.
        distance: a name in artifact.distances.DISTANCES.
        recall: measured recall@10 in [0, 1]; 1 where the search was exact.
        kind: of the index that found them, a name in analysis.search.index_kinds.INDEX_KINDS.
    """

    distances: Vectors
    rows: npt.NDArray[np.integer]
    distance: str
    recall: float
    kind: str

    @property
    def k(self) -> int:
        """Neighbours of each row."""
        return int(self.rows.shape[1])

    @property
    def is_exact(self) -> bool:
        """Whether these are the nearest for certain."""
        return self.recall >= 1.0 and self.kind == "flat"


def neighbour_graph(
    table: VectorTable | str,
    k: int,
    *,
    distance: str | None = None,
    recall: float = GRAPH_RECALL,
    kind: str = AUTO,
    seed: int = 0,
    report: Callable[[int, int], None] | None = None,
) -> NeighbourGraph:
    """Find the k nearest others of every row, a batch of queries in memory besides the index and the graph itself.

    Args:
        table: N rows, at least 2.
        k: as many as there are others where it is more.
        distance: for vectors without lineage.
        recall: what recall@10 an index that is not exact must reach, in (0, 1].
        kind: of the index: "auto" (by size), or one of INDEX_KINDS.
        seed: the same seed gives the same graph.
        report: called with (rows done, rows in all).

    Raises:
        UsageError: k below 1, no distance known. DataError: a single row, or numbers that are not finite.
    """
    if k < 1:
        raise UsageError("k", expected="at least 1", got=str(k))
    if not 0.0 < recall <= 1.0:
        raise UsageError("recall", expected="a share in (0, 1]", got=str(recall))
    check_seed(seed)
    table = VectorTable.of(table)
    distance = table_distance(table.lineage, distance, where=table.source)
    if table.num_rows < 2:
        raise DataError("table of vectors", expected="at least 2 rows", got="1", where=table.source)
    k = min(k, table.num_rows - 1)
    kind = choose_kind(kind, table.num_rows, table.dim)
    index, facts = INDEX_KINDS[kind](table, distance, recall=recall, seed=seed)
    numbers = np.int32 if table.num_rows < 1 << 31 else np.int64
    distances = np.empty((table.num_rows, k), np.float32)
    rows = np.empty((table.num_rows, k), numbers)
    origin = np.zeros(table.dim, np.float32)
    for batch in checked_batches(table):
        last = batch.first_row + len(batch)
        own = np.arange(batch.first_row, last)
        distances[own], rows[own] = search_index(
            index, index.reconstruct_batch, batch.vectors, k, distance=distance, centre=origin, own=own
        )
        if report is not None:
            report(last, table.num_rows)
    return NeighbourGraph(
        distances=distances, rows=rows, distance=distance, recall=float(facts["recall@10"]), kind=kind
    )
