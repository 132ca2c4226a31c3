"""The output folder of a scoring job: its manifest, its parts, its lock, and what a killed job left behind.

Every part says itself which rows of the table it answers and which of them were bad, in its own schema metadata. So a
kill between a part and the manifest loses nothing: the parts alone tell where to go on. Bad rows are kept there as an
Arrow stream, for ids have the table's type.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from artifact.atomic import sync_folder, write_atomically
from artifact.errors import OutputError
from rows.vectors import MANIFEST, write_part

FORMAT = "lookalike-scores/1"
LOCK_FILE = ".lookalike.lock"
ERRORS_FILE = "errors.parquet"
PART_METADATA = b"lookalike.part"
RUNNING, COMPLETE = "running", "complete"
_ANOTHER_FOLDER = "choose another with --output, or remove it"


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part file: the rows of the table from `first_row` on that it answers, and how many are in it and are not."""

    file: str
    first_row: int
    num_rows: int
    num_scored: int
    num_errors: int

    @property
    def end_row(self) -> int:
        return self.first_row + self.num_rows


def errors_schema(id_type: pa.DataType) -> pa.Schema:
    """One line for each bad image: the row's id, the stream, the reason."""
    return pa.schema({"id": id_type, "stream": pa.string(), "reason": pa.string()})


class JobFolder:
    """The output of one job; construct it with `open_job_folder`.

    Attributes:
        path: the folder.
        parts: finished parts, in table order.
        state: `running` or `complete`.
    """

    def __init__(self, path: Path, job: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
        self.path, self.parts, self.state = path, [], RUNNING  # type: tuple[Path, list[Part], str]
        self._job, self._facts = dict(job), dict(facts)

    @property
    def next_row(self) -> int:
        """First row of the table that no part answers."""
        return self.parts[-1].end_row if self.parts else 0

    def add_part(self, table: pa.Table, *, num_rows: int, errors: pa.Table, num_errors: int) -> Part:
        """Write the next part, then the manifest.

        Args:
            table: the scored rows, with the lineage in the schema metadata.
            num_rows: rows of the input table that it answers.
            errors: the bad images among those, as `errors_schema`.
            num_errors: rows that have bad images.
        """
        name = f"part-{len(self.parts):05d}.parquet"
        part = Part(
            file=name,
            first_row=self.next_row,
            num_rows=num_rows,
            num_scored=table.num_rows,
            num_errors=num_errors,
        )
        facts = {**asdict(part), "job": self._job, "errors": _to_text(errors)}
        metadata = {**(table.schema.metadata or {}), PART_METADATA: json.dumps(facts).encode()}
        write_part(self.path / name, table.replace_schema_metadata(metadata))
        sync_folder(self.path)
        self.parts.append(part)
        self.write_manifest()
        return part

    def complete(self, id_type: pa.DataType) -> None:
        """Write errors.parquet from what the parts say, then the manifest's last state."""
        schema = errors_schema(id_type)
        found = [_from_text(_part_facts(self.path / part.file)["errors"]) for part in self.parts if part.num_errors]
        write_part(self.path / ERRORS_FILE, pa.concat_tables([schema.empty_table(), *found]))
        self.state = COMPLETE
        self.write_manifest()

    def write_manifest(self) -> None:
        """manifest.json as things stand now."""
        content = {
            "format": FORMAT,
            "state": self.state,
            "job": self._job,
            **self._facts,
            "num_rows": sum(part.num_rows for part in self.parts),
            "num_scored": sum(part.num_scored for part in self.parts),
            "num_errors": sum(part.num_errors for part in self.parts),
            "parts": [asdict(part) for part in self.parts],
        }
        write_atomically(self.path / MANIFEST, (json.dumps(content, indent=1) + "\n").encode())

    def resume(self, manifest: Mapping[str, Any]) -> None:
        """Take over what an earlier process finished, and remove what it was writing when it ended."""
        for pattern in (".part-*.tmp", f".{ERRORS_FILE}.*.tmp", f".{MANIFEST}.*"):
            for leftover in self.path.glob(pattern):
                leftover.unlink(missing_ok=True)
        for path in sorted(self.path.glob("part-*.parquet")):
            facts = _part_facts(path)
            if facts.get("job") != self._job or facts["first_row"] != self.next_row:
                raise OutputError(
                    "part of another job",
                    expected=f"row {self.next_row} of this one",
                    got=f"row {facts['first_row']} of another" if "first_row" in facts else "no such part",
                    where=path,
                    mend=_ANOTHER_FOLDER,
                )
            self.parts.append(Part(**{key: facts[key] for key in Part.__dataclass_fields__}))
        listed = manifest.get("parts", [])
        there = [asdict(part) for part in self.parts]
        self.state = manifest.get("state", RUNNING)
        if listed != (there if self.state == COMPLETE else there[: len(listed)]):
            raise OutputError(
                "parts are missing",
                expected=f"the {len(listed)} that {MANIFEST} lists",
                got=str(len(there)),
                where=self.path,
                mend=_ANOTHER_FOLDER,
            )


@contextlib.contextmanager
def open_job_folder(path: Path, job: Mapping[str, Any], facts: Mapping[str, Any]) -> Iterator[JobFolder]:
    """Hold the output folder of a job, new or begun.

    Args:
        job: what makes two jobs the same one: only then does one go on where the other ended.
        facts: what else the manifest shall say.

    Raises:
        OutputError: the folder holds something else (which is left untouched), is in use, or cannot be written.
    """
    _read_manifest(path, job)  # before anything is written there
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = (path / LOCK_FILE).open("a")
    except OSError as error:
        raise OutputError("output folder", got=error.strerror, where=path, mend=_ANOTHER_FOLDER) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise OutputError("output folder is in use by another job", where=path, mend="wait for it to end") from None
        folder = JobFolder(path, job, facts)
        folder.resume(_read_manifest(path, job))
        if folder.state == RUNNING:
            folder.write_manifest()
        yield folder


def _read_manifest(path: Path, job: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest of the job in the folder, empty where there is none yet; raises OutputError if it is not ours."""
    if not path.exists():
        return {}
    if not path.is_dir():
        raise OutputError("output", expected="a folder", got="a file", where=path, mend=_ANOTHER_FOLDER)
    if not (path / MANIFEST).is_file():
        others = sorted(name for name in os.listdir(path) if name != LOCK_FILE and not name.startswith(f".{MANIFEST}."))
        if others:
            raise OutputError(
                "output folder",
                expected="an empty one or that of this job",
                got=f"{others[0]!r} in it" + (f" and {len(others) - 1} more" if len(others) > 1 else ""),
                where=path,
                mend=_ANOTHER_FOLDER,
            )
        return {}
    content: dict[str, Any] = {}
    try:
        content = json.loads((path / MANIFEST).read_bytes())
        theirs = dict(content["job"])
        ours = content["format"] == FORMAT and content["state"] in (RUNNING, COMPLETE)
    except (ValueError, KeyError, TypeError, OSError):
        ours, theirs = False, {}
    if not ours:
        raise OutputError(
            "output folder", expected=f"a {MANIFEST} of {FORMAT}", got="another", where=path, mend=_ANOTHER_FOLDER
        )
    changed = [key for key in job if theirs.get(key) != job[key]]
    if changed and not content.get("parts") and content["state"] == RUNNING and not any(path.glob("part-*.parquet")):
        return {}  # it failed before its first part, for example at a broken table that was mended since
    if changed:
        raise OutputError(
            "output folder belongs to another job",
            expected=", ".join(f"{key} {_shown(job[key])}" for key in changed),
            got=", ".join(f"{key} {_shown(theirs.get(key))}" for key in changed),
            where=path,
            mend=_ANOTHER_FOLDER,
        )
    return content


def _shown(value: object) -> str:
    return value[:12] if isinstance(value, str) else json.dumps(value)


def _part_facts(path: Path) -> dict[str, Any]:
    """What a part says about itself; raises OutputError where it is not one."""
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as opened:
            metadata = opened.schema_arrow.metadata or {}
        facts: dict[str, Any] = json.loads(metadata.get(PART_METADATA, b"{}"))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise OutputError("part cannot be read", got=str(error)[:300], where=path, mend=_ANOTHER_FOLDER) from None
    if not {"job", "errors", *Part.__dataclass_fields__} <= set(facts):
        raise OutputError("part of another job", expected="one of this", where=path, mend=_ANOTHER_FOLDER)
    return facts


def _to_text(table: pa.Table) -> str:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return base64.b64encode(sink.getvalue()).decode()


def _from_text(text: str) -> pa.Table:
    with pa.ipc.open_stream(base64.b64decode(text)) as reader:
        return reader.read_all()
