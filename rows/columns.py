"""Columns of a table that are read: the images of each stream, the id, and what is copied into the output."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from artifact.errors import DataError, ImageColumnError, UsageError
from artifact.nearest import nearest
from rows.cells import IMAGE_KINDS, is_bytes, is_image_column, is_text, is_unmistakable, kind_name, values_type
from rows.text_images import is_written_image

SINGLE_STREAM_NAMES = ("path", "file", "filename", "file_name")
"""Tried in order for a model of one stream when no column has the stream's name."""

ARRAY_NAMES = ("images", "arr_0", "x")
"""Tried after those, where the column can hold nothing but images; then the only such column is taken."""


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The columns found.

    Attributes:
        streams: stream -> image column.
        id_column: None where ids are row numbers.
        id_is_path: True where the image path stands in for an id; a row without one is then called by its number.
        copied_schema: `id` first, then the other copied columns under their own names; dictionaries decoded.
        read: every column to read, each once.
        where: name of the table, for messages.
    """

    streams: Mapping[str, str]
    id_column: str | None
    id_is_path: bool = False
    copied_schema: pa.Schema
    read: tuple[str, ...]
    where: str

    def copied(self, table: pa.Table, first_row: int) -> pa.Table:
        """The copied columns of some rows read, `first_row` the table's number of the first of them.

        Raises:
            DataError: an id with a fraction.
        """
        arrays = [self._ids(table, first_row)]
        arrays += [table[field.name].cast(field.type) for field in list(self.copied_schema)[1:]]
        return pa.Table.from_arrays(arrays, schema=self.copied_schema)

    def _ids(self, table: pa.Table, first_row: int) -> pa.ChunkedArray[Any]:
        if self.id_column is None:
            return pa.chunked_array([np.arange(first_row, first_row + table.num_rows, dtype=np.int64)])
        kind = self.copied_schema.field("id").type
        ids: pa.ChunkedArray[Any] = table[self.id_column]
        if pa.types.is_floating(ids.type):
            ids = self._whole(ids, first_row)
        ids = ids.cast(kind)
        if not self.id_is_path:
            return ids
        values = ids.to_pylist()
        # an image that stands in the cell itself is no name
        no_names = [row for row, value in enumerate(values) if value is None or is_written_image(value)]
        if not no_names:
            return ids
        for row in no_names:
            values[row] = f"row {first_row + row}"
        return pa.chunked_array([values], kind)

    def _whole(self, ids: pa.ChunkedArray[Any], first_row: int) -> pa.ChunkedArray[Any]:
        """The numbers, which are whole, with null where there is none."""
        numbers = ids.to_numpy().astype(np.float64)
        with np.errstate(invalid="ignore"):  # of infinity
            is_odd = ~np.isnan(numbers) & ~((numbers % 1 == 0) & (abs(numbers) < 2**63))
        if is_odd.any():
            row = int(np.argmax(is_odd))
            raise _no_id(str(self.id_column), f"{numbers[row]} in row {first_row + row}", self.where)
        return pa.chunked_array([pa.array(numbers, from_pandas=True)])


def find_columns(
    schema: pa.Schema,
    *,
    streams: Sequence[str],
    columns: Mapping[str, str],
    copy: Sequence[str],
    id_column: str | None,
    where: str,
    settle: Callable[[Sequence[str]], pa.Schema],
    also: Sequence[str] = (),
) -> Columns:
    """Resolve names against a schema; see rows.tables.open_table for the rules and the errors.

    Args:
        where: name of the table, for messages.
        settle: gives the types of the columns that will be read: those of others do not matter.
        also: columns that are read besides, for others.
    """
    _check_mapping(streams, columns)
    found: dict[str, str] = {}
    for stream in streams:
        name = columns.get(stream) or _default_column(schema, stream, alone=len(streams) == 1)
        mend = f"name the right column with --columns {stream}=..."
        _require(schema, name, f'image column "{name}"', where, mend, error=ImageColumnError)
        found[stream] = name
    _require_apart(found)
    identity = id_column or ("id" if "id" in schema.names else None)
    if identity is not None:
        _require(schema, identity, f'id column "{identity}"', where, None)
    others = (["label"] if "label" in schema.names else []) + list(copy)
    others = [name for name in dict.fromkeys(others) if name != "id"]
    for name in others:
        _require(schema, name, f'copied column "{name}"', where, None)
    used = tuple(dict.fromkeys([*found.values(), *([identity] if identity else []), *others, *also]))
    settled = settle(used)
    for stream, name in found.items():
        require_images(settled.field(name).type, stream, name, where)
    id_is_path = identity is None and len(streams) == 1 and is_text(settled.field(found[streams[0]]).type)
    if id_is_path:
        identity = found[streams[0]]
    fields = [
        ("id", _id_type(settled, identity, where)),
        *((name, values_type(settled.field(name).type)) for name in others),
    ]
    return Columns(
        streams=found,
        id_column=identity,
        id_is_path=id_is_path,
        copied_schema=pa.schema(fields),
        read=used,
        where=where,
    )


def require_images(kind: pa.DataType, stream: str, name: str, where: str) -> None:
    """Raise ImageColumnError for a column that can hold no images of the stream (a role, of a table to train on)."""
    if not is_image_column(kind):
        raise ImageColumnError(
            f'image column "{name}"',
            expected=IMAGE_KINDS,
            got=kind_name(kind),
            where=where,
            mend=f"name the right column with --columns {stream}=...",
        )


def _check_mapping(streams: Sequence[str], columns: Mapping[str, str]) -> None:
    if len(set(streams)) != len(streams):
        raise ValueError(f"expected streams, each once, got {list(streams)}")
    for stream in columns:
        if stream not in streams:
            raise UsageError(
                f'stream "{stream}"',
                expected=f"one of {', '.join(streams)}",
                got=f"{stream}={columns[stream]}",
                mend="write --columns STREAM=COLUMN",
            )


def _require_apart(found: Mapping[str, str]) -> None:
    """One column for two streams would make pairs of an image with itself, and say nothing."""
    for column in found.values():
        sharing = [stream for stream in found if found[stream] == column]
        if len(sharing) > 1:
            raise UsageError(f'column "{column}"', expected="one stream", got=" and ".join(sharing))


def _default_column(schema: pa.Schema, stream: str, *, alone: bool) -> str:
    names = (stream, *SINGLE_STREAM_NAMES) if alone else (stream,)
    named = next((name for name in names if name in schema.names), None)
    if named is not None or not alone:
        return named or stream
    images = [field.name for field in schema if is_unmistakable(field.type)]
    usual = [name for name in ARRAY_NAMES if name in images]
    return (usual or (images if len(images) == 1 else [stream]))[0]


def _require(
    schema: pa.Schema, name: str, what: str, where: str, mend: str | None, *, error: type[DataError] = DataError
) -> None:
    if schema.names.count(name) == 1:
        return
    if name in schema.names:
        raise DataError(what, expected="one column of that name", got="several", where=where)
    near = nearest(name, schema.names)
    raise error(
        what,
        expected=f"one of {', '.join(name for name in schema.names if name)}",
        got="no such column" + (f', the nearest is "{near}"' if near is not None else ""),
        where=where,
        mend=mend,
    )


def _id_type(schema: pa.Schema, identity: str | None, where: str) -> pa.DataType:
    if identity is None:
        return pa.int64()
    kind = values_type(schema.field(identity).type)
    if pa.types.is_integer(kind) or is_text(kind):
        return kind
    if pa.types.is_floating(kind):  # of a table whose whole numbers are written as 3.0 in places
        return pa.int64()
    raise _no_id(identity, "binary" if is_bytes(kind) else str(kind), where)


def _no_id(column: str, got: str, where: str) -> DataError:
    return DataError(f'id column "{column}"', expected="strings or whole numbers", got=got, where=where)
