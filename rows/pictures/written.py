"""Files of thumbnails that scoring leaves beside its parts: thumbnails-00000.parquet holds those of part-00000.parquet.

A row of one is a row of the part. `row` is its number in the table that was scored, by which rows that a retry gained
find their place.

Decision a reader would question: row groups are small, so that one thumbnail can be read without a part's worth of
them; the pages of a column are compressed all the same, and with them what all JPEGs begin with.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from artifact.arrays import Indices
from artifact.atomic import staged_file
from rows.pictures.tally import RowIds
from rows.pictures.thumbnail import Thumbnail
from rows.vectors.named_images import THUMBNAILS
from rows.vectors.parts import job_facts, part_batches, unreadable

_ROWS_PER_GROUP = 1024
_FACTS = ("id", "thumbnail", "width", "height", "sha256")


def thumbnails_schema(id_type: pa.DataType) -> pa.Schema:
    """Schema of a file: the row's number in the table, its id, the thumbnail as a JPEG, and of the original its width
    and height in pixels and the SHA-256 in hex."""
    return pa.schema(
        [
            pa.field("row", pa.int64()),
            pa.field("id", id_type),
            pa.field("thumbnail", pa.binary()),
            pa.field("width", pa.int32()),
            pa.field("height", pa.int32()),
            pa.field("sha256", pa.string()),
        ]
    )


def thumbnails_file(part: str) -> str:
    """File name of the thumbnails of a part."""
    return part.replace("part-", f"{THUMBNAILS}-", 1)


def thumbnails_table(rows: Indices, ids: pa.ChunkedArray[Any], thumbnails: Sequence[Thumbnail | None]) -> pa.Table:
    """The thumbnails of some rows as a table.

    Args:
        rows: int64 [m], numbers in the table that was scored.
        ids: of them.
        thumbnails: None where none could be made, which is null in the table.
    """
    facts = [
        [None if each is None else getattr(each, name) for each in thumbnails]
        for name in ("data", "width", "height", "sha256")
    ]
    schema = thumbnails_schema(ids.type)
    kinds = [field.type for field in schema][2:]
    return pa.table(
        [pa.array(rows), ids, *(pa.array(each, kind) for each, kind in zip(facts, kinds, strict=True))], schema=schema
    )


def write_thumbnails(path: Path, table: pa.Table) -> None:
    """Write a file whole or not at all; raises OutputError."""
    from pyarrow import parquet

    options: dict[str, Any] = {"use_dictionary": False, "write_statistics": False, "compression": "zstd"}
    with staged_file(path) as staged, staged.open("wb") as file:
        parquet.write_table(table, file, row_group_size=_ROWS_PER_GROUP, **options)


class WrittenThumbnails:
    """The thumbnails of a finished job.

    Attributes:
        folder: of the job.
        px: longest side at most.
    """

    def __init__(self, folder: Path, px: int, files: Sequence[Path]) -> None:
        self.folder, self.px, self._files = folder, px, files

    @classmethod
    def of(cls, folder: Path) -> WrittenThumbnails | None:
        """Those beside the parts of a job; None where it made none, it is no job, or a file of them is gone."""
        facts = job_facts(folder)
        job, parts = facts.get("job"), facts.get("parts")
        px = job.get(THUMBNAILS) if isinstance(job, dict) else None
        if not isinstance(px, int) or not isinstance(parts, list) or not parts:
            return None
        files = [folder / thumbnails_file(str(part["file"])) for part in parts]
        return cls(folder, px, files) if all(file.is_file() for file in files) else None

    def all(self) -> Iterator[tuple[str, Thumbnail | None]]:
        """(id, thumbnail or None where none could be made) in the order of the parts; raises DataError of damage."""
        for batch in self._batches(_FACTS):
            for found in batch.to_pylist():
                yield str(found["id"]), _thumbnail(found)

    def hashes(self) -> Iterator[tuple[str, str | None]]:
        """(id, SHA-256 in hex) in the order of the parts; raises DataError of damage."""
        for batch in self._batches(("id", "sha256")):
            yield from zip(map(str, batch["id"].to_pylist()), batch["sha256"].to_pylist(), strict=True)

    def places(self, rows: RowIds) -> Indices:
        """int64 [N]: where the thumbnail of each row stands among all of them; -1 where there is none."""
        places = np.full(len(rows), -1, np.int64)
        at = 0
        for batch in self._batches(("id",)):
            for name in batch["id"].to_pylist():
                for row in rows.rows(str(name)):
                    places[row] = at if places[row] < 0 else places[row]
                at += 1
        return places

    def read(self, place: int) -> Thumbnail | None:
        """One thumbnail by its place among all of them, as `all` gives it; raises DataError of damage."""
        from pyarrow import parquet

        number = int(np.searchsorted(self._ends, place, side="right"))
        within = place - (int(self._ends[number - 1]) if number else 0)
        file = self._files[number]
        try:
            with parquet.ParquetFile(file) as opened:
                group = opened.read_row_group(within // _ROWS_PER_GROUP, columns=list(_FACTS))
                return _thumbnail(group.slice(within % _ROWS_PER_GROUP, 1).to_pylist()[0])
        except (pa.ArrowException, OSError) as error:
            raise unreadable(file, error) from None

    @cached_property
    def _ends(self) -> Indices:
        """int64 [files]: rows up to the end of each."""
        from pyarrow import parquet

        return np.cumsum([parquet.read_metadata(file).num_rows for file in self._files], dtype=np.int64)

    def _batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        for file in self._files:
            yield from part_batches(file, columns, _ROWS_PER_GROUP)


def _thumbnail(found: dict[str, Any]) -> Thumbnail | None:
    if found["thumbnail"] is None:
        return None
    return Thumbnail(width=found["width"], height=found["height"], sha256=found["sha256"], data=found["thumbnail"])
