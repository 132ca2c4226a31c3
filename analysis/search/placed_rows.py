"""Rows of an index by their numbers, and their numbers by an id.

Decision a reader would question: they are taken from one record batch at a time, for `Table.take` puts whole columns
together first, at every search.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from artifact.arrays import Indices
from rows.ids import ids_as_text, named_ids


class PlacedRows:
    """The rows of a table, to be taken by their numbers."""

    def __init__(self, rows: pa.Table) -> None:
        self._rows = rows
        self._schema, self._batches = rows.schema, rows.to_batches()
        self._ends = np.cumsum([len(batch) for batch in self._batches])

    def at(self, places: Indices) -> pa.Table:
        """Rows by their numbers, in that order, without metadata; int64 [m], any number of times each."""
        wanted, back = np.unique(places, return_inverse=True)
        taken = [self._schema.empty_table()]
        numbers = np.searchsorted(self._ends, wanted, side="right")  # of the batch that each lies in
        for number in np.unique(numbers).tolist():
            batch = self._batches[number]
            inside = wanted[numbers == number] - (self._ends[number] - len(batch))
            taken.append(pa.Table.from_batches([batch.take(pa.array(inside))]))
        found = pa.concat_tables(taken)
        if len(back) != len(wanted) or (back[1:] <= back[:-1]).any():
            found = found.take(back)
        return found.replace_schema_metadata(None)

    def of_id(self, name: str) -> Indices:
        """int64 [m]: numbers of the rows with an id, which is compared as text."""
        ids = self._rows["id"]
        same = pc.equal(ids_as_text(ids), pa.scalar(named_ids([name], ids.type)[0], pa.large_string()))
        found: Indices = np.flatnonzero(np.asarray(pc.fill_null(same, False)))
        return found
