"""Part files: Parquet written whole or not at all, and read back a bounded number of rows at a time.

Decision a reader would question: parts are read without pre-buffering, a megabyte of each column at a time. A part is
one row group as a rule, and Arrow would otherwise hold all of it, which for one large file is the whole table.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from artifact.atomic import staged_file
from artifact.errors import DataError, UsageError

MANIFEST = "manifest.json"

TAGS = "tags.parquet"
"""In a folder of vectors, or FILE.tags.parquet beside a file: see tags.py."""

_OF_JOBS = ("part-*.parquet", "thumbnails-*.parquet", TAGS, MANIFEST)
"""What is read of a folder of vectors."""

_READ_BYTES = 1 << 20


def write_part(path: str | Path, table: pa.Table) -> None:
    """Write `table` to `path` by way of a hidden file in the same folder, so a kill never leaves half a part.

    Raises:
        OutputError: no plain file, or the folder is full or may not be written to.
    """
    from pyarrow import parquet

    # the statistics and dictionaries of a column of vectors cost time and never help
    plain = [field.name for field in table.schema if not pa.types.is_fixed_size_list(field.type)]
    options: dict[str, Any] = {"use_dictionary": plain, "write_statistics": plain, "compression": "zstd"}
    with staged_file(Path(path)) as staged, staged.open("wb") as file:
        parquet.write_table(table, file, **options)


def folder_parts(folder: Path) -> list[Path]:
    """The part files of a finished scoring job, in order; raises DataError where there are none, or the job goes on."""
    manifest = folder / MANIFEST
    if manifest.exists():
        state = job_facts(folder).get("state", "unreadable")
        if state != "complete":
            raise DataError(
                "scoring job",
                expected=f'"state": "complete" in {MANIFEST}',
                got=f'"{state}"',
                where=folder,
                mend="finish it with the same command",
            )
    parts = sorted(folder.glob("part-*.parquet"), key=lambda part: (len(part.name), part.name))  # 99999 before 100000
    if not parts:
        raise DataError("folder of vectors", expected="part-*.parquet", got="none", where=folder)
    return parts


def require_not_input(output: str | Path, table: str | Path) -> None:
    """See that a file to be written is neither the table that it is made from nor one of its files.

    Raises:
        UsageError: it is, by whatever path or link, or would be taken for one.
    """
    target, source = Path(output).resolve(), Path(table).resolve()
    own = any(target.match(each) for each in _OF_JOBS)
    if target in (source, source.with_name(f"{source.name}.{TAGS}")) or (target.parent == source and own):
        raise UsageError("output", expected="another file than those of the table", got=str(output))


def job_facts(folder: Path) -> dict[str, Any]:
    """The manifest of the scoring job in a folder; empty where there is none that can be read."""
    try:
        content = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def part_facts(part: Path) -> tuple[pa.Schema, int]:
    """Schema and number of rows, from the file's end alone; raises DataError where it is no Parquet file."""
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(part) as opened:
            return opened.schema_arrow, int(opened.metadata.num_rows)
    except (pa.ArrowException, OSError) as error:
        raise unreadable(part, error) from None


def read_column(part: Path, name: str) -> list[Any]:
    """The chunks of one column."""
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(part) as opened:
            chunks: list[Any] = opened.read([name])[name].chunks
            return chunks
    except (pa.ArrowException, OSError) as error:
        raise unreadable(part, error) from None


def part_batches(part: Path | pa.Table, columns: Sequence[str], num_rows: int) -> Iterator[pa.RecordBatch]:
    """The rows of a part in order, up to `num_rows` at a time; raises DataError where its bytes are damaged."""
    from pyarrow import parquet

    if isinstance(part, pa.Table):
        yield from part.select(list(columns)).to_batches(num_rows)
        return
    try:
        with parquet.ParquetFile(part, pre_buffer=False, buffer_size=_READ_BYTES) as opened:
            yield from opened.iter_batches(num_rows, columns=list(columns), use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise unreadable(part, error) from None


def unreadable(part: Path, error: Exception) -> DataError:
    """One line for a part that is damaged."""
    return DataError("table of vectors", expected="a Parquet file", got=str(error)[:300], where=part)
