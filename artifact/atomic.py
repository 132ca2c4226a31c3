"""Write a file whole or not at all: a temporary file beside it, flushed to disk, then renamed over it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from artifact.errors import OutputError


def write_atomically(path: Path, data: bytes) -> None:
    """Write `data` to `path`; a crash at any moment leaves the old file or the new one. Raises OutputError."""
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        if temporary is not None and os.path.exists(temporary):
            os.unlink(temporary)
        raise OutputError("cannot write the file", got=error.strerror or str(error), where=path) from None


def sync_folder(path: Path) -> None:
    """Flush a folder's entries to disk, so that a rename in it survives a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
