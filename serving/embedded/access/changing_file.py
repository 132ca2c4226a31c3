"""A file that may be changed while the server runs: read again when it does, and kept as it was where it is broken."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from artifact.errors import LookalikeError

T = TypeVar("T")

_LOOK_EVERY_S = 1.0


class ChangingFiles(Generic[T]):
    """What files say, as long as they say something.

    Args:
        paths: the files.
        read: reads them; raises LookalikeError where they are wrong.
        report: gets a line when they were read again, and one when they are wrong.
        what: they are, for those lines.

    Raises:
        LookalikeError: as `read`, the first time.
    """

    def __init__(
        self, paths: tuple[Path, ...], read: Callable[[], T], report: Callable[[str], None], *, what: str
    ) -> None:
        self._paths, self._read, self._report, self._what = paths, read, report, what
        self._changed = threading.Lock()
        self._stamp, self._value = self._stamps(), read()
        self._looked = time.monotonic()

    @property
    def value(self) -> T:
        """What the files said last; looks at most once a second whether they have changed."""
        with self._changed:
            now = time.monotonic()
            if now - self._looked < _LOOK_EVERY_S:
                return self._value
            self._looked = now
            stamp = self._stamps()
            if stamp != self._stamp:
                self._stamp = stamp
                try:
                    self._value = self._read()
                    self._report(f"{self._what}: read again")
                except LookalikeError as error:
                    self._report(f"{self._what}: what was read before stays: {error}")
            return self._value

    def _stamps(self) -> tuple[object, ...]:
        return tuple(_stamp(path) for path in self._paths)


def _stamp(path: Path) -> object:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
