"""The folder that the demo writes: new, empty, or one that an earlier demo left; never two demos at once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from artifact.errors import LookalikeError, OutputError
from artifact.locks import FileLock

MARK = ".lookalike-demo"


@contextmanager
def claimed(output: Path) -> Iterator[None]:
    """Take a new or empty folder, or replace what an earlier demo left there.

    Raises:
        OutputError: the folder holds something else or cannot be written.
        LookalikeError: another demo is running in it.
    """
    mark = output / MARK
    if output.exists() and not output.is_dir():
        raise OutputError("demo output", expected="a folder", got="a file", where=output, mend="name another --output")
    if output.is_dir() and any(output.iterdir()) and not mark.exists():
        raise OutputError(
            "demo output",
            expected="a new or empty folder",
            got="other files",
            where=output,
            mend="name another --output",
        )
    try:
        output.mkdir(parents=True, exist_ok=True)
        lock = FileLock(mark, create=True)
    except BlockingIOError:
        raise LookalikeError(
            "another demo is running in this folder", where=output, mend="wait for it, or name another --output"
        ) from None
    except OSError as error:
        raise OutputError("demo output cannot be written", got=error.strerror, where=output) from None
    with lock:
        for left in output.iterdir():
            if left.name == MARK:
                continue
            if left.is_dir():
                shutil.rmtree(left)
            else:
                left.unlink()
        yield
