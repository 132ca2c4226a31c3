"""A catalogue: a table of images whose rows the cells of a table of tuples name, by number, by id or by path.

Decisions a reader would question:
- Without an id column a number is a row, from 0, whatever else the catalogue holds; a text is a path as the catalogue
  writes it, and where there is none such but it is a whole number, a row. With one every cell is an id.
- Two rows of one id are refused, for nobody can say which is meant; of two rows of one path the first is taken.
- What names no row is no error of the whole table: its row is left out and told, as an image is that cannot be read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from artifact.arrays import Indices
from artifact.errors import DataError
from artifact.nearest import nearest
from rows.cells import is_text, kind_name
from rows.columns import SINGLE_STREAM_NAMES, require_images
from rows.formats.built_paths import with_built_paths
from rows.formats.opening import FORMATS, is_table_place, open_source
from rows.formats.source import Source
from rows.ids import ids_as_text, repeated_id
from rows.text_images import is_written_image
from trainer.data.table_images import TableImages, num_rows
from trainer.data.texts import Texts

_TEXTS_PER_READ, _BYTES_PER_READ = 8192, 1 << 24
_PATH_NAMES = ("image", *SINGLE_STREAM_NAMES)
_WHERE = "--catalogue-path"


@dataclass(frozen=True)
class Catalogue:
    """A table of images, opened with `open_catalogue`; nothing of it is read before it is asked for.

    Attributes:
        path: of the table.
        source: the table.
        column: its images.
        id_column: what cells name rows by; None: numbers and paths.
    """

    path: Path
    source: Source
    column: str
    id_column: str | None = None

    @cached_property
    def num_rows(self) -> int:
        """Rows of the catalogue."""
        if self._paths is not None:
            return len(self._paths)
        return num_rows(self.source, self.column)

    def shown(self) -> str:
        """What messages say of its rows."""
        if self.id_column is not None:
            return f'{self.num_rows:,} ids in "{self.id_column}" of {self.path.name}'
        return f"{self.num_rows:,} rows of {self.path.name}, from 0"

    def images(self, rows: Indices) -> TableImages:
        """The images of some rows, which are sorted."""
        return TableImages(self.source, (self.column,), rows)

    def names(self, rows: Indices) -> Texts:
        """What messages call the images of some rows: their paths as the catalogue has them, else their rows."""
        if self._paths is None:
            return Texts([f"row {row}" for row in rows.tolist()])
        paths, where = self._paths.take(pa.array(rows)), [f"row {row}" for row in rows.tolist()]
        return Texts(pc.coalesce(paths, pa.array(where, pa.large_string())) if paths.null_count else paths)

    def rows_of(self, cells: Any) -> npt.NDArray[np.int32]:
        """The row that each cell names: int32 [cells], -1 where it names none.

        Args:
            cells: of Arrow, numbers or texts (`check_cells`).
        """
        is_number = not is_text(cells.type)
        if self.id_column is not None:
            rows = _places(ids_as_text(cells), self._ids)
        elif is_number:
            rows = self._rows_of_numbers(cells)
        else:
            rows = self._rows_of_texts(cells)
        return rows.astype(np.int32)

    def _rows_of_numbers(self, cells: Any) -> Any:
        numbers = pc.fill_null(pc.cast(cells, pa.float64(), safe=False), -1).to_numpy(zero_copy_only=False)
        is_row = (numbers >= 0) & (numbers < self.num_rows) & (np.floor(numbers) == numbers)
        return np.where(is_row, numbers, -1)

    def _rows_of_texts(self, cells: Any) -> Any:
        texts = pc.cast(cells, pa.large_string()).combine_chunks()
        rows = np.full(len(texts), -1, np.int64)
        if self._paths is not None:
            rows = _places(texts, self._paths)
        is_digits = pc.fill_null(pc.match_substring_regex(texts, r"^\s*[0-9]{1,9}(\.0*)?\s*$"), False)
        others = np.flatnonzero((rows < 0) & is_digits.to_numpy(zero_copy_only=False))
        if len(others):
            numbers = pc.utf8_trim_whitespace(texts.take(pa.array(others))).cast(pa.float64())
            rows[others] = self._rows_of_numbers(numbers)
        return rows

    @cached_property
    def _paths(self) -> Any:
        """large_string [rows], null where an image is written into its cell; None where the images are no texts."""
        if not is_text(self.source.schema.field(self.column).type):
            return None
        parts: list[Any] = [pa.array([], pa.large_string())]
        for table in _tables(self.source, [self.column]):
            texts = table[self.column].to_pylist()
            names = [None if text is None or is_written_image(text) else text for text in texts]
            parts.append(pa.array(names, pa.large_string()))
        return pa.chunked_array(parts).combine_chunks()

    @cached_property
    def _ids(self) -> Any:
        """large_string [rows]; DataError for one that comes twice."""
        assert self.id_column is not None
        ids = ids_as_text(_column(self.source, self.id_column))
        if (got := repeated_id(ids)) is not None:
            what = f'id column "{self.id_column}" of the catalogue'
            raise DataError(what, expected="each id once", got=got, where=self.path.name)
        return ids


def open_catalogue(path: Path, *, column: str | None, id_column: str | None, max_image_bytes: int) -> Catalogue:
    """A table of images, its columns found; nothing of it is read yet.

    Args:
        column: its image column, or how paths are built of its columns; None: one of the usual names, `image`, `path`,
            `file`, `filename` or `file_name`.
        id_column: what cells name rows by; None: numbers and paths.
        max_image_bytes: of images that travel through the table.

    Raises:
        DataError: no table, no such column, or one of another type.
    """
    if not is_table_place(path):
        got = "a folder" if path.is_dir() else "another file" if path.exists() else "nothing there"
        raise DataError("catalogue", expected=f"a table ({' '.join(FORMATS)})", got=got, where=path)
    source, _ = open_source(path)
    source = with_built_paths(source, [] if column is None else [column], where=path.name)
    source.allow_images(max_image_bytes)
    names = source.schema.names
    usual = column or next((name for name in _PATH_NAMES if name in names), "image")
    for name, where in ((usual, _WHERE), (id_column, "--catalogue-id")):
        if name is not None and names.count(name) != 1:
            near = nearest(name, names)
            got = "several of that name" if name in names else "no such column"
            raise DataError(
                f'column "{name}" of the catalogue',
                expected=f"one of {', '.join(filter(None, names))}",
                got=got + (f', the nearest is "{near}"' if near is not None and name not in names else ""),
                where=path.name,
                mend=f"name the right one with {where}",
            )
    settled = source.settle(list(dict.fromkeys([usual, *([id_column] if id_column else [])])))
    kind = settled.field(usual).type
    if not pa.types.is_null(kind):
        require_images(kind, "image", usual, path.name)
    return Catalogue(path, source, usual, id_column)


def check_cells(kind: pa.DataType, stream: str, column: str, where: str) -> None:
    """Refuse cells of a type that names no rows of a catalogue; raises DataError."""
    types = pa.types
    if is_text(kind) or types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
        return
    raise DataError(
        f'column "{column}"',
        expected="row numbers, ids or paths of the catalogue",
        got=kind_name(kind),
        where=where,
        mend=f"name the right column with --columns {stream}=...",
    )


def _places(texts: Any, among: Any) -> Indices:
    """int64 [texts], the first place of each in an array of texts; -1 where it is not in it, or is empty."""
    places = pc.fill_null(pc.index_in(texts, value_set=among), -1).to_numpy(zero_copy_only=False)
    is_text = texts.is_valid().to_numpy(zero_copy_only=False)  # a null would find a null
    return np.where(is_text, places, -1).astype(np.int64)


def whole_columns(source: Source, names: Sequence[str]) -> pa.Table:
    """Some columns with all their rows, in Arrow: of names and numbers, not of pictures."""
    names = list(dict.fromkeys(names))
    parts = list(_tables(source, names))
    return pa.concat_tables(parts) if parts else source.schema.empty_table().select(names)


def _tables(source: Source, names: list[str]) -> Iterator[pa.Table]:
    """Some columns, some rows at a time."""
    for table in source.chunks(names, start_row=0, max_rows=_TEXTS_PER_READ, max_bytes=_BYTES_PER_READ):
        yield table.select(names)


def _column(source: Source, name: str) -> Any:
    return whole_columns(source, [name])[name]
