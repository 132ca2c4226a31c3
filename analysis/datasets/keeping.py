"""Which row of a group is kept: the order in which rows are taken, the best first."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from analysis.datasets.leaders import is_full
from analysis.search.graph import NeighbourGraph
from artifact.arrays import Indices, Numbers
from artifact.errors import DataError
from rows.vectors.table import VectorTable


def best_first(table: VectorTable, graph: NeighbourGraph, threshold: float, worth: Numbers | None) -> Indices:
    """Every row once, the best to keep first: int64 [N].

    Args:
        graph: of the N rows.
        threshold: the largest distance of two that are the same.
        worth: float64 [N], the highest comes first, NaN last; None: all are worth the same. At equal worth the row with
            most others within the threshold, of those the one nearest to them, of those the first by id.
    """
    near = graph.distances <= np.float32(threshold)
    count = near.sum(axis=1)
    spread = np.where(near, graph.distances, np.float32(0)).sum(axis=1) / np.maximum(count, 1)
    spread = np.where(is_full(graph, near), graph.distances[:, -1], spread)  # of these the densest has most others
    value = np.zeros(len(count)) if worth is None else np.where(np.isnan(worth), -np.inf, worth)
    return np.lexsort((_rank_of_ids(table), spread, -count, -value))


def worth_by_column(table: VectorTable, name: str) -> Numbers:
    """The order of a column of numbers, dates or flags as float64 [N], NaN where null; DataError for any other.

    Whole numbers, decimals and dates are told by their rank: as float64 two of 18 digits may be one.
    """
    column = table.column(name)
    try:
        if pa.types.is_integer(column.type) or pa.types.is_decimal(column.type) or pa.types.is_temporal(column.type):
            rank = pc.rank(column, "ascending", tiebreaker="dense")
            has_none = column.is_null().to_numpy()
            return np.where(has_none, np.nan, rank.to_numpy(zero_copy_only=False))
        return np.asarray(column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), np.float64)
    except (pa.ArrowException, TypeError, ValueError, AttributeError):
        raise DataError(
            f'column "{name}"', expected="numbers or dates", got=str(column.type), where=table.source
        ) from None


def _rank_of_ids(table: VectorTable) -> Indices:
    """int64 [N], the place of each row by id: numbers by size, text by its bytes; the row where there are no ids."""
    rank = np.arange(table.num_rows)
    ids = table.column("id") if "id" in table.schema.names else None
    if ids is not None:
        if not pa.types.is_integer(ids.type) and not pa.types.is_floating(ids.type):
            ids = pa.chunked_array([pa.array(table.ids)])
        order = np.asarray(
            pc.sort_indices(pa.table({"id": ids, "row": rank}), [("id", "ascending"), ("row", "ascending")])
        )
        rank[order] = np.arange(table.num_rows)
    return rank
