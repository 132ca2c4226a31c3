"""Leaks: rows of another set that show what a set has already, such as test pictures that were trained on.

Each row of the other set has its nearest row of the set; one of the same content comes before any nearer one.

Decision a reader would question: it is the other set's rows that are kept or dropped. Who would rather drop training
pictures gives the two tables the other way round.
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
from analysis.datasets.output_columns import write_with_columns
from analysis.datasets.thresholds import choose_threshold, quantiles
from analysis.neighbours.batches import checked_batches, rows_with_ids
from analysis.search.graph import row_index
from artifact.arrays import Flags, Indices, Vectors
from artifact.distances import DISTANCES
from artifact.errors import DataError
from rows.vectors.lineage import distance_of_two
from rows.vectors.parts import require_not_input
from rows.vectors.table import VectorTable

LEAK_COLUMNS = ("nearest", "distance", "exact", "keep")
"""What the output says of each row of the other set."""


@dataclass(frozen=True, kw_only=True)
class Leaks(CopySearch):
    """The nearest row of a set, of each of M rows of another.

    Attributes:
        rows: int64 [M], its number in the set, one of the same content where there is one.
        distances: float32 [M], to it.
        exact: bool [M], whether it has the same content.
        keep: bool [M], rows that are neither exact copies nor within the threshold.
    """

    rows: Indices
    distances: Vectors
    exact: Flags
    keep: Flags

    @property
    def leaks(self) -> Indices:
        """The rows of the other set to drop: exact copies first, then the nearest first."""
        rows = np.flatnonzero(~self.keep)
        return rows[np.lexsort((rows, self.distances[rows], ~self.exact[rows]))]


def find_leaks(
    table: VectorTable | str | Path,
    other: VectorTable | str | Path,
    *,
    threshold: float | None = None,
    share: float | None = None,
    content: tuple[Content, Content] | None = None,
    distance: str | None = None,
    seed: int = 0,
    report: Callable[[int, int], None] | None = None,
) -> Leaks:
    """Find rows of another set that are in this one already.

    Args:
        table: N rows.
        other: M rows of the same space.
        threshold, share, seed: as find_duplicates has them; the share is one of the other set's rows.
        distance: for vectors without lineage; beside a lineage it vouches for the table that has none.
        content: of the pictures of both; None: exact copies are equal vectors.
        report: called with (rows of the other looked up, rows of it).

    Raises:
        SpaceError: vectors of two spaces. UsageError, DataError: as find_duplicates, and vectors of another length.
    """
    table, other = VectorTable.of(table), VectorTable.of(other)
    distance = distance_of_two(table.lineage, other.lineage, distance, names=(table.source, other.source))
    if table.dim != other.dim:
        raise DataError(
            "vectors", expected=f"{table.dim} numbers, as {table.source} has", got=str(other.dim), where=other.source
        )
    chosen = choose_threshold(table, other, threshold=threshold, share=share, distance=distance, seed=seed)
    sides = zip((table, other), content or (None, None), strict=True)
    (codes, other_codes), compared_by = content_codes(list(sides))
    index = row_index(table, distance=distance, num_queries=other.num_rows, seed=seed)
    rows, apart = np.empty(other.num_rows, np.int64), np.empty(other.num_rows, np.float32)
    nearest = np.empty(other.num_rows, np.float32)
    same = _rows_of_content(codes, other_codes)
    for batch in checked_batches(other):
        part = slice(batch.first_row, batch.first_row + len(batch))
        found, at = index.nearest(batch.vectors, 1)
        nearest[part], rows[part], apart[part] = found[:, 0], at[:, 0], found[:, 0]
        copies = np.flatnonzero(same[part] >= 0)
        if copies.size:
            copied = same[part][copies]
            rows[part][copies] = copied
            apart[part][copies] = DISTANCES[distance](batch.vectors[copies], index.index.reconstruct_batch(copied))
        if report is not None:
            report(part.stop, other.num_rows)
    chosen = chosen.resolved(np.where(same >= 0, np.inf, nearest))
    exact = same >= 0
    return Leaks(
        rows=rows,
        distances=apart,
        exact=exact,
        keep=~exact & ~(apart <= np.float32(chosen.value)),
        threshold=chosen,
        content=compared_by,
        distance=distance,
        recall=index.recall,
        kind=index.kind,
        nearest=quantiles(nearest),
    )


def write_leaks(table: VectorTable, other: VectorTable, found: Leaks, output: str | Path) -> list[str]:
    """Write `id` and the copied columns of the other set, and LEAK_COLUMNS.

    `nearest` is the id in the set, `distance` (float32) the distance to it; both are null of rows to keep.

    Returns, Raises: as analysis.datasets.duplicates.write_duplicates.
    """
    require_not_input(output, table.source)
    ids: Any = rows_with_ids(table, [])["id"]
    at = pa.array(found.rows, mask=found.keep)
    ours: dict[str, Any] = {
        "nearest": ids.take(at),
        "distance": pa.array(found.distances, mask=found.keep),
        "exact": pa.array(found.exact),
        "keep": pa.array(found.keep),
    }
    return write_with_columns(other, ours, output)


def _rows_of_content(codes: Indices, wanted: Indices) -> Indices:
    """The first row that has each wanted code; -1 where none has."""
    known, firsts = np.unique(codes, return_index=True)
    at = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return np.where(known[at] == wanted, firsts[at], -1)
