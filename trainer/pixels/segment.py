"""One file of decoded pixels on disk, and beside it the content hashes of its rows.

    NAME.pixels   uint8 rows of [height, width, 3], one after the other, nothing else
    NAME.index    32 bytes a row: SHA-256 of the encoded file that the row was decoded from

Decisions a reader would question:
- A row is trusted only when its hash stands in the index, and the hash is written after the pixels are on disk. So a
  kill, a full disk or a power cut leaves rows that nobody looks for, never a wrong one.
- One process at a time appends, under a lock that the system drops with the process; anybody reads meanwhile, for what
  is in the index does not change. Removing a file leaves those who have mapped it undisturbed.
"""

from __future__ import annotations

import math
import mmap
import os
import uuid
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from artifact.locks import FileLock
from artifact.preprocessing import Pixels

DIGEST_BYTES = 32
PIXELS, INDEX = ".pixels", ".index"

_sync = getattr(os, "fdatasync", os.fsync)  # macOS has no fdatasync


class PixelSegment:
    """Rows of pixels in one file; all of it may raise OSError, and then nothing that stood there before is lost.

    Attributes:
        path: without the suffixes.
        digests: SHA-256 of each row's encoded file.
    """

    def __init__(self, path: Path, shape: tuple[int, int, int]) -> None:
        """Find the rows that are there; FileNotFoundError where another process has just removed them."""
        self.path, self.shape = path, shape
        self.digests: list[bytes] = []
        self._pixels: Pixels = np.empty((0, *shape), np.uint8)
        self._writer: FileLock | None = None
        self._reload()

    @classmethod
    def create(cls, folder: Path, shape: tuple[int, int, int]) -> PixelSegment:
        """An empty file under a name of its own, locked for writing."""
        while True:
            path = folder / uuid.uuid4().hex
            for suffix in (PIXELS, INDEX):
                os.close(os.open(path.with_suffix(suffix), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            segment = cls(path, shape)
            if segment.lock():  # else another process has found it in this moment, and has it
                return segment

    @property
    def row_bytes(self) -> int:
        return math.prod(self.shape)

    def __len__(self) -> int:
        return len(self.digests)

    @property
    def pixels(self) -> Pixels:
        """uint8 [rows, height, width, 3], mapped from disk and read-only; asked for once, they outlive the file."""
        if len(self._pixels) != len(self):
            with open(self.path.with_suffix(PIXELS), "rb") as file:
                mapped = mmap.mmap(file.fileno(), len(self) * self.row_bytes, access=mmap.ACCESS_READ)
            self._pixels = np.frombuffer(mapped, np.uint8).reshape(len(self), *self.shape)
        return self._pixels

    def lock(self) -> bool:
        """Become the one process that appends; False where another one is, or the file has been removed."""
        if self._writer is not None:
            return True
        try:
            writer = FileLock(self.path.with_suffix(INDEX))
        except OSError:
            return False
        try:
            if os.fstat(writer.handle).st_nlink == 0:
                raise FileNotFoundError(self.path)
            self._reload()  # another process may have appended between our reading and our lock
        except OSError:
            writer.close()
            return False
        self._writer = writer
        return True

    def append(self, digests: Sequence[bytes], pixels: Pixels) -> None:
        """Add rows: uint8 [n, height, width, 3]; on disk when this returns. Only after `lock`."""
        if self._writer is None:
            raise ValueError("append: expected a locked segment")
        with open(self.path.with_suffix(PIXELS), "r+b", buffering=0) as file:
            _write_all(file.fileno(), np.ascontiguousarray(pixels).tobytes(), len(self) * self.row_bytes)
            _sync(file.fileno())
        _write_all(self._writer.handle, b"".join(digests), len(self) * DIGEST_BYTES)
        _sync(self._writer.handle)
        self._reload()

    def touch(self) -> None:
        """Say that the rows are used now."""
        os.utime(self.path.with_suffix(INDEX))

    def close(self) -> None:
        """Let others append; the pixels stay mapped."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _reload(self) -> None:
        """Read the index; half a hash, or one without its pixels, is not there."""
        hashes = self.path.with_suffix(INDEX).read_bytes()
        size = os.stat(self.path.with_suffix(PIXELS)).st_size
        ends = range(DIGEST_BYTES, min(len(hashes), size // self.row_bytes * DIGEST_BYTES) + 1, DIGEST_BYTES)
        self.digests = [hashes[end - DIGEST_BYTES : end] for end in ends]


def _write_all(handle: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(handle, view, offset)
        view, offset = view[written:], offset + written
