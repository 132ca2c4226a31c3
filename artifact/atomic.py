"""Files written whole or not at all: a temporary file beside the target, flushed to disk, then renamed over it."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from artifact.errors import OutputError


def require_plain(path: Path) -> None:
    """Raise OutputError unless a file can stand there: for those who find out after long work else."""
    target = Path(os.path.realpath(path))
    if os.path.lexists(target) and not target.is_file():
        found = "a folder" if target.is_dir() else "a device, pipe or socket"
        raise OutputError("output", expected="a plain file or nothing yet", got=found, where=path)


@contextlib.contextmanager
def staged_file(path: Path) -> Iterator[Path]:
    """Yield an empty file beside `path` to write to; it takes the place of `path` where the block ends well.

    Folders above are made. Links are followed. A crash at any moment leaves the old file or the new one.

    Raises:
        OutputError: `path` is no plain file (renamed over /dev/null, the device would be gone), or cannot be written.
    """
    target = Path(os.path.realpath(path))
    temporary = None
    try:
        require_plain(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".tmp")
        os.close(handle)
        temporary = Path(name)
        yield temporary
        with temporary.open("rb") as file:
            os.fchmod(file.fileno(), 0o644)
            os.fsync(file.fileno())
        os.replace(temporary, target)
        temporary = None
    except OSError as error:
        raise OutputError("cannot write the file", got=error.strerror or str(error), where=path) from None
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_atomically(path: Path, data: bytes) -> None:
    """Write `data` to `path`; a crash at any moment leaves the old file or the new one. Raises OutputError."""
    with staged_file(path) as staged:
        staged.write_bytes(data)


def sync_folder(path: Path) -> None:
    """Flush a folder's entries to disk, so that a rename in it survives a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
