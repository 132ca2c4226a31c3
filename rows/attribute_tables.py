"""Tables of attributes: any table of a format that images come in, read by the attributes of an attribute tower.

Decisions a reader would question:
- A table need not have a column of every attribute: of one without, all rows say nothing, and that is told. Where a
  column is called nearly so it is refused instead, for then the name is a mistake.
- The attributes' columns are copied into the output, under the attributes' names: what a vector is of should stand
  beside it, and what is measured of attributes reads them there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from artifact.attributes import Attributes
from artifact.errors import AttributeColumnError, DataError, UsageError
from artifact.kinds import ATTRIBUTES
from artifact.listing import listed
from artifact.nearest import nearest
from rows.attribute_rows import AttributeRow, attribute_rows
from rows.cells import is_image_column, is_text
from rows.columns import Columns, find_columns
from rows.formats.folder import FolderSource
from rows.formats.opening import TableLike, open_source
from rows.formats.source import Source
from rows.tables import ImageTable

NO_ATTRIBUTES = "table of attributes"
"""What a table is refused as that has none of them."""

OWN_NAMES = "call the column as the attribute is called, or leave it out of the table"
"""What mends an AttributeColumnError where no option names columns."""

_NEARLY = 0.8
"""So alike is a name that was mistyped; `size` and `side` are two."""


class AttributeTable(ImageTable):
    """A table of rows of attributes; its batches hold them in the place of images.

    Attributes:
        streams: {"attributes": the columns in words}.
        attributes: of the tower.
        found: {attribute: its column}.
    """

    def __init__(
        self,
        name: str,
        source: Source,
        columns: Columns,
        *,
        attributes: Attributes,
        found: Mapping[str, str],
        where: str,
    ) -> None:
        super().__init__(name, source, columns, where=where)
        self.attributes, self.found = attributes, dict(found)
        self.streams = {ATTRIBUTES: ", ".join(f"{each}={column}" for each, column in self.found.items())}
        names = {column: each for each, column in self.found.items()}
        self._renamed = [names.get(field.name, field.name) for field in columns.copied_schema]
        clashing = next((each for each in self._renamed if self._renamed.count(each) > 1), None)
        if clashing is not None:
            raise UsageError(
                f"copied column {clashing!r}", expected="another name than an attribute's", got="both", where=where
            )
        fields = zip(self._renamed, columns.copied_schema, strict=True)
        self.copied_schema = pa.schema([field.with_name(each) for each, field in fields])

    @property
    def notes(self) -> list[str]:
        """What who reads the table should be told of it: which attributes it says nothing of, too."""
        absent = [each for each in self.attributes.names if each not in self.found]
        line = f"no column for {listed(absent)}: missing in all rows"
        return [*super().notes, *([line] if absent else [])]

    def _copied(self, table: pa.Table, first_row: int) -> pa.Table:
        return super()._copied(table, first_row).rename_columns(self._renamed)

    def _attributes(self, table: pa.Table) -> list[AttributeRow]:
        columns = {name: table[column] for name, column in self.found.items()}
        return attribute_rows(self.attributes, columns, table.num_rows)


def open_attribute_table(
    table: TableLike,
    attributes: Attributes,
    *,
    columns: Mapping[str, str] | None = None,
    copy: Sequence[str] = (),
    id_column: str | None = None,
) -> AttributeTable:
    """Open a table of attributes.

    Args:
        table: as rows.tables.open_table takes it.
        attributes: of the tower.
        columns: {attribute: column} where the names differ.
        copy: columns to copy besides `id`, `label` and the attributes.
        id_column: the column that becomes `id`; by default "id", else the row number.

    Raises:
        UsageError: `columns` names no attribute, or one column twice.
        DataError: as open_table; a table without any of the attributes.
        AttributeColumnError: a column of `columns` that is not there, or one called nearly as an attribute.
    """
    source, where = open_source(table)
    shown = where if isinstance(table, (pa.Table, pa.RecordBatchReader, list, tuple)) else str(table)
    found = attribute_columns(source, attributes, columns or {}, where=where)
    if {id_column or "id", "id"} & {*found, *found.values()}:
        what, expected = f'column "{id_column or "id"}"', "the ids of rows or an attribute"
        raise UsageError(what, expected=expected, got="both", where=where, mend="call one of them something else")
    kept = [*found.values(), *copy]
    described = find_columns(
        source.schema, streams=(), columns={}, copy=kept, id_column=id_column, where=where, settle=source.settle
    )
    return AttributeTable(shown, source, described, attributes=attributes, found=found, where=where)


def attribute_columns(
    source: Source, attributes: Attributes, mapping: Mapping[str, str], *, where: str
) -> dict[str, str]:
    """{attribute: its column} in the order of the attributes; of those that have one.

    Raises:
        UsageError, DataError: see open_attribute_table.
    """
    for name in mapping:
        attributes.require(name)
    names = source.schema.names
    if isinstance(source, FolderSource):
        raise _no_attributes(attributes, "an image folder", where)
    found: dict[str, str] = {}
    for name in attributes.names:
        column = mapping.get(name, name)
        if column in names:
            if column in found.values():
                raise UsageError(f'column "{column}"', expected="one attribute", got="several", where="--columns")
            found[name] = column
        elif name in mapping:
            raise _absent(name, column, nearest(column, names), names, where)
    free = [each for each in names if each and each not in found.values()]
    for name in attributes.names:
        if name not in found and (near := nearest(name, free, alike=_NEARLY)) is not None:
            raise _absent(name, name, near, names, where)
    if not found:
        raise _no_attributes(attributes, listed([each for each in names if each]), where)
    return found


def has_attributes(source: Source, attributes: Attributes) -> bool:
    """Whether a table has a column of one of them."""
    return not isinstance(source, FolderSource) and bool(set(attributes.names) & set(source.schema.names))


def has_images(source: Source) -> bool:
    """Whether a table holds what can be nothing but images: a folder of them, or a column that is no text."""
    kinds = [field.type for field in source.schema]
    return isinstance(source, FolderSource) or any(is_image_column(kind) and not is_text(kind) for kind in kinds)


def _absent(name: str, column: str, near: str | None, names: Sequence[str], where: str) -> DataError:
    return AttributeColumnError(
        f"attribute {name!r}",
        expected=f'a column "{column}" among {listed([each for each in names if each])}',
        got="no such column" + (f', the nearest is "{near}"' if near is not None else ""),
        where=where,
        mend=f"name the right one with --columns {name}=..., or leave that column out of the table",
    )


def _no_attributes(attributes: Attributes, got: str, where: str) -> DataError:
    return DataError(NO_ATTRIBUTES, expected=f"columns of {listed(attributes.names)}", got=got, where=where)
