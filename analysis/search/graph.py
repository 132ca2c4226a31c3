"""The neighbour graph of a table: the k nearest other rows of every row, and how many of them an index finds.

What asks something of every row of a set (copies, outliers, label errors, maps) reads it here, so the neighbours are
found once and their recall is told in one way.

Decisions a reader would question:
- Small tables are compared exactly. Larger ones go through inverted lists, with the fewest lists that reach the recall
  asked for on a sample of the table's own rows. Small is smaller than for a search: every row asks, so 262,144 rows
  that answer one query in ten milliseconds would take ten minutes among themselves.
- Row numbers are int32 where they fit: of a million rows with 16 neighbours that is 64 MB less.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from analysis.neighbours.batches import checked_batches
from analysis.neighbours.nearest import search_index
from analysis.neighbours.samples import check_seed
from analysis.neighbours.within import search_within
from analysis.search.index_kinds import AUTO, INDEX_KINDS, WHOLE_KINDS, choose_kind
from artifact.arrays import Indices, Vectors
from artifact.errors import DataError, UsageError
from rows.vectors.lineage import table_distance
from rows.vectors.table import VectorTable

GRAPH_RECALL = 0.99
"""What recall@10 of a sample must reach where the search is not exact."""

FLAT_PRODUCTS = 1 << 39
"""Queries x rows x dims up to which all are compared: 65,536 rows of 128 dims among themselves, some ten seconds."""


@dataclass(frozen=True, kw_only=True)
class RowIndex:
    """An index in memory of all rows of a table, by their numbers.

    Attributes:
        index: of faiss, flat or inverted lists; holds the prepared vectors (analysis.neighbours.nearest) once.
        distance: a name in artifact.distances.DISTANCES.
        recall: measured recall@10 in [0, 1]; 1 where the search is exact.
        kind: a name in analysis.search.index_kinds.WHOLE_KINDS.
    """

    index: Any
    distance: str
    recall: float
    kind: str

    def nearest(self, vectors: Vectors, k: int, *, own: Indices | None = None) -> tuple[Vectors, Indices]:
        """The k nearest rows of each vector, see analysis.neighbours.nearest.search_index."""
        return search_index(
            self.index,
            self.index.reconstruct_batch,
            vectors,
            k,
            distance=self.distance,
            centre=np.zeros(self.index.d, np.float32),
            own=own,
        )

    def within(self, vectors: Vectors, radius: float) -> tuple[Indices, Vectors, Indices]:
        """All rows within a distance of each vector, see analysis.neighbours.within.search_within."""
        return search_within(self.index, self.index.reconstruct_batch, vectors, radius, distance=self.distance)


def row_index(
    table: VectorTable,
    *,
    distance: str | None = None,
    num_queries: int | None = None,
    recall: float = GRAPH_RECALL,
    kind: str = AUTO,
    seed: int = 0,
) -> RowIndex:
    """Index all rows of a table.

    Args:
        num_queries: how many will be looked up, by which "auto" chooses the kind; None: every row.
        distance, recall, kind, seed: see `neighbour_graph`, which has the same errors.
    """
    if not 0.0 < recall <= 1.0:
        raise UsageError("recall", expected="a share in (0, 1]", got=str(recall))
    check_seed(seed)
    distance = table_distance(table.lineage, distance, where=table.source)
    if kind == AUTO:
        products = (table.num_rows if num_queries is None else num_queries) * table.num_rows * table.dim
        kind = "flat" if products <= FLAT_PRODUCTS else "ivf"
    kind = choose_kind(kind, table.num_rows, table.dim)
    if kind not in WHOLE_KINDS:
        raise UsageError("kind of a graph's index", expected=f"one of {', '.join(WHOLE_KINDS)}", got=repr(kind))
    index, facts = INDEX_KINDS[kind](table, distance, recall=recall, seed=seed)
    return RowIndex(index=index, distance=distance, recall=float(facts["recall@10"]), kind=kind)


@dataclass(frozen=True, kw_only=True)
class NeighbourGraph:
    """The nearest others of every row of a table of N rows.

    Attributes:
        distances: float32 [N, k], rising along a row.
        rows: int32 or int64 [N, k], their numbers; the lower first at equal distance. No row is its own neighbour.
        distance: a name in artifact.distances.DISTANCES.
        recall: measured recall@10 in [0, 1]; 1 where the search was exact.
        kind: of the index that found them, a name in analysis.search.index_kinds.WHOLE_KINDS.
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
    index: RowIndex | None = None,
    report: Callable[[int, int], None] | None = None,
) -> NeighbourGraph:
    """Find the k nearest others of every row, a batch of queries in memory besides the index and the graph itself.

    Args:
        table: N rows, at least 2.
        k: as many as there are others where it is more.
        distance: for vectors without lineage.
        recall: what recall@10 an index that is not exact must reach, in (0, 1].
        kind: of the index: "auto" (by size), or one of WHOLE_KINDS.
        seed: the same seed gives the same graph.
        index: of the table, for who has one already; then `distance`, `recall`, `kind` and `seed` are its own.
        report: called with (rows done, rows in all).

    Raises:
        UsageError: k below 1, no distance known. DataError: a single row, or numbers that are not finite.
    """
    if k < 1:
        raise UsageError("k", expected="at least 1", got=str(k))
    table = VectorTable.of(table)
    if table.num_rows < 2:
        raise DataError("table of vectors", expected="at least 2 rows", got="1", where=table.source)
    k = min(k, table.num_rows - 1)
    index = index or row_index(table, distance=distance, recall=recall, kind=kind, seed=seed)
    numbers = np.int32 if table.num_rows < 1 << 31 else np.int64
    distances = np.empty((table.num_rows, k), np.float32)
    rows = np.empty((table.num_rows, k), numbers)
    for batch in checked_batches(table):
        last = batch.first_row + len(batch)
        own = np.arange(batch.first_row, last)
        distances[own], rows[own] = index.nearest(batch.vectors, k, own=own)
        if report is not None:
            report(last, table.num_rows)
    return NeighbourGraph(distances=distances, rows=rows, distance=index.distance, recall=index.recall, kind=index.kind)
