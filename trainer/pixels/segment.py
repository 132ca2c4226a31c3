"""One file of decoded pixels on disk, and beside it the content hashes of its rows.

    NAME.pixels   uint8 rows of [height, width, 3], one after the other, nothing else
    NAME.index    32 bytes a row: SHA-256 of the encoded file that the row was decoded from

Decisions a reader would question:
- A row is trusted only when its hash stands in the index, and the hash is written after the pixels are on disk. So a
  kill, a full disk or a power cut leaves rows that nobody looks for, never a wrong one.
- Only the process that made a file appends to it, and only while it runs, so nothing has to be locked. Anybody reads
  meanwhile, for what is in the index does not change. Removing a file leaves those who have mapped it undisturbed.
"""

from __future__ import annotations

import math
import mmap
import os
import uuid
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from artifact.images.decoding import Pixels

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
        self._pixels: Pixels = np.empty((0, *shape), np.uint8)
        hashes = path.with_suffix(INDEX).read_bytes()
        size = os.stat(path.with_suffix(PIXELS)).st_size
        # half a hash, or one without its pixels, is not there
        num_rows = min(len(hashes) // DIGEST_BYTES, size // self.row_bytes)
        self.digests = [hashes[row * DIGEST_BYTES : (row + 1) * DIGEST_BYTES] for row in range(num_rows)]

    @classmethod
    def create(cls, folder: Path, shape: tuple[int, int, int]) -> PixelSegment:
        """An empty file under a name of its own, for this process to append to."""
        path = folder / uuid.uuid4().hex
        for suffix in (PIXELS, INDEX):
            os.close(os.open(path.with_suffix(suffix), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        return cls(path, shape)

    @property
    def row_bytes(self) -> int:
        """Bytes of the pixels of an image."""
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

    def append(self, digests: Sequence[bytes], pixels: Pixels) -> None:
        """Add rows: uint8 [n, height, width, 3]; on disk when this returns.

        Raises:
            FileNotFoundError: the file has been removed.
        """
        _write(self.path.with_suffix(PIXELS), np.ascontiguousarray(pixels).tobytes(), len(self) * self.row_bytes)
        _write(self.path.with_suffix(INDEX), b"".join(digests), len(self) * DIGEST_BYTES)
        self.digests += digests

    def touch(self) -> None:
        """Say that the rows are used now."""
        os.utime(self.path.with_suffix(INDEX))


def _write(path: Path, data: bytes, offset: int) -> None:
    """Write all of it into a file that is there, and to the disk."""
    with open(path, "r+b", buffering=0) as file:
        view = memoryview(data)
        while view:
            written = os.pwrite(file.fileno(), view, offset)
            view, offset = view[written:], offset + written
        _sync(file.fileno())
