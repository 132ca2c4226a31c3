"""Images read once, decoded, resized and kept in memory.

Decisions a reader would question:
- One pass reads every file once: the hash of its content (for the split and the run's data hash) and its pixels come
  from the same bytes. It happens before the run folder exists, so bad images leave nothing behind.
- Pixels stay in memory as uint8 up to a budget: 224 px photographs are 150 kB each, decoding them again costs more than
  the training step of a small network. What is over the budget is read again for each batch.
- A thread pool, not processes: decoding and resizing release the interpreter lock.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from artifact.errors import DataError
from artifact.preprocessing import ImageError, Pixels, Preprocessing, load_pixels
from trainer.image_folder import ImageFiles, Indices

_FILES_AT_ONCE = 512
_NAMED_BAD_IMAGES = 5


def _num_threads() -> int:
    return min(16, os.cpu_count() or 1)


@dataclass(frozen=True, kw_only=True)
class Images:
    """Images with their classes and contents; a view of them shares the cached pixels.

    Attributes:
        files: names, labels and classes, aligned with the rest.
        hashes: SHA-256 of each file's content, hexadecimal.
        rows: int64 [images], where each stands in the cache; rows beyond the cache are read from their file.
        cache: uint8 [cached, height, width, 3].
        preprocessing: how files become pixels.
    """

    files: ImageFiles
    hashes: tuple[str, ...]
    rows: Indices
    cache: Pixels
    preprocessing: Preprocessing

    def __len__(self) -> int:
        return len(self.files)

    @property
    def labels(self) -> Indices:
        return self.files.labels

    def take(self, rows: Indices) -> Images:
        """Some of the images, with labels renumbered; the pixels are shared."""
        return Images(
            files=self.files.take(rows), hashes=tuple(self.hashes[row] for row in rows), rows=self.rows[rows],
            cache=self.cache, preprocessing=self.preprocessing,
        )  # fmt: skip

    def pixels(self, indices: Indices) -> Pixels:
        """uint8 [n, height, width, 3] of the images at `indices`; DataError for a file that changed meanwhile."""
        rows = self.rows[indices]
        if rows.size == 0 or rows.max() < len(self.cache):
            return self.cache[rows]
        with ThreadPoolExecutor(max_workers=_num_threads()) as pool:
            return np.stack(list(pool.map(self._one, indices.tolist())))

    def _one(self, index: int) -> Pixels:
        row = int(self.rows[index])
        if row < len(self.cache):
            cached: Pixels = self.cache[row]
            return cached
        try:
            return load_pixels(self.files.path(index).read_bytes(), self.preprocessing)
        except (ImageError, OSError) as error:
            where = self.files.path(index)
            raise DataError("image that was readable before", got=str(error), where=where) from None


@dataclass(frozen=True)
class BadImage:
    """A file that cannot be used, and why."""

    name: str
    reason: str


def read_images(
    files: ImageFiles,
    preprocessing: Preprocessing,
    *,
    max_cache_bytes: int,
    max_bad_images: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Images, list[BadImage]]:
    """Read every file once.

    Args:
        files: what `scan_folder` found.
        preprocessing: size and fit of the pixels.
        max_cache_bytes: decoded pixels kept in memory.
        max_bad_images: so many unreadable files are left out and returned.
        progress: called with (files done, files in all).

    Returns:
        The good images, and the bad ones.

    Raises:
        DataError: more bad images than allowed, the first of them named with their reasons.
    """
    height, width = preprocessing.height, preprocessing.width
    capacity = min(len(files), max_cache_bytes // (height * width * 3))
    cache = np.empty((capacity, height, width, 3), np.uint8)
    good: list[int] = []
    hashes: list[str] = []
    bad: list[BadImage] = []
    for index, digest, pixels in _read_all(files, preprocessing):
        if isinstance(pixels, str):
            bad.append(BadImage(files.names[index], pixels))
        else:
            if len(good) < capacity:
                cache[len(good)] = pixels
            good.append(index)
            hashes.append(digest)
        if progress is not None and (index % 64 == 63 or index == len(files) - 1):
            progress(index + 1, len(files))
    if len(bad) > max_bad_images:
        _refuse(bad, files, max_bad_images)
    kept = np.array(good, np.int64)
    rows = np.arange(len(good), dtype=np.int64)
    images = Images(
        files=files.take(kept), hashes=tuple(hashes), rows=rows, cache=cache[: len(good)], preprocessing=preprocessing
    )
    return images, bad


def _read_all(files: ImageFiles, preprocessing: Preprocessing) -> Iterator[tuple[int, str, Pixels | str]]:
    """(index, hash, pixels or the reason against them) of every file in order; a bounded number in flight."""

    def read(index: int) -> tuple[int, str, Pixels | str]:
        try:
            content = files.path(index).read_bytes()
        except OSError as error:
            return index, "", error.strerror or str(error)
        try:
            return index, hashlib.sha256(content).hexdigest(), load_pixels(content, preprocessing)
        except ImageError as error:
            return index, "", str(error)

    with ThreadPoolExecutor(max_workers=_num_threads()) as pool:
        for start in range(0, len(files), _FILES_AT_ONCE):
            yield from pool.map(read, range(start, min(start + _FILES_AT_ONCE, len(files))))


def _refuse(bad: Sequence[BadImage], files: ImageFiles, allowed: int) -> None:
    named = "; ".join(f"{image.name}: {image.reason}" for image in bad[:_NAMED_BAD_IMAGES])
    more = f"; and {len(bad) - _NAMED_BAD_IMAGES} more" if len(bad) > _NAMED_BAD_IMAGES else ""
    expected = "every file readable" if allowed == 0 else f"at most {allowed} unreadable"
    mend = f"mend or remove them, or skip them with --set max_bad_images={len(bad)}"
    raise DataError(
        f"{len(bad)} of {len(files)} images cannot be used", expected=expected, got=named + more, where=files.root,
        mend=mend,
    )  # fmt: skip
