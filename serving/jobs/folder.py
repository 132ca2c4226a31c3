"""The output folder of a scoring job: its parts, its manifest, and what a killed job left behind.

The parts are the truth: each says itself which rows of the table it answers (part_files.py), so they may come
in any order, and the manifest only has to be right at the end. It is written a few times a minute meanwhile, for who
looks; with every part, a job of many parts would write little else.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa

from artifact.atomic import staged_file, sync_folder, write_atomically
from artifact.errors import DataError, OutputError
from rows.vectors.parts import MANIFEST
from serving.jobs.array_files import NPZ_FILE, array_file, has_array_file
from serving.jobs.duplicate_ids import duplicate_ids
from serving.jobs.identity import JobIdentity
from serving.jobs.job_manifest import COMPLETE, FORMAT, RUNNING
from serving.jobs.part_files import ANOTHER_FOLDER, Part, read_errors, read_ids, read_parts, write_scored_part
from serving.jobs.part_scoring import ScoredPart, errors_schema

ERRORS_FILE = "errors.parquet"
EXTRAS = ("table_rows", "num_duplicate_ids", "duplicate_id", "mended", "arrays", "passed_over")
MANIFEST_EVERY_S = 10.0
_MAX_REASONS = 1000
_LEFTOVERS = (
    ".part-*.tmp",
    ".thumbnails-*.tmp",
    f".{ERRORS_FILE}.*.tmp",
    f".{MANIFEST}.*",
    ".*.npy.*.tmp",
    ".*.npz.*.tmp",
)


class JobFolder:
    """The output of one job; construct it with `open_job_folder` (claiming.py).

    Attributes:
        path: the folder.
        identity: of the job.
        state: `running` or `complete`.
        extra: what else the manifest says, by the names in EXTRAS.
    """

    def __init__(self, path: Path, identity: JobIdentity) -> None:
        self.path, self.identity, self.state = path, identity, RUNNING
        self.extra: dict[str, Any] = {}
        self.num_rows = self.num_scored = self.num_errors = 0
        self._parts: dict[int, Part] = {}
        self._written_s = 0.0

    @property
    def parts(self) -> list[Part]:
        """Finished parts, in table order."""
        return [part for _, part in sorted(self._parts.items())]

    def __contains__(self, number: int) -> bool:
        """Whether the part of this number is finished."""
        return number in self._parts

    def wants(self, number: int) -> bool:
        """Whether the part of this number is the job's and missing."""
        return self.identity.shard.has(number) and number not in self._parts

    def lacks(self, part: Part) -> bool:
        """Whether that part is missing here, or was taken over before a retry gave it more rows."""
        have = self._parts.get(part.number)
        return have is None or have.num_scored < part.num_scored

    @property
    def first_missing(self) -> int:
        """Lowest number of a part that the job may still need."""
        shard, number = self.identity.shard, self.identity.shard.number - 1
        while number in self._parts:
            number += shard.count
        return number

    @property
    def table_rows(self) -> int:
        """Rows of the whole table, of a job that is complete."""
        return int(self.extra.get("table_rows", self.num_rows))

    def missing(self, table_rows: int) -> list[int]:
        """Numbers of the parts that a table of so many rows still needs, rising."""
        return [number for number in range(-(-table_rows // self.identity.rows_per_part)) if self.wants(number)]

    def add_part(self, scored: ScoredPart) -> Part:
        """Write a part, of any number, whole or not at all; one of that number that is there is replaced.

        Raises:
            OutputError: it cannot be written, or is no part of this job's shard.
        """
        if not self.identity.shard.has(scored.number) or not scored.num_rows:
            raise OutputError("part of another shard", got=f"part {scored.number}", where=self.path)
        self.adopt(write_scored_part(self.path, scored, self.identity.job))
        sync_folder(self.path)
        if time.monotonic() - self._written_s > MANIFEST_EVERY_S:
            self.write_manifest()
        return self._parts[scored.number]

    def adopt(self, part: Part) -> None:
        """Take over a part file that lies in the folder."""
        old = self._parts.get(part.number)
        self._parts[part.number] = part
        self.num_rows += part.num_rows - (old.num_rows if old else 0)
        self.num_scored += part.num_scored - (old.num_scored if old else 0)
        self.num_errors += part.num_errors - (old.num_errors if old else 0)

    def reopen(self, table: str) -> None:
        """The job goes on though it was complete: parts will change, by a table of this fingerprint."""
        self.state = RUNNING
        self.extra.pop("arrays", None)
        columns = [str(column).partition(": ")[0] for column in self.identity.job["columns"]]
        for file in (NPZ_FILE, *map(array_file, filter(has_array_file, columns))):  # of the parts as they were
            (self.path / file).unlink(missing_ok=True)
        if table != self.identity.job["table"]:
            self.extra["mended"] = table
        self.write_manifest()

    def complete(self, table_rows: int) -> None:
        """Write errors.parquet from what the parts say, then the manifest's last state.

        Args:
            table_rows: rows of the whole table; those of the job's shard must all be answered.

        Raises:
            DataError: they are not: the table had other rows when it was read.
        """
        answered = self.identity.shard.num_rows(table_rows, self.identity.rows_per_part)
        if self.num_rows != answered or self.missing(table_rows):
            raise DataError(
                "table that was read",
                expected=f"{answered} rows",
                got=f"{self.num_rows}",
                where=self.identity.facts.get("source"),
                mend="it changed meanwhile: start again",
            )
        self._write_errors()
        parts = self.parts
        num_ids = self.num_scored + self.num_errors  # of detections there are several a row of the table
        num_duplicates, example = duplicate_ids(lambda: (read_ids(self.path, part) for part in parts), num_ids)
        self.extra |= {"num_duplicate_ids": num_duplicates, "duplicate_id": example}
        self.state = COMPLETE
        if not self.identity.shard.is_whole:
            self.extra["table_rows"] = table_rows
        self.write_manifest()

    def commonest_reason(self) -> tuple[str, int]:
        """Why most images are bad, up to the name of a file in it, and how many are for that; ("", 0) without any."""
        reasons: Counter[str] = Counter()
        for table in self._errors():
            for reason in table["reason"].to_pylist():
                kind = str(reason).partition(": ")[0]
                reasons[kind if kind in reasons or len(reasons) < _MAX_REASONS else "others"] += 1
        return reasons.most_common(1)[0] if reasons else ("", 0)

    def write_manifest(self) -> None:
        """manifest.json as things stand now."""
        content = {
            "format": FORMAT,
            "state": self.state,
            "job": dict(self.identity.job),
            **({} if self.identity.shard.is_whole else {"shard": str(self.identity.shard)}),
            **self.identity.facts,
            "num_rows": self.num_rows,
            "num_scored": self.num_scored,
            "num_errors": self.num_errors,
            **self.extra,
            "parts": [asdict(part) for part in self.parts],
        }
        write_atomically(self.path / MANIFEST, (json.dumps(content, indent=1) + "\n").encode())
        self._written_s = time.monotonic()

    def resume(self, manifest: Mapping[str, Any]) -> None:
        """Take over what an earlier process finished, and remove what it was writing when it ended."""
        for pattern in _LEFTOVERS:
            for leftover in self.path.glob(pattern):
                leftover.unlink(missing_ok=True)
        for part in read_parts(self.path, self.identity.job):
            self.adopt(part)
        self.state = manifest.get("state", RUNNING)
        self.extra = {key: manifest[key] for key in EXTRAS if key in manifest}
        listed = {part["file"] for part in manifest.get("parts", [])}
        there = {part.file for part in self.parts}
        if not listed <= there or (self.state == COMPLETE and listed != there):
            raise OutputError(
                "parts are missing",
                expected=f"the {len(listed)} that {MANIFEST} lists",
                got=str(len(there)),
                where=self.path,
                mend=ANOTHER_FOLDER,
            )

    def _errors(self) -> Iterator[pa.Table]:
        for part in self.parts:
            if part.num_errors:
                yield read_errors(self.path, part)

    def _write_errors(self) -> None:
        """errors.parquet, a part's bad images in memory at a time."""
        from pyarrow import parquet

        schema = errors_schema(self.identity.id_type).remove(0)
        with (
            staged_file(self.path / ERRORS_FILE) as staged,
            parquet.ParquetWriter(staged, schema, compression="zstd") as writer,
        ):
            for table in self._errors():
                writer.write_table(table.drop_columns(["row"]))
        sync_folder(self.path)
