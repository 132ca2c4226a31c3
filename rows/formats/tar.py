"""A tar of images in WebDataset's naming: members that share all before the first dot of their name are one row.

KEY.jpg is `image`, KEY.anchor.jpg is `anchor`, KEY.cls is `label`, KEY.txt and KEY.json are text columns; `id` is KEY.
Decisions a reader would question:
- Of a plain tar on this machine only the headers are read; a ref names the span of its image. Compressed and remote
  tars cannot be read from the middle, so their images travel as bytes.
- Headers of a plain tar are read once more beforehand, to see whether a key comes back behind another: then an index
  joins its members (rows/formats/tar_keys.py). Members of others that come back are refused, for their row is gone.
- Which columns there are is told by the first hundred rows. A row without one of them has an empty cell there.
- A link within a plain tar is the member that it means: tar packs a file so that has two names.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import pyarrow as pa

from artifact.errors import DataError
from artifact.images.limits import DEFAULT_LIMITS, IMAGE_MB_OPTION, MB
from rows.cells import image_refs, is_text
from rows.cutting import cut
from rows.formats.source import Source, files_fingerprint, picked
from rows.formats.tar_archive import BROKEN, MemberName, archive, link_target, plain_name
from rows.formats.tar_cells import (
    IMAGE_CELL,
    TEXT_COLUMNS,
    faulty_cell,
    image_cell,
    text_cell,
    whole_cell,
)
from rows.formats.tar_keys import RowIndex, SeenKeys
from rows.formats.tar_survey import TarSurvey, cells_of, survey_of
from rows.images import ImageRef
from rows.location import Location, readable_name

_ROWS_FOR_COLUMNS = 100


@dataclass
class _Row:
    """Members of one key; `num_bytes` counts the images that travel as bytes, and the texts."""

    key: str
    cells: dict[str, Any] = field(default_factory=dict)
    num_bytes: int = 0


class TarSource(Source):
    """A tar, plain or compressed with gzip, bzip2 or xz.

    Args:
        like: the schema, where an earlier shard of the table has told it.
    """

    def __init__(self, path: Location, like: pa.Schema | None = None) -> None:
        self.path = path
        self._max_image_bytes = DEFAULT_LIMITS.max_bytes
        self.files = (path,)
        self._known_survey: TarSurvey | None = None
        if like is not None:
            self.schema = like
            return
        found: dict[str, pa.DataType] = {"id": pa.string()}
        for row in self._first_rows():
            found |= {name: pa.string() if name in TEXT_COLUMNS.values() else IMAGE_CELL for name in row.cells}
        self.schema = pa.schema(found)

    def allow_images(self, max_bytes: int) -> None:
        self._max_image_bytes = max_bytes

    def count_rows(self, columns: Sequence[str]) -> int | None:
        return None

    def settle(self, columns: Sequence[str]) -> pa.Schema:
        return picked(self.schema, columns)

    def fingerprint(self) -> str:
        found = files_fingerprint(self.files)
        with archive(self.path) as (_, is_plain):
            is_joined = is_plain and self._survey().has_returning
        # jobs of before such rows were joined are other jobs
        return hashlib.sha256(found.encode()).hexdigest() if is_joined else found

    def chunks(self, columns: Sequence[str], *, start_row: int, max_rows: int, max_bytes: int) -> Iterator[pa.Table]:
        broken: list[BaseException] = []

        def sized_rows() -> Iterator[tuple[_Row, list[int]]]:
            try:
                for row in islice(self._rows(), start_row, None):
                    yield row, [row.num_bytes]
            except (DataError, *BROKEN) as error:  # told behind the rows before it
                broken.append(error)

        for piece in cut(sized_rows(), max_rows=max_rows, max_bytes=max_bytes):
            yield self._table([row for row, _, _ in piece], columns)
        if broken:
            raise self._unreadable(broken[0]) from None

    def images(self, table: pa.Table, column: str) -> list[ImageRef]:
        if is_text(table[column].type):  # names of files beside the archive
            return image_refs(table[column], self.path.parent)
        return [self._ref(cell) for cell in table[column].to_pylist()]

    def _ref(self, cell: dict[str, Any] | None) -> ImageRef:
        if cell is None:
            return ImageRef()
        if cell["fault"] is not None:
            return ImageRef(fault=cell["fault"])
        if cell["bytes"] is not None:
            return ImageRef(data=cell["bytes"])
        return ImageRef(path=self.path, span=(cell["offset"], cell["size"]))

    def _first_rows(self) -> list[_Row]:
        rows: list[_Row] = []
        try:
            rows.extend(islice(self._rows(), _ROWS_FOR_COLUMNS))
        except BROKEN as error:
            if not rows:
                raise self._unreadable(error) from None
        return rows

    def _table(self, rows: list[_Row], columns: Sequence[str]) -> pa.Table:
        values = {name: [row.cells.get(name) for row in rows] for name in columns if name != "id"}
        values["id"] = [row.key for row in rows]
        return pa.table([values[name] for name in columns], schema=picked(self.schema, columns))

    def _rows(self) -> Iterator[_Row]:
        with archive(self.path) as (tar, is_plain):
            if not is_plain:
                yield from self._runs(tar, None)
                return
            survey = self._survey()
            if not survey.has_returning:
                yield from self._runs(tar, survey)
                return
            index, broken = self._index(tar, survey)
            for row, key in enumerate(index.keys):
                yield _Row(key, {name: whole_cell(cell, name, tar) for name, cell in index.cells(row).items()})
            if broken is not None:
                raise broken

    def _runs(self, tar: tarfile.TarFile, survey: TarSurvey | None) -> Iterator[_Row]:
        """Rows of members that follow each other."""
        row: _Row | None = None
        seen = SeenKeys() if survey is None else None
        for key, column, member in cells_of(tar):
            if row is None or row.key != key:
                if row is not None:
                    yield self._checked(row, seen)
                row = _Row(key)
            if row.cells.get(column) is not None:
                raise self._another(key, column, member)
            cell = self._cell(column, tar, member, survey)
            whole = row.cells[column] = whole_cell(cell, column, tar)
            row.num_bytes += len(whole) if isinstance(whole, str) else len((whole and whole["bytes"]) or b"")
        if row is not None:
            yield self._checked(row, seen)

    def _checked(self, row: _Row, seen: SeenKeys | None) -> _Row:
        if seen is not None:
            seen.require_new(row.key, frozenset(row.cells), where=self.path.name)
        return row

    def _index(self, tar: tarfile.TarFile, survey: TarSurvey) -> tuple[RowIndex, BaseException | None]:
        """Where all members lie, up to a break; and the break."""
        index = RowIndex(where=self.path.name)
        last_key, its_columns = "", set[str]()
        try:
            for key, column, member in cells_of(tar):
                if key != last_key:
                    last_key, its_columns = key, set()
                if column in its_columns:
                    raise self._another(key, column, member)
                its_columns.add(column)
                index.add(key, column, self._cell(column, tar, member, survey))
        except BROKEN as error:
            return index, error
        return index, None

    def _survey(self) -> TarSurvey:
        """Look at all headers, once."""
        if self._known_survey is None:
            self._known_survey = survey_of(self.path)
        return self._known_survey

    def _cell(self, column: str, tar: tarfile.TarFile, member: tarfile.TarInfo, survey: TarSurvey | None) -> Any:
        """A member as a cell: of an image the struct, of a text the text, or the struct where it can be read later."""
        is_plain, is_text = survey is not None, column in TEXT_COLUMNS.values()
        if survey is not None and link_target(member) is not None:
            span = survey.followed(plain_name(member.name))
            if span and is_text:
                self._require_text(column, member.name, span[1])
            return (
                image_cell(span=span)
                if span
                else faulty_cell(f"a link to what is not there: {member.linkname}", is_text)
            )
        if is_plain and member.isreg() and not member.issparse():
            if is_text:
                self._require_text(column, member.name, member.size)
            return image_cell(span=(member.offset_data, member.size))
        file = tar.extractfile(member) if member.isreg() else None
        if file is None:
            what = "a device or pipe, not a file"
            if link_target(member) is not None:
                what = f"a link to {member.linkname}: pack it with tar --dereference --hard-dereference"
            return faulty_cell(what, is_text)
        if is_text:
            self._require_text(column, member.name, member.size)
            return text_cell(file, member.size)
        # one byte more than the limit is enough to refuse it when it is decoded
        return image_cell(data=file.read(min(member.size, self._max_image_bytes + 1)))

    def _require_text(self, column: str, name: str, size: int) -> None:
        """Nothing is cut off in silence: a text is whole, or the archive is none that can be scored."""
        if size > self._max_image_bytes:
            raise DataError(
                f'row "{MemberName.of(name).key}"',
                expected=f"{column} of at most {self._max_image_bytes / MB:.10g} MB",
                got=f"{size / MB:.1f} MB",
                where=self.path.name,
                mend=f"raise it with {IMAGE_MB_OPTION}",
            )

    def _another(self, key: str, column: str, member: tarfile.TarInfo) -> DataError:
        found = readable_name(MemberName.of(member.name).file)
        return DataError(f'row "{key}"', expected=f"one {column}", got=f"another, {found}", where=self.path.name)

    def _unreadable(self, error: BaseException) -> DataError:
        if isinstance(error, DataError):
            return error
        return DataError(
            "table",
            expected="a tar that can be read to its end",
            got=str(error)[:300] or type(error).__name__,
            where=self.path.name,
            mend="fetch or pack it again",
        )
