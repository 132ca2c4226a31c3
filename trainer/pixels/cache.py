"""Decoded pixels kept on disk between runs: a file is decoded once for each size it is wanted in (docs/decisions/0012).

    FOLDER/KEY/*.pixels, *.index   rows of one preprocessing, see trainer/pixels/segment.py
    FOLDER/files/*.npz             which content the files of a folder had, see trainer/pixels/file_hashes.py

Decisions a reader would question:
- KEY is a hash of all that decides a pixel: size, fit, method, and the versions of the libraries that decode. Rows are
  found by the hash of the encoded file, so renaming, copying and splitting a data set decode nothing again.
- What is oldest in use goes first when there is no room, a whole file of rows at a time, so images that are used
  together are written together; what the present run uses never goes, so a data set larger than the bound keeps its
  first part on disk instead of chasing its own tail.
- Two trainings on the same images at once: the second one waits, as long as the first one moves, and then finds
  everything decoded. Nothing depends on that: without the lock both decode, and both are right.
- A cache that cannot be read or written is no reason to stop a training: one warning, and it goes on without.
"""

from __future__ import annotations

import hashlib
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from artifact.images.decoding import Pixels
from artifact.images.preprocessing import Preprocessing
from artifact.locks import keep_alive, patient_lock
from trainer.pixels.cache_key import cache_key
from trainer.pixels.segment import INDEX, PIXELS, PixelSegment

T = TypeVar("T")

Place = tuple[int, int]
"""(segment, row of it)."""

FILES = "files"
_SEGMENT_BYTES = 256 * 2**20
_MAX_REMOVALS = 10  # of files being written: somebody else fills the cache faster, so let them
_ORPHAN_S = 3600.0
_TAG = b"Signature: 8a477f597d28d172789f06886806bc55\n# Decoded images of Lookalike; may be deleted at any time.\n"
"""bford.info/cachedir: backups pass this folder over."""


class PixelCache:
    """The rows of one preprocessing.

    Args:
        folder: of the whole cache; made when the first row is written.
        preprocessing: decides KEY and the size of a row.
        max_bytes: of the whole folder, all preprocessings together.
        warn: called with one line, once when the cache cannot be used, and once when another process is waited for.
    """

    def __init__(
        self, folder: Path, preprocessing: Preprocessing, *, max_bytes: int, warn: Callable[[str], None]
    ) -> None:
        self.folder = folder
        self.shape = (preprocessing.height, preprocessing.width, 3)
        self.max_bytes = max_bytes
        self._own = folder / cache_key(preprocessing)
        self._warn = warn
        self._broken = False
        self._removals = 0
        self._segments: list[PixelSegment | None] = []
        self._mapped: dict[int, Pixels] = {}
        self._places: dict[bytes, Place] = {}
        self._used: set[Path] = set()  # of every reading: a run has held-out images to read too
        self._writing: int | None = None
        self._lock = threading.Lock()
        self._lock_file: Path | None = None
        row_bytes = math.prod(self.shape)
        # a few dozen files at most, so that all of them can be mapped at once, and small ones in a small cache
        self._segment_rows = max(1, min(max(_SEGMENT_BYTES, max_bytes // 64), max_bytes // 4) // row_bytes)

    @contextmanager
    def filling(self, what: str) -> Iterator[None]:
        """While images of `what` (any name for the set) are read: others that read the same set wait meanwhile."""
        name = hashlib.sha256(what.encode(errors="surrogateescape")).hexdigest()[:16]
        self._guarded(self._make_folder)
        self._lock_file = self._own / f"{name}.lock"
        with patient_lock(self._lock_file, say_waiting=self._say_waiting):
            self._guarded(self._open)
            yield

    def find(self, digest: bytes) -> Place | None:
        """Where the pixels of a content are; from now on they stay there for this run."""
        with self._lock:
            place = self._places.get(digest)
            return place if place is not None and self._use(place[0]) else None

    def write(self, digests: Sequence[bytes], pixels: Pixels) -> list[Place]:
        """Add rows: uint8 [n, height, width, 3]; the places of as many of the first as there was room for."""
        places: list[Place] = []
        while len(places) < len(digests) and not self._broken:
            start = len(places)
            number = self._guarded(self._writable)
            if number is None:
                break
            segment = self._segments[number]
            assert segment is not None  # a segment that is written to is used, and used ones are not removed
            count = min(len(digests) - start, self._segment_rows - len(segment), self._room(len(digests) - start))
            if count <= 0:
                break
            first = len(segment)
            if not self._append(number, segment, digests[start : start + count], pixels[start : start + count]):
                continue
            added = [(number, first + row) for row in range(count)]
            with self._lock:
                self._places.update(zip(digests[start : start + count], added, strict=True))
            places += added
        return places

    def beat(self) -> None:
        """Tell those who wait that this process moves."""
        if self._lock_file is not None:
            keep_alive(self._lock_file)

    def blocks(self) -> list[Pixels]:
        """uint8 [rows, height, width, 3] of every segment, mapped from disk; place (s, r) is blocks()[s][r]."""
        empty: npt.NDArray[np.uint8] = np.empty((0, *self.shape), np.uint8)
        return [self._mapped.get(number, empty) for number in range(len(self._segments))]

    def _open(self) -> bool:
        self._segments, self._mapped, self._places, self._writing = [], {}, {}, None
        for index in sorted(self._own.glob(f"*{INDEX}")):
            try:
                segment = PixelSegment(index.with_suffix(""), self.shape)
            except FileNotFoundError:  # removed by another process in this moment
                continue
            number = len(self._segments)
            self._segments.append(segment)
            self._places.update((digest, (number, row)) for row, digest in enumerate(segment.digests))
        return True

    def _append(self, number: int, segment: PixelSegment, digests: Sequence[bytes], pixels: Pixels) -> bool:
        """False where nothing was written: because the disk does not play along, or the file has been removed."""
        try:
            segment.append(digests, pixels)
            self._mapped[number] = segment.pixels
        except FileNotFoundError:  # by another process that needed room, or by the user; what is mapped stays
            self._writing = None
            self._removals += 1
            if self._removals > _MAX_REMOVALS:
                self._broken = True
            return False
        except OSError as error:
            self._give_up(error)
            return False
        return True

    def _writable(self) -> int:
        """The segment that is being written, while it has room; else a new one."""
        segment = self._segments[self._writing] if self._writing is not None else None
        if self._writing is not None and segment is not None and len(segment) < self._segment_rows:
            return self._writing
        self._make_folder()
        tag = self.folder / "CACHEDIR.TAG"
        if not tag.exists():
            tag.write_bytes(_TAG)
        segment = PixelSegment.create(self._own, self.shape)
        with self._lock:
            self._segments.append(segment)
            self._writing = len(self._segments) - 1
            self._use(self._writing)
        return self._writing

    def _make_folder(self) -> None:
        """For the user's eyes only: the pixels may be photographs."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._own.mkdir(mode=0o700, exist_ok=True)

    def _use(self, number: int) -> bool:
        """Map the segment and keep it from being removed; False where that cannot be."""
        segment = self._segments[number]
        if segment is None:
            return False
        if number not in self._mapped:
            try:
                self._mapped[number] = segment.pixels
            except FileNotFoundError:  # removed by another process in this moment
                self._segments[number] = None
                return False
            except OSError as error:
                self._give_up(error)
                return False
            self._used.add(segment.path)
            with suppress(OSError):
                segment.touch()
        return True

    def _room(self, num_rows: int) -> int:
        """How many of so many rows may be written, after removing what is oldest in use where that is needed."""
        row_bytes = math.prod(self.shape)
        wanted = num_rows * row_bytes
        entries = list(_entries(self.folder))
        total = sum(size for _, size, _ in entries)
        for _, size, path in sorted(entries):
            if total + wanted <= self.max_bytes:
                break
            if self._remove(path):
                total -= size
        return min(num_rows, max(0, self.max_bytes - total) // row_bytes)

    def _remove(self, path: Path) -> bool:
        """Remove one file of hashes, or both files of a segment that this run does not use."""
        with self._lock:
            if path in self._used:
                return False
            if path.suffix != ".npz":
                for number, segment in enumerate(self._segments):
                    if segment is not None and segment.path == path:
                        self._segments[number] = None
                        self._places = {key: place for key, place in self._places.items() if place[0] != number}
                for suffix in (INDEX, PIXELS):  # in this order: pixels without an index are nobody's
                    path.with_suffix(suffix).unlink(missing_ok=True)
            else:
                path.unlink(missing_ok=True)
        return True

    def _guarded(self, action: Callable[[], T]) -> T | None:
        """What the action returns; None, and from then on no writing, where the disk does not play along."""
        try:
            return action()
        except (OSError, ValueError) as error:
            self._give_up(error)
            return None

    def _say_waiting(self) -> None:
        self._warn("another process decodes the same images; this one waits for it")

    def _give_up(self, error: Exception) -> None:
        if not self._broken:
            self._broken = True
            reason = getattr(error, "strerror", None) or str(error)
            self._warn(
                f"decoded images cannot be kept on disk: {reason} ({self.folder}); training goes on without, name"
                " another folder with --set cache=DIR, or none with --set max_disk_mb=0"
            )


def _entries(folder: Path) -> Iterator[tuple[float, int, Path]]:
    """(time of last use, bytes, path without suffix) of all that may be removed."""
    for file in folder.glob(f"{FILES}/*.npz"):
        with suppress(OSError):
            yield file.stat().st_mtime, file.stat().st_size, file
    for file in folder.glob(f"*/*{PIXELS}"):
        with suppress(OSError):
            size = file.stat().st_size
            try:
                index = file.with_suffix(INDEX).stat()
                yield index.st_mtime, size + index.st_size, file.with_suffix("")
            except FileNotFoundError:  # left by a kill, unless another process is making it in this moment
                if time.time() - file.stat().st_mtime > _ORPHAN_S:
                    yield 0.0, size, file.with_suffix("")
