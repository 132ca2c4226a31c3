"""Content hashes of a folder's files as they were read last, so that a second run need not read them.

Decision a reader would question: a file counts as unchanged when size, time of change, time of status change and inode
are the same, and when it had been left alone for two seconds as it was read. Within the same tick of the clock a file
can change and keep all four; the time of status change cannot be set back by tools that restore the other one.
"""

from __future__ import annotations

import contextlib
import io
import os
import time
import zipfile
from pathlib import Path

import numpy as np

from artifact.atomic import write_atomically
from artifact.errors import OutputError

_QUIET_NS = 2_000_000_000

Facts = tuple[int, int, int, int]
"""Size in bytes, times of change and of status change in ns, inode."""


def file_facts(path: str) -> Facts:
    """Facts by which a changed file is told from an unchanged one; OSError where it is not there."""
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


class FileHashes:
    """{path: facts and SHA-256}; a file of it that is missing or damaged is an empty one."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._known: dict[str, tuple[Facts, bytes]] = {}
        self._seen: dict[str, tuple[Facts, bytes]] = {}
        self._changed = False
        with contextlib.suppress(OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            self._load()

    def digests(self) -> list[bytes]:
        """The SHA-256 of every file known."""
        return [digest for _, digest in self._known.values()]

    def find(self, path: str) -> tuple[Facts | None, bytes | None]:
        """Facts of the file now, and its SHA-256 where they are those of its last reading."""
        try:
            facts = file_facts(path)
        except (OSError, ValueError):
            return None, None
        known = self._known.get(path)
        if known is None or known[0] != facts:
            return facts, None
        self._seen[path] = known
        return facts, known[1]

    def record(self, path: str, facts: Facts, digest: bytes) -> None:
        """Remember a file that had `facts` before it was read."""
        if time.time_ns() - max(facts[1], facts[2]) > _QUIET_NS:
            self._seen[path] = facts, digest
            self._changed = True

    def save(self) -> None:
        """Write what was seen since it was opened; a disk that does not take it is passed over."""
        if not self._changed and len(self._seen) == len(self._known):
            with contextlib.suppress(OSError):
                os.utime(self._file)
            return
        names = np.frombuffer(b"\0".join(os.fsencode(path) for path in self._seen), np.uint8)
        facts = np.array([facts for facts, _ in self._seen.values()], np.uint64).reshape(-1, 4)
        digests = np.frombuffer(b"".join(digest for _, digest in self._seen.values()), np.uint8).reshape(-1, 32)
        buffer = io.BytesIO()
        np.savez(buffer, names=names, facts=facts, digests=digests)
        with contextlib.suppress(OutputError):
            write_atomically(self._file, buffer.getvalue())
            self._changed = False

    def _load(self) -> None:
        # numpy leaves a damaged file open that it has opened itself
        with open(self._file, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            names = arrays["names"].tobytes().split(b"\0")
            facts = [tuple(int(value) for value in row) for row in arrays["facts"].tolist()]
            digests = [row.tobytes() for row in arrays["digests"]]
        for name, fact, digest in zip(names, facts, digests, strict=True):
            size, mtime, ctime, inode = fact
            self._known[os.fsdecode(name)] = (size, mtime, ctime, inode), digest
