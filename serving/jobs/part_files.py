"""Part files, and what each says about itself: its job, the rows of the table that it answers, and those that are bad.

All of that stands in the schema metadata of the file, so the parts alone tell how far a job is and a kill between a
part and the manifest loses nothing. Bad rows are kept there as an Arrow stream, for ids have the table's type, and
compressed: a part of nothing but bad rows must stay below the 100 MB of metadata that Parquet reads.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from artifact.atomic import sync_folder
from artifact.errors import OutputError
from rows.pictures.written import thumbnails_file, write_thumbnails
from rows.vectors.named_images import THUMBNAILS
from rows.vectors.parts import write_part
from serving.jobs.part_scoring import ScoredPart

PART_METADATA = b"lookalike.part"
ANOTHER_FOLDER = "choose another with --output, or remove it"


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part file: the rows of the table from `first_row` on that it answers, and how many are in it and are not."""

    file: str
    first_row: int
    num_rows: int
    num_scored: int
    num_errors: int

    @property
    def number(self) -> int:
        return int(self.file.removeprefix("part-").removesuffix(".parquet"))

    @property
    def end_row(self) -> int:
        return self.first_row + self.num_rows


def part_name(number: int) -> str:
    """File name of a part by its number, from 0."""
    return f"part-{number:05d}.parquet"


def write_scored_part(folder: Path, scored: ScoredPart, job: Mapping[str, Any]) -> Part:
    """Write a part whole or not at all, over the one of its number where there is one; raises OutputError."""
    part = Part(
        file=part_name(scored.number),
        first_row=scored.first_row,
        num_rows=scored.num_rows,
        num_scored=scored.table.num_rows,
        num_errors=scored.num_errors,
    )
    facts = {**asdict(part), "job": dict(job), "errors": _to_text(scored.errors)}
    metadata = {**(scored.table.schema.metadata or {}), PART_METADATA: json.dumps(facts).encode()}
    if scored.thumbnails is not None:  # before the part, which is done with it
        write_thumbnails(folder / thumbnails_file(part.file), scored.thumbnails)
        sync_folder(folder)
    write_part(folder / part.file, scored.table.replace_schema_metadata(metadata))
    return part


def read_parts(folder: Path, job: Mapping[str, Any]) -> Iterator[Part]:
    """The parts that lie in a folder; raises OutputError where one is damaged or of another job.

    In a job with thumbnails a part without its own is none.
    """
    for path in folder.glob("part-*.parquet"):
        facts = _part_facts(path)
        match = re.fullmatch(r"part-(\d{5,})\.parquet", path.name)
        if match is None or facts["job"] != job or facts["first_row"] != int(match[1]) * job["rows_per_part"]:
            raise _foreign(path)
        if THUMBNAILS in job and not (folder / thumbnails_file(path.name)).is_file():
            continue
        yield Part(**{key: facts[key] for key in Part.__dataclass_fields__} | {"file": path.name})


def read_scored_part(folder: Path, part: Part) -> ScoredPart:
    """A part as it was when it was written, but for the images that were run; raises OutputError."""
    path = folder / part.file
    errors = read_errors(folder, part)
    table = _read_table(path)
    metadata = {key: value for key, value in (table.schema.metadata or {}).items() if key != PART_METADATA}
    beside = folder / thumbnails_file(part.file)
    return ScoredPart(
        number=part.number,
        first_row=part.first_row,
        num_rows=part.num_rows,
        table=table.replace_schema_metadata(metadata),
        errors=errors,
        num_errors=part.num_errors,
        num_images=0,
        thumbnails=_read_table(beside) if beside.is_file() else None,
    )


def read_errors(folder: Path, part: Part) -> pa.Table:
    """The bad images of a part, by row, as `errors_schema`."""
    return _from_text(_part_facts(folder / part.file)["errors"])


def read_ids(folder: Path, part: Part) -> list[str]:
    """The ids of all rows that a part answers, as text: the scored ones, then the bad ones; raises OutputError."""
    from pyarrow import parquet

    path = folder / part.file
    try:
        ids = parquet.read_table(path, columns=["id"], partitioning=None)["id"].to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path, error) from None
    if part.num_errors:
        bad = read_errors(folder, part)
        ids += dict(zip(bad["row"].to_pylist(), bad["id"].to_pylist(), strict=True)).values()
    return [str(value) for value in ids]


def _part_facts(path: Path) -> dict[str, Any]:
    """What a part says about itself; raises OutputError where it is not one."""
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as opened:
            metadata = opened.schema_arrow.metadata or {}
        facts: dict[str, Any] = json.loads(metadata.get(PART_METADATA, b"{}"))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _unreadable(path, error) from None
    if not {"job", "errors", *Part.__dataclass_fields__} <= set(facts):
        raise _foreign(path)
    return facts


def _read_table(path: Path) -> pa.Table:
    from pyarrow import parquet

    try:
        return parquet.read_table(path, partitioning=None)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> OutputError:
    return OutputError("part cannot be read", got=str(error)[:300], where=path, mend=ANOTHER_FOLDER)


def _foreign(path: Path) -> OutputError:
    return OutputError("part of another job", expected="one of this", where=path, mend=ANOTHER_FOLDER)


def _to_text(table: pa.Table) -> str:
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table.combine_chunks())
    return base64.b64encode(sink.getvalue()).decode()


def _from_text(text: str) -> pa.Table:
    with pa.ipc.open_stream(base64.b64decode(text)) as reader:
        return reader.read_all()
