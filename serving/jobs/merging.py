"""The merge of a job's shards: a folder as one job would have written it, without running an image.

Parts are linked where the file system can, for they never change in place, and copied otherwise. The folder becomes a
finished job with its last step, so a killed merge leaves a folder that says it is not, and the same command ends it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyarrow import parquet

from artifact.atomic import staged_file, sync_folder
from artifact.errors import DataError, OutputError, UsageError
from artifact.locks import LOCK_FILE, FileLock
from rows.pictures.written import thumbnails_file
from rows.vectors.named_images import ID_COLUMN, READ_AS
from serving.jobs.arrays import require_format, write_arrays
from serving.jobs.claiming import open_job_folder
from serving.jobs.folder import JobFolder
from serving.jobs.identity import JobIdentity
from serving.jobs.job_manifest import COMPLETE, read_job_manifest
from serving.jobs.part_files import Part, read_parts
from serving.jobs.result import job_warnings, num_without_detections
from serving.jobs.shards import Shard


@dataclass(frozen=True, kw_only=True)
class MergeResult:
    """A merged job; figures as those of JobResult."""

    num_rows: int
    num_scored: int
    num_errors: int
    parts: tuple[str, ...]
    num_duplicate_ids: int
    num_without_detections: int | None = None
    arrays: tuple[str, ...]
    note: str | None
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class _HeldShard:
    """A shard's folder, locked: what its manifest and its parts say."""

    path: Path
    manifest: Mapping[str, Any]
    shard: Shard
    parts: list[Part]


def merge_shards(shards: Sequence[str | Path], output: str | Path, *, output_format: str = "parquet") -> MergeResult:
    """Put the output folders of all shards of one job together in `output`; the folders stay as they are.

    Args:
        shards: the folders, in any order.
        output: new, or that of an earlier merge of them: killed, or of before some of them were retried.
        output_format: as for score_table.

    Raises:
        UsageError: no folder.
        DataError: one is no shard, not complete, of another table, artifact or part size, there twice, or missing.
        OutputError: `output` holds something else, or cannot be written; a shard is in use, or damaged.
    """
    require_format(output_format)
    if not shards:
        raise UsageError("shards", expected="the output folder of each", got="none")
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(_open_shard(Path(path))) for path in shards]
        identity = _one_job(opened)
        folder = stack.enter_context(open_job_folder(Path(output), identity))
        was_complete = folder.state == COMPLETE and not any(
            folder.lacks(part) for shard in opened for part in shard.parts
        )
        if not was_complete:
            folder.reopen(_mended(opened) or identity.job["table"])
            folder.extra |= {key: opened[0].manifest[key] for key in ("passed_over",) if key in opened[0].manifest}
            for shard in opened:
                _take_over(shard, folder)
            folder.complete(int(opened[0].manifest["table_rows"]))
        arrays = write_arrays(folder, output_format)
        return MergeResult(
            num_rows=folder.num_rows,
            num_scored=folder.num_scored,
            num_errors=folder.num_errors,
            parts=tuple(part.file for part in folder.parts),
            num_duplicate_ids=folder.extra["num_duplicate_ids"],
            num_without_detections=num_without_detections(folder),
            arrays=arrays,
            note="the shards were merged already: nothing to do" if was_complete else None,
            warnings=job_warnings(folder),
        )


def _take_over(shard: _HeldShard, folder: JobFolder) -> None:
    """Link or copy the parts of a shard that the folder has not, or has as they were before a retry."""
    for part in shard.parts:
        if not folder.lacks(part):
            continue
        if folder.identity.thumbnails_px is not None:  # before the part, which is done with them
            _link(shard.path, folder.path, thumbnails_file(part.file))
            sync_folder(folder.path)
        _link(shard.path, folder.path, part.file)
        folder.adopt(part)
    sync_folder(folder.path)


def _link(source: Path, target: Path, file: str) -> None:
    try:
        os.link(source / file, target / file)
    except OSError:  # another file system, one without links, or a file that is replaced
        with staged_file(target / file) as staged:
            shutil.copyfile(source / file, staged)


@contextlib.contextmanager
def _open_shard(path: Path) -> Iterator[_HeldShard]:
    """A finished shard, held so that nobody changes it meanwhile."""
    try:
        manifest = read_job_manifest(path)
        shard = Shard.parse(str(manifest["shard"]))
    except (OutputError, UsageError, KeyError):
        raise DataError(
            "shard of a job",
            expected="an output folder of `lookalike score --shard I/N`",
            got="another" if path.is_dir() else "no folder",
            where=path,
            mend="merge the folders of shards only",
        ) from None
    if manifest["state"] != COMPLETE:
        raise DataError(
            f"shard {shard} is not complete",
            got=f"{manifest.get('num_rows', 0)} rows so far",
            where=path,
            mend="finish it with the command that began it",
        )
    with contextlib.ExitStack() as stack:
        if (path / LOCK_FILE).is_file():
            try:
                stack.enter_context(FileLock(path / LOCK_FILE, shared=True))
            except BlockingIOError:
                raise OutputError(f"shard {shard} is in use by another job", where=path, mend="wait for it") from None
            except OSError as error:
                raise OutputError(f"shard {shard} cannot be held", got=error.strerror, where=path) from None
        parts = list(read_parts(path, manifest["job"]))
        listed = {part["file"] for part in manifest["parts"]}
        if {part.file for part in parts} != listed:
            raise DataError(
                f"parts of shard {shard} are missing",
                expected=str(len(listed)),
                got=str(len(parts)),
                where=path,
                mend="score it again",
            )
        yield _HeldShard(path, manifest, shard, parts)


def _one_job(shards: Sequence[_HeldShard]) -> JobIdentity:
    """The identity of the whole job; raises DataError unless each of its shards is there once."""
    first = shards[0]
    facts = {key: first.manifest.get(key) for key in ("source", "streams", "lineage")}
    facts |= {key: first.manifest[key] for key in (ID_COLUMN, READ_AS) if key in first.manifest}
    identity = JobIdentity(job=first.manifest["job"], facts=facts, id_type=_id_type(shards))
    by_number: dict[int, Path] = {}
    for shard in shards:
        # what a retry knows of its own rows does not make another table theirs
        told = {key: value for key, value in shard.manifest.items() if key != "mended"}
        changed = identity.changed({**told, "shard": str(identity.shard)})
        if shard.shard.count != first.shard.count:
            changed["count"] = (f"one of {first.shard.count}", f"shard {shard.shard}")
        if changed:
            raise DataError(
                "shards of two jobs",
                expected=f"{', '.join(here for here, _ in changed.values())} as in {first.path}",
                got=", ".join(there for _, there in changed.values()),
                where=shard.path,
            )
        if shard.shard.number in by_number:
            where = f"{by_number[shard.shard.number]} and {shard.path}"
            raise DataError(f"shard {shard.shard} is given twice", where=where, mend="name each once")
        by_number[shard.shard.number] = shard.path
    count = first.shard.count
    missing = [str(Shard(number, count)) for number in range(1, count + 1) if number not in by_number]
    if missing:
        raise DataError(
            "shards are missing",
            expected=f"all {count}",
            got=f"none of {', '.join(missing)}",
            mend="score and name them too",
        )
    return identity


def _mended(shards: Sequence[_HeldShard]) -> str | None:
    """The fingerprint of the table as it is since images of it were mended, where all shards say the same."""
    told = {shard.manifest.get("mended") for shard in shards}
    return told.pop() if len(told) == 1 else None


def _id_type(shards: Sequence[_HeldShard]) -> Any:
    for shard in shards:
        for part in shard.parts:
            return parquet.read_schema(shard.path / part.file).field("id").type
    raise DataError("shards of a job", expected="at least one with a part", got="none")
