"""A tar of images in WebDataset's naming: members that share all before the first dot of their name are one row.

KEY.jpg is `image`, KEY.anchor.jpg is `anchor`, KEY.cls is `label`, KEY.txt and KEY.json are text columns; `id` is KEY.
Decisions a reader would question:
- Of a plain tar on this machine only the headers are read; a ref names the span of its image. Compressed and remote
  tars cannot be read from the middle, so their images travel as bytes.
- Headers of a plain tar are read once more beforehand (tar_survey.py), to see whether a key comes back behind another:
  then an index joins its members (tar_keys.py). Members of others that come back are refused, for their row is gone.
- Which columns there are is told by the first hundred rows, and `label` of a plain tar by all. A row without one of
  them has an empty cell there. Labels that a tar which is read once has further down are told.
- Which members are cells, and what is passed over, goes by the rules of folders (tar_members.py).
- A link within a plain tar is the member that it means: tar packs a file so that has two names.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from artifact.errors import DataError
from artifact.images.limits import DEFAULT_LIMITS
from rows.cells import image_refs, is_text
from rows.cutting import cut
from rows.formats.passed_over import passed_over_line
from rows.formats.source import LABEL, Source, files_fingerprint, picked
from rows.formats.tar_archive import BROKEN, MemberName, archive
from rows.formats.tar_cells import (
    IMAGE_CELL,
    TEXT_COLUMNS,
    whole_cell,
)
from rows.formats.tar_keys import RowIndex, SeenKeys
from rows.formats.tar_members import CellMember, Sieve
from rows.formats.tar_reading import cell_of
from rows.formats.tar_survey import TarSurvey, survey_of
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
        self._is_packed = False  # until it is known
        self._known_survey: TarSurvey | None = None
        self._known_index: tuple[RowIndex, BaseException | None] | None = None
        self._sieve = self._whole_sieve = Sieve()  # of the last reading, and of one to the end
        self._is_felt, self._late_labels = False, 0
        self.schema = pa.schema({"id": pa.string()}) if like is None else like
        for row in self._first_rows() if like is None else ():
            kinds = {name: pa.string() if name in TEXT_COLUMNS.values() else IMAGE_CELL for name in row.cells}
            for name in kinds:
                if name not in self.schema.names:
                    self.schema = self.schema.append(pa.field(name, kinds[name]))
        self._is_felt, self._late_labels = self._sieve.is_felt, 0
        with suppress(DataError, *BROKEN):  # told by who reads the rows
            if LABEL not in self.schema.names and (survey := self._survey()) is not None and survey.has_label:
                self.schema = self.schema.append(pa.field(LABEL, pa.string()))

    @property
    def passed_over(self) -> Counter[str]:
        survey = self._survey()
        return (self._whole_sieve if survey is None else survey.sieve).passed_over

    @property
    def notes(self) -> list[str]:
        line = passed_over_line(self.passed_over)
        notes = [line] if line else []
        if self._late_labels:
            notes.append(
                f"{readable_name(self.path.name)}: {self._late_labels:,} labels are in no column, for none of the "
                f"first {_ROWS_FOR_COLUMNS} rows of the table has one; of plain tars on this machine all are looked at"
            )
        return notes

    @property
    def variant(self) -> str:
        survey = self._survey()
        is_felt = self._is_felt if survey is None else survey.sieve.is_felt
        found = {"joined": survey is not None and survey.has_returning, "sifted": is_felt}
        return " ".join(name for name, is_so in found.items() if is_so)

    def allow_images(self, max_bytes: int) -> None:
        self._max_image_bytes = max_bytes

    def count_rows(self, columns: Sequence[str]) -> int | None:
        return None

    def settle(self, columns: Sequence[str]) -> pa.Schema:
        return picked(self.schema, columns)

    def fingerprint(self) -> str:
        found = files_fingerprint(self.files)
        variant = self.variant
        # jobs of before the rows were such are other jobs
        salt = "" if variant == "joined" else variant
        return hashlib.sha256((found + salt).encode()).hexdigest() if variant else found

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
            survey = self._survey() or TarSurvey()
            if not survey.has_returning:
                yield from self._runs(tar, survey)
                return
            if self._known_index is None:
                self._known_index = self._index(tar, survey)
            index, broken = self._known_index
            for row, key in enumerate(index.keys):
                yield _Row(key, {name: whole_cell(cell, name, tar) for name, cell in index.cells(row).items()})
            self._known_index = None  # a table of many such archives keeps no more than one or two
            if broken is not None:
                raise broken

    def _runs(self, tar: tarfile.TarFile, survey: TarSurvey | None) -> Iterator[_Row]:
        """Rows of members that follow each other."""
        row: _Row | None = None
        seen = SeenKeys() if survey is None else None
        sieve = self._sieve = Sieve()
        late_labels = 0
        for member in sieve.cells_of(tar):
            key, column = member.key, member.column
            if row is None or row.key != key:
                if row is not None:
                    yield self._checked(row, seen)
                row = _Row(key)
            if row.cells.get(column) is not None:
                raise self._another(member)
            cell = self._cell(member, tar, survey)
            late_labels += column == LABEL and LABEL not in self.schema.names
            self._late_labels = max(self._late_labels, late_labels)
            whole = row.cells[column] = whole_cell(cell, column, tar)
            row.num_bytes += len(whole) if isinstance(whole, str) else len((whole and whole["bytes"]) or b"")
        if row is not None:
            yield self._checked(row, seen)
        self._whole_sieve = sieve

    def _checked(self, row: _Row, seen: SeenKeys | None) -> _Row:
        if seen is not None:
            seen.require_new(row.key, frozenset(row.cells), where=self.path.name)
        return row

    def _index(self, tar: tarfile.TarFile, survey: TarSurvey) -> tuple[RowIndex, BaseException | None]:
        """Where all members lie, up to a break; and the break."""
        index = RowIndex(where=self.path.name)
        last_key, its_columns = "", set[str]()
        try:
            for member in Sieve().cells_of(tar):
                key, column = member.key, member.column
                if key != last_key:
                    last_key, its_columns = key, set()
                if column in its_columns:
                    raise self._another(member)
                its_columns.add(column)
                index.add(key, column, self._cell(member, tar, survey))
        except BROKEN as error:
            return index, error
        return index, None

    def _survey(self) -> TarSurvey | None:
        """What all headers tell, looked at once; None of an archive that can only be read once."""
        if self._known_survey is None and isinstance(self.path, Path) and not self._is_packed:
            with archive(self.path) as (_, is_plain):
                self._is_packed = not is_plain
            self._known_survey = survey_of(self.path) if is_plain else None
        return self._known_survey

    def _cell(self, member: CellMember, tar: tarfile.TarFile, survey: TarSurvey | None) -> Any:
        return cell_of(member, tar, survey, max_bytes=self._max_image_bytes, where=self.path.name)

    def _another(self, member: CellMember) -> DataError:
        return DataError(
            f'row "{member.key}"',
            expected=f"one {member.column}",
            got=f"another, {readable_name(MemberName.of(member.info.name).file)}",
            where=self.path.name,
        )

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
