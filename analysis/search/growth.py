"""Rows that come into an index and rows that leave it, without building it again.

Decisions a reader would question:
- An id stands for one row from here on. Rows whose ids are there already are refused, all of them, or take the place of
  the old ones where that is asked for; of ids that are not there none is removed. Either way a command that went wrong
  has changed nothing. An index may hold an id twice from before: it is removed, and replaced, with all its rows.
- Ids are compared as text: 7 in one table is "7" in another and 7.0 in a third, as in lists of ids, which are text.
- New rows stand behind the others, those that replace others too. Among rows at one distance the lower is named first.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from analysis.neighbours.batches import checked_batches
from analysis.neighbours.nearest import prepare
from analysis.search.growing_kinds import cost_of, remove_numbers, require_growing, settled
from analysis.search.growing_rows import of_one_type, require_one_each
from analysis.search.index import Index
from analysis.search.index_files import SayWaiting, locked
from analysis.search.index_kinds import FLAT_VALUES
from artifact.arrays import Flags
from artifact.errors import DataError, SpaceError, UsageError
from artifact.listing import listed
from rows.ids import ids_as_text, named_ids
from rows.vectors.column import no_column
from rows.vectors.lineage import require_same_space, table_distance
from rows.vectors.table import VectorTable


@dataclass(frozen=True, kw_only=True)
class Change:
    """What became of an index.

    Attributes:
        index: as it is now; the one it was made from is used up.
        num_added: rows that came, those that replaced others among them.
        num_replaced, num_removed: rows that left, because others came with their ids, or because they were named.
        is_trained_again: its lists no longer suited its rows.
        notes: what else a user wants to know.
    """

    index: Index
    num_added: int = 0
    num_replaced: int = 0
    num_removed: int = 0
    is_trained_again: bool = False
    notes: list[str] = field(default_factory=list)


def add_to_file(
    file: Path,
    table: VectorTable,
    *,
    replace: bool = False,
    distance: str | None = None,
    say_waiting: SayWaiting | None = None,
) -> Change:
    """Add the rows of a table to the index in a file; further arguments and errors are those of `add_rows`.

    A kill at any moment leaves the old index or the new one; of two at once the second adds to what the first left, and
    `say_waiting` is told in one line that it waits.
    """
    with locked(file, say_waiting=say_waiting):
        try:
            index = Index.open(file, is_mapped=False)
        except DataError as error:
            if file.exists():
                raise
            raise error.but(mend="without --add it is built") from None
        change = add_rows(index, table, replace=replace, distance=distance)
        change.index.write(file)
    return change


def remove_from_file(file: Path, ids: Sequence[str], *, say_waiting: SayWaiting | None = None) -> Change:
    """Remove rows from the index in a file, as `add_to_file`; errors are those of `remove_rows`."""
    with locked(file, say_waiting=say_waiting):
        change = remove_rows(Index.open(file, is_mapped=False), ids)
        change.index.write(file)
    return change


def add_rows(index: Index, table: VectorTable, *, replace: bool = False, distance: str | None = None) -> Change:
    """Add every row of a table to an index in memory, a batch at a time besides the index itself.

    Args:
        index: opened with `is_mapped=False`, or built; afterwards only the one in the answer is to be used.
        table: with a column `id` and every column that the index copied; others are left out.
        replace: rows whose ids are there already take the place of the old ones.
        distance: that of the index: somebody says that vectors without lineage are of its space.

    Raises:
        SpaceError: vectors of another space, or other prefixes. UsageError: another distance, or a kind that is built
            again instead. DataError: ids that are missing, there twice or (without `replace`) there already; another
            n; a column that is not there or of another type; numbers that are not finite.
    """
    require_growing(index.kind)
    _require_fitting(index, table, distance)
    names = index.rows.schema.names
    for name in names:
        if name not in table.columns:
            mend = "build the index again with --copy and the columns that both have"
            raise no_column(table.schema, name, table.source, mend=mend if name != "id" else None)
    coming = pa.table({name: table.column(name) for name in names})
    new_ids = ids_as_text(coming["id"])
    require_one_each(new_ids, where=table.source)
    rows, coming, notes = of_one_type(index.rows, coming, where=table.source)
    old_ids = ids_as_text(index.rows["id"])
    there = np.asarray(pc.is_in(old_ids, value_set=new_ids))
    if there.any() and not replace:
        taken = new_ids.filter(pc.is_in(new_ids, value_set=old_ids))
        raise DataError(
            "ids to add",
            expected="ids that the index does not have",
            got=f"{len(taken):,} that it has, first {taken[0].as_py()!r}",
            where=table.source,
            mend="--replace puts the new rows in the place of the old ones",
        )
    unknown = [name for name, each in (("the index", index.lineage), ("the table", table.lineage)) if each is None]
    if unknown:
        notes.append(
            f"nothing says which model gave the vectors of {' and '.join(unknown)}: they are taken to be of one space"
        )
    left_out = [each.name for each in table.other_fields if each.name not in names]
    if left_out:
        notes.append(f"columns that the index does not have are left out: {listed(left_out)}")
    images = table.images
    if images is not None and index.images is not None and not images.is_same(index.images):
        notes.append(f"the index looks for pictures in {index.images.source}, and not in {images.source}")
    if index.is_exact and index.num_rows * index.dim <= FLAT_VALUES < (index.num_rows + table.num_rows) * index.dim:
        notes.append("an exact index of so many rows is slow to search; built again it has lists")
    return _changed(index, rows, there, (table, coming), notes=notes, is_replaced=True)


def remove_rows(index: Index, ids: Sequence[str]) -> Change:
    """Remove every row that has one of these ids from an index in memory; it is used up as by `add_rows`.

    Raises:
        UsageError: no ids, or a kind that is built again instead. DataError: some are not in the index, or all rows
            would go.
    """
    require_growing(index.kind)
    if not ids:
        raise UsageError("ids to remove", expected="at least one", got="none")
    there = ids_as_text(index.rows["id"])
    named = pa.array(named_ids(ids, index.rows["id"].type), pa.large_string())
    unknown = pc.invert(pc.is_in(named, value_set=there))
    if pc.any(unknown).as_py():
        unknown_ids = pc.unique(named.filter(unknown))
        raise DataError(
            "ids to remove",
            expected="ids that the index has",
            got=f"{len(unknown_ids):,} that it has not, first {unknown_ids[0].as_py()!r}; none is removed",
        )
    gone = np.asarray(pc.is_in(there, value_set=named))
    if gone.all():
        raise DataError(
            "ids to remove", expected="rows that are left", got=f"the ids of all {len(gone):,}", mend="delete its files"
        )
    return _changed(index, index.rows, gone, None, notes=[], is_replaced=False)


def _changed(
    index: Index,
    rows: pa.Table,
    gone: Flags,
    coming: tuple[VectorTable, pa.Table] | None,
    *,
    notes: list[str],
    is_replaced: bool,
) -> Change:
    """The index without some rows and with others behind the rest."""
    started = time.perf_counter()
    faiss_index, parameters = index.take_vectors()
    is_exact = index.is_exact
    trained = (0, 0) if is_exact else cost_of(faiss_index, parameters)
    num_gone, num_added = int(gone.sum()), 0
    if num_gone:
        remove_numbers(faiss_index, gone)
        rows = rows.filter(pa.array(~gone))
    if coming is not None:
        origin = np.zeros(faiss_index.d, np.float32)
        for batch in checked_batches(coming[0]):
            faiss_index.add(np.ascontiguousarray(prepare(batch.vectors, index.distance, origin)))
        num_added = len(coming[1])
        rows = pa.concat_tables([rows, coming[1]])
    is_trained_again = False
    if not is_exact:
        faiss_index, parameters, is_trained_again = settled(faiss_index, index.distance, parameters, trained)
    parameters = parameters | {"change_seconds": round(time.perf_counter() - started, 3)}
    changed = Index(
        faiss_index,
        rows,
        distance=index.distance,
        lineage=index.lineage,
        kind=index.kind,
        parameters=parameters,
        images=index.images.also_of(coming[0].images if coming is not None else None) if index.images else None,
    )
    return Change(
        index=changed,
        num_added=num_added,
        num_replaced=num_gone if is_replaced else 0,
        num_removed=0 if is_replaced else num_gone,
        is_trained_again=is_trained_again,
        notes=notes,
    )


def _require_fitting(index: Index, table: VectorTable, distance: str | None) -> None:
    """See that the vectors of a table are of an index's space, distance and n."""
    if distance not in (None, index.distance):
        raise UsageError("distance", expected=f"{index.distance}, as the index was built", got=str(distance))
    if table.lineage is not None:
        table_distance(table.lineage, index.distance, where=table.source)
    names = ("the index", "the table")
    try:
        require_same_space(index.lineage, table.lineage, names=names, vouched=distance is not None)
    except SpaceError as error:
        if index.lineage is not None and table.lineage is not None:
            raise
        mend = f"{error.mend}, or say with --distance {index.distance} that they are of one space all the same"
        raise error.but(mend=mend) from None
    if table.dim != index.dim:
        raise DataError(
            "vectors", expected=f"{index.dim} dims as the index has", got=str(table.dim), where=table.source
        )
