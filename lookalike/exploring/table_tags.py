"""Tags of the rows of several tables that are looked at together, each table's kept beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pages.explorer.answers import TagColumn
from rows.vectors.table import VectorTable
from rows.vectors.tags import Tags, tags_file


class TableTags:
    """Tags by the numbers of rows; raises DataError where a file of tags is none.

    Args:
        tables: in their order.
        first_rows: the number of the first row of each.
    """

    def __init__(self, tables: Sequence[VectorTable], first_rows: Sequence[int]) -> None:
        self._tables, self._first_rows = tables, first_rows
        self._num_rows = sum(table.num_rows for table in tables)
        self._stores = [Tags(tags_file(table.source), table.lineage) for table in tables]
        for store in self._stores:
            store.read()  # a file that is none is told before anything is served

    def column(self) -> TagColumn:
        """The tags of all rows; several of one row stand together."""
        names: dict[str, int] = {}
        codes = np.full(self._num_rows, -1, np.int64)
        tags: dict[str, None] = {}
        for first_row, table, store in zip(self._first_rows, self._tables, self._stores, strict=True):
            given = store.by_id()
            tags |= dict.fromkeys(tag for each in given.values() for tag in each)
            if given:
                told = {name: names.setdefault(", ".join(each), len(names)) for name, each in given.items()}
                for row, name in enumerate(table.ids):
                    if name in told:
                        codes[first_row + row] = told[name]
        used = sorted(names, key=lambda name: (name.casefold(), name))
        places = np.empty(len(used) + 1, np.uint32)
        places[[names[name] for name in used]] = np.arange(len(used))
        places[-1] = len(used)
        return TagColumn(codes=places[codes], names=used, tags=sorted(tags))

    def change(self, rows: Sequence[int], tag: str, take: bool) -> int:
        """Give some rows a tag, or take it; how many ids it changed. Raises UsageError, DataError, OutputError."""
        changed, wanted = 0, np.unique(np.array(rows, np.int64))
        starts = [*self._first_rows, self._num_rows]
        for number, (table, store) in enumerate(zip(self._tables, self._stores, strict=True)):
            first, last = np.searchsorted(wanted, starts[number : number + 2])
            ids = [table.ids[row] for row in (wanted[first:last] - starts[number]).tolist()]
            if ids:
                changed += store.remove(ids, tag) if take else store.add(ids, tag)
        return changed


def tag_files(tables: Sequence[VectorTable]) -> list[Path]:
    """Where the tags of tables are kept."""
    return [tags_file(table.source) for table in tables]
