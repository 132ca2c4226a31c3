"""The claim of a job on its output folder: the lock, and the refusal of a folder that holds anything but this job."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from artifact.errors import OutputError
from artifact.listing import listed
from artifact.locks import LOCK_FILE, FileLock
from rows.vectors.parts import MANIFEST
from serving.jobs.folder import JobFolder
from serving.jobs.identity import JobIdentity
from serving.jobs.job_manifest import RUNNING, read_job_manifest
from serving.jobs.part_files import ANOTHER_FOLDER


@contextlib.contextmanager
def open_job_folder(path: Path, identity: JobIdentity, *, mended: bool = False) -> Iterator[JobFolder]:
    """Hold the output folder of a job, new or begun; the manifest is up to date when it is let go.

    Args:
        mended: a table that changed in place is let in; whoever asks for it compares the rows.

    Raises:
        OutputError: the folder holds something else (which is left untouched), is in use, or cannot be written.
    """
    _read_manifest(path, identity, mended)  # before anything is written there
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path / LOCK_FILE, create=True)
    except BlockingIOError:
        raise OutputError("output folder is in use by another job", where=path, mend="wait for it to end") from None
    except OSError as error:
        raise OutputError("output folder", got=error.strerror, where=path, mend=ANOTHER_FOLDER) from None
    with lock:
        manifest = _read_manifest(path, identity, mended)
        folder = JobFolder(path, identity.with_job(manifest["job"]) if manifest else identity)
        folder.resume(manifest)
        if folder.state == RUNNING:
            folder.write_manifest()
        try:
            yield folder
        except BaseException:
            if folder.state == RUNNING:
                with contextlib.suppress(OutputError):  # such as a full disk, which is what ended it
                    folder.write_manifest()
            raise


def _read_manifest(path: Path, identity: JobIdentity, mended: bool) -> dict[str, Any]:
    """The manifest of the job in the folder, empty where there is none yet; raises OutputError if it is not ours."""
    if not path.exists():
        return {}
    if not path.is_dir():
        raise OutputError("output", expected="a folder", got="a file", where=path, mend=ANOTHER_FOLDER)
    if not (path / MANIFEST).is_file():
        others = sorted(name for name in os.listdir(path) if name != LOCK_FILE and not name.startswith(f".{MANIFEST}."))
        if others:
            raise OutputError(
                "output folder",
                expected="an empty one or that of this job",
                got=f"{listed([repr(name) for name in others], limit=1)} in it",
                where=path,
                mend=ANOTHER_FOLDER,
            )
        return {}
    content = read_job_manifest(path)
    changed = identity.changed(content, mended=mended)
    if changed and not content.get("parts") and content["state"] == RUNNING and not any(path.glob("part-*.parquet")):
        return {}  # it failed before its first part, for example at a broken table that was mended since
    if changed:
        raise OutputError(
            "output folder belongs to another job",
            expected=", ".join(here for here, _ in changed.values()),
            got=", ".join(there for _, there in changed.values()),
            where=path,
            mend=ANOTHER_FOLDER,
        )
    return content
