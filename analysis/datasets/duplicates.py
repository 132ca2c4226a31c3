"""Duplicates: groups of rows that show the same, by content and by distance, and which row of each to keep.

Exact copies come first (exact_copies.py), then rows within a threshold of the one that is kept (leaders.py). Without a
threshold of the artifact or of the user nothing is guessed: the message says how near rows are to their nearest others.

Decisions a reader would question:
- By default the row with most others within the threshold is kept, so few are kept and the largest group comes first;
  at equal number the one nearest to them, then the first by id. So the order of the rows decides nothing.
- A row alone is in no group: its `group` is null, and it is kept.
- The threshold of an artifact tells classes apart, for that is what it was trained for. Where the classes are those of
  the pictures, a whole class is a group; `share` then finds what is nearer than usual.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from analysis.datasets.copy_search import CopySearch
from analysis.datasets.exact_copies import Content, content_codes
from analysis.datasets.keeping import best_first
from analysis.datasets.leaders import group_by_leaders
from analysis.datasets.output_columns import write_with_columns
from analysis.datasets.thresholds import choose_threshold, quantiles
from analysis.search.graph import NeighbourGraph, RowIndex, neighbour_graph, row_index
from artifact.arrays import Flags, Indices, Numbers, Vectors
from artifact.distances import DISTANCES
from artifact.errors import DataError
from rows.vectors.lineage import table_distance
from rows.vectors.table import VectorTable

NEIGHBOURS = 16
"""Of each row that are looked at; who has all of them within the threshold asks for more."""

COLUMNS = ("group", "distance", "exact", "keep")
"""What the output says of each row."""

_ROWS_AT_ONCE = 1 << 16


@dataclass(frozen=True, kw_only=True)
class Duplicates(CopySearch):
    """Groups of N rows, the largest first.

    Attributes:
        groups: int64 [N], from 0; -1 of a row alone.
        kept: int64 [N], the row that is kept of its group; its own number of a row that is kept.
        distances: float32 [N], to it; 0 of the kept row itself.
        exact: bool [N], whether it is another row of the same content as the kept one.
    """

    groups: Indices
    kept: Indices
    distances: Vectors
    exact: Flags

    @property
    def keep(self) -> Flags:
        """bool [N]: rows to keep, one of each group and every row alone."""
        return np.asarray(self.kept == np.arange(len(self.kept)))

    @property
    def sizes(self) -> Indices:
        """int64 [G], rows of each group, falling."""
        return np.bincount(self.groups[self.groups >= 0])

    def members(self, group: int) -> Indices:
        """The rows of a group: the kept one, then the others, nearest first."""
        rows = np.flatnonzero(self.groups == group)
        return rows[np.lexsort((rows, self.distances[rows], self.kept[rows] != rows))]


def find_duplicates(
    table: VectorTable | str | Path,
    *,
    threshold: float | None = None,
    share: float | None = None,
    content: Content | None = None,
    worth: Numbers | None = None,
    distance: str | None = None,
    seed: int = 0,
    report: Callable[[int, int], None] | None = None,
) -> Duplicates:
    """Find exact and near copies among the rows of a table.

    Args:
        table: N rows, at least 2.
        threshold: the largest distance; None: by `share`, else that of the artifact in the lineage.
        share: take the distance within which this share of the rows, in (0, 1], have their nearest other.
        content: of the pictures; None: exact copies are equal vectors.
        worth: float64 [N], the highest of a group is kept; NaN below all. None: the one with most others near it.
        distance: for vectors without lineage.
        seed: the same seed gives the same groups.
        report: called with (rows looked up, rows in all).

    Raises:
        UsageError: no threshold and none in the lineage, both given, or one out of range; no distance known.
        DataError: a single row, numbers that are not finite, or not one content or worth a row.
    """
    table = VectorTable.of(table)
    if worth is not None and len(worth) != table.num_rows:
        raise DataError("worth", expected=f"one for each of {table.num_rows} rows", got=str(len(worth)))
    distance = table_distance(table.lineage, distance, where=table.source)
    if table.num_rows < 2:
        raise DataError("table of vectors", expected="at least 2 rows", got="1", where=table.source)
    chosen = choose_threshold(table, table, threshold=threshold, share=share, distance=distance, seed=seed)
    (codes,), compared_by = content_codes([(table, content)])
    index = row_index(table, distance=distance, seed=seed)
    graph = neighbour_graph(table, NEIGHBOURS, index=index, report=report)
    nearest = _nearest_of_other_content(graph, codes)
    chosen = chosen.resolved(nearest)
    order = best_first(table, graph, chosen.value, worth)

    def within(rows: Indices) -> list[Indices]:
        ends, _, found = index.within(index.index.reconstruct_batch(rows), chosen.value)
        return np.split(found, ends[1:-1])

    kept = group_by_leaders(graph, chosen.value, order, codes, within)
    is_other = kept != np.arange(len(kept))
    return Duplicates(
        groups=_numbered(kept, order),
        kept=kept,
        distances=_distances_to(index, kept, is_other),
        exact=is_other & (codes == codes[kept]),
        threshold=chosen,
        content=compared_by,
        distance=distance,
        recall=graph.recall,
        kind=graph.kind,
        nearest=quantiles(nearest),
    )


def write_duplicates(table: VectorTable, found: Duplicates, output: str | Path) -> list[str]:
    """Write `id`, the copied columns, and COLUMNS: `group` (int32) and `distance` (float32) are null of a row alone.

    Returns:
        Names of copied columns that gave way to ours.

    Raises:
        UsageError: the output is the table. OutputError: it cannot be written.
    """
    alone = found.groups < 0
    ours: dict[str, Any] = {
        "group": pa.array(found.groups.astype(np.int32), mask=alone),
        "distance": pa.array(found.distances, mask=alone),
        "exact": pa.array(found.exact),
        "keep": pa.array(found.keep),
    }
    return write_with_columns(table, ours, output)


def _nearest_of_other_content(graph: NeighbourGraph, codes: Indices) -> Vectors:
    """float32 [N]; infinite where all neighbours are copies."""
    nearest = np.full(len(codes), np.inf, np.float32)
    for first in range(0, len(codes), _ROWS_AT_ONCE):
        part = slice(first, first + _ROWS_AT_ONCE)
        is_other = codes[graph.rows[part]] != codes[part, None]
        apart = np.take_along_axis(graph.distances[part], is_other.argmax(axis=1)[:, None], axis=1)[:, 0]
        nearest[part] = np.where(is_other.any(axis=1), apart, np.float32(np.inf))
    return nearest


def _numbered(kept: Indices, order: Indices) -> Indices:
    """The number of each row's group: the largest 0, of equals the one whose kept row is the better; -1 alone."""
    sizes = np.bincount(kept, minlength=len(kept))
    leaders = order[sizes[order] > 1]
    leaders = leaders[np.argsort(-sizes[leaders], kind="stable")]
    number = np.full(len(kept), -1)
    number[leaders] = np.arange(len(leaders))
    return number[kept]


def _distances_to(index: RowIndex, kept: Indices, is_other: Flags) -> Vectors:
    """float32 [N], of each row to its kept one; 0 of the kept one itself."""
    apart = np.zeros(len(kept), np.float32)
    others = np.flatnonzero(is_other)
    for first in range(0, len(others), _ROWS_AT_ONCE):
        rows = others[first : first + _ROWS_AT_ONCE]
        a, b = index.index.reconstruct_batch(rows), index.index.reconstruct_batch(kept[rows])
        apart[rows] = DISTANCES[index.distance](a, b)
    return apart
