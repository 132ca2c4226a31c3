"""Paths that are built of a table's cells: `--columns image='train/{id}.jpg'`, as a column that the table has not.

The template's text is the name of the column, so a job that builds other paths is another job. `{{` and `}}` are
braces; `{id:04}` fills with zeros from the left. A cell that is empty gives an empty path, and so a bad row.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from artifact.errors import DataError, UsageError
from rows.cells import is_text, kind_name, values_type
from rows.formats.source import Source, Wrapped

_PIECE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|([{}])")
_WIDTH = re.compile(r"0?\d{1,3}")


@dataclass(frozen=True, kw_only=True)
class _Template:
    """A template's texts and cells in turn: text, or (column, digits at least)."""

    pieces: tuple[str | tuple[str, int], ...]

    @property
    def columns(self) -> list[str]:
        return list(dict.fromkeys(piece[0] for piece in self.pieces if not isinstance(piece, str)))

    def paths(self, table: pa.Table) -> pa.Array[Any]:
        """string [rows]; null where one of the cells is empty."""
        cells = {name: [_written(value) for value in table[name].to_pylist()] for name in self.columns}
        columns: list[list[str | None]] = [
            [piece] * table.num_rows
            if isinstance(piece, str)
            else [cell and cell.zfill(piece[1]) for cell in cells[piece[0]]]
            for piece in self.pieces
        ]
        rows = zip(*columns, strict=True)
        paths = ["".join(map(str, row)) if all(part for part in row) else None for row in rows]
        return pa.array(paths, pa.string())


class BuiltPaths(Wrapped):
    """A source with a text column more for each template."""

    def __init__(self, source: Source, templates: dict[str, _Template], *, where: str) -> None:
        super().__init__(source)
        self._templates, self._where = templates, where
        self.schema = pa.schema([*source.schema, *((text, pa.string()) for text in templates)])

    def settle(self, columns: Sequence[str]) -> pa.Schema:
        needed = self._needed(columns)
        settled = self._source.settle(needed)
        for template in self._templates.values():
            for name in template.columns:
                if name in needed and not _may_name(settled.field(name).type):
                    kind = kind_name(settled.field(name).type)
                    raise DataError(
                        f'column "{name}" of a path', expected="text or numbers", got=kind, where=self._where
                    )
        known = {field.name: field for field in settled}
        return pa.schema([known.get(name, pa.field(name, pa.string())) for name in columns])

    def chunks(self, columns: Sequence[str], *, start_row: int, max_rows: int, max_bytes: int) -> Iterator[pa.Table]:
        needed = self._needed(columns)
        for table in self._source.chunks(needed, start_row=start_row, max_rows=max_rows, max_bytes=max_bytes):
            built = table
            for text in columns:
                if text in self._templates:
                    built = built.append_column(text, self._templates[text].paths(table))
            yield built

    def _needed(self, columns: Sequence[str]) -> list[str]:
        """The columns of the source for these of this one."""
        needed = (self._templates[name].columns if name in self._templates else [name] for name in columns)
        return list(dict.fromkeys(part for parts in needed for part in parts))


def with_built_paths(source: Source, names: Iterable[str], *, where: str) -> Source:
    """The source with a column for each of the names that is a template and no column.

    Args:
        names: of columns, as a user gave them.
        where: the table, for messages.

    Raises:
        UsageError: braces that do not fit together.
        DataError: a column that is not there.
    """
    schema = source.schema
    templates = {name: _parsed(name) for name in names if "{" in name and name not in schema.names}
    for text, template in templates.items():
        for name in template.columns:
            if schema.names.count(name) != 1:
                raise DataError(
                    f'column "{name}" of the path "{text}"',
                    expected=f"one of {', '.join(each for each in schema.names if each)}",
                    got="several of that name" if name in schema.names else "no such column",
                    where=where,
                )
    return BuiltPaths(source, templates, where=where) if templates else source


def _parsed(text: str) -> _Template:
    pieces: list[str | tuple[str, int]] = []
    at = 0
    for match in _PIECE.finditer(text):
        pieces.append(text[at : match.start()])
        at = match.end()
        if match[2] is not None or match[1] == "":
            raise UsageError(
                f'path "{text}"', expected="{COLUMN}, or {{ and }} for braces", got=match[0], where="--columns"
            )
        if match[1] is None:
            pieces.append(match[0][0])
        else:
            name, _, width = match[1].rpartition(":")
            is_width = bool(name and _WIDTH.fullmatch(width))
            pieces.append((name, int(width)) if is_width else (match[1], 0))
    pieces.append(text[at:])
    return _Template(pieces=tuple(piece for piece in pieces if piece))


def _may_name(kind: pa.DataType) -> bool:
    types, kind = pa.types, values_type(kind)
    return bool(is_text(kind) or types.is_integer(kind) or types.is_floating(kind) or types.is_null(kind))


def _written(value: Any) -> str | None:
    if value is None or value != value:  # NaN
        return None
    if isinstance(value, float) and value.is_integer():  # whole numbers of a column with gaps
        return str(int(value))
    return str(value)
