"""Images read once: the hash of each file's content, and its pixels decoded, resized and kept.

Decisions a reader would question:
- One pass reads every file once: the hash of its content (for the split and the run's data hash) and its pixels come
  from the same bytes. It happens before the run folder exists, so bad images leave nothing behind.
- What the pixel cache holds from an earlier run is neither read nor decoded again (trainer/pixels/cache.py).
- Turned and mirrored images are a view: their pixels are turned as they are fetched, nothing is stored twice.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from artifact.arrays import Indices
from artifact.errors import DataError
from artifact.images.decoding import Pixels
from artifact.images.limits import DEFAULT_LIMITS, Limits
from artifact.images.preprocessing import Preprocessing
from artifact.limit_options import DEFAULT_READ_TIMEOUT_S
from artifact.listing import listed
from trainer.data.image_files import ImageFiles
from trainer.data.image_reading import read_all
from trainer.data.notices import Notice, left_out
from trainer.data.texts import Texts
from trainer.pixels.cache import FILES, PixelCache
from trainer.pixels.file_hashes import FileHashes
from trainer.pixels.store import PixelStore, StoreBuilder, default_workers

_PROGRESS_EVERY = 64


@dataclass(frozen=True, kw_only=True)
class Images:
    """Images with their classes and contents; a view of them shares the pixels.

    Attributes:
        files: names, labels and classes, aligned with the rest.
        hashes: SHA-256 of each file's content, hexadecimal.
        rows: int64 [images], where each stands in the store.
        store: pixels of the distinct images.
        turns: uint8 [images], how each is turned: quarter turns counterclockwise, plus 4 where it is mirrored left to
            right before that; None: none is.
    """

    files: ImageFiles
    hashes: Texts
    rows: Indices
    store: PixelStore
    turns: npt.NDArray[np.uint8] | None = None

    def __len__(self) -> int:
        return len(self.files)

    @property
    def labels(self) -> Indices:
        return self.files.labels

    def take(self, rows: Indices) -> Images:
        """Some of the images, with labels renumbered; the pixels are shared."""
        return Images(
            files=self.files.take(rows),
            hashes=self.hashes.take(rows),
            rows=self.rows[rows],
            store=self.store,
            turns=None if self.turns is None else self.turns[rows],
        )

    def with_turns(self, *, turns: bool, mirrors: bool) -> Images:
        """The images, and after them the turned and mirrored ones, as classes of their own.

        Args:
            turns: by 90, 180 and 270 degrees too: four times as many classes.
            mirrors: mirrored left to right too: twice as many.
        """
        ways = [way for way in range(8) if (turns or way % 4 == 0) and (mirrors or way < 4)]
        count, num_classes = len(self), len(self.files.classes)
        files = ImageFiles(
            self.files.root,
            Texts([*self.files.names] * len(ways)),
            np.concatenate([self.labels + position * num_classes for position in range(len(ways))]),
            tuple(name + _way_name(way) for way in ways for name in self.files.classes),
        )
        return Images(
            files=files,
            hashes=Texts([*self.hashes] * len(ways)),
            rows=np.tile(self.rows, len(ways)),
            store=self.store,
            turns=np.repeat(np.array(ways, np.uint8), count),
        )

    def pixels(self, indices: Indices) -> Pixels:
        """uint8 [n, height, width, 3] of the images at `indices`; DataError for a file that changed meanwhile."""
        pixels = self.store.fetch(self.rows[indices])
        if self.turns is not None:
            ways = self.turns[indices]
            for way in np.unique(ways):
                chosen = ways == way
                some = pixels[chosen]
                some = some[:, :, ::-1] if way >= 4 else some
                pixels[chosen] = np.rot90(some, int(way) % 4, axes=(1, 2))
        return pixels


@dataclass(frozen=True)
class BadImage:
    """A file that cannot be used, and why; `index` is its place among the files."""

    name: str
    reason: str
    index: int = -1


def read_images(
    files: ImageFiles,
    preprocessing: Preprocessing,
    *,
    limits: Limits = DEFAULT_LIMITS,
    read_timeout_s: float = DEFAULT_READ_TIMEOUT_S,
    max_cache_bytes: int,
    max_bad_images: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    cache: PixelCache | None = None,
    workers: int | None = None,
) -> tuple[Images, list[BadImage]]:
    """Read every file once.

    Args:
        files: of a folder, or of a table.
        preprocessing: size and fit of the pixels.
        limits: larger files and pictures are bad images, but for those whose pixels the cache holds.
        read_timeout_s: for each remote image, in seconds.
        max_cache_bytes: decoded pixels kept in memory, of those that are not on disk.
        max_bad_images: so many unreadable files may be left out and returned; None: all but one.
        progress: called with (files done, files in all).
        cache: where pixels are kept on disk between runs.
        workers: threads; None: one per core, up to 16.

    Returns:
        The good images, and the bad ones.

    Raises:
        DataError: more bad images than allowed, or no good one; the first of them named with their reasons.
    """
    good: list[int] = []
    rows: list[int] = []
    hashes: list[str] = []
    bad: list[BadImage] = []
    workers = workers or default_workers()
    with contextlib.ExitStack() as stack:
        if cache is not None:
            stack.enter_context(cache.filling(os.path.realpath(files.root)))
        builder = StoreBuilder(
            preprocessing,
            limits=limits,
            read_timeout_s=read_timeout_s,
            max_images=len(files),
            max_memory_bytes=max_cache_bytes,
            cache=cache,
            workers=workers,
        )
        known = _open_hashes(files, cache)
        reads = read_all(files.images, preprocessing, limits, read_timeout_s, builder, known, workers)
        for index, read in enumerate(reads):
            if read.reason is None:
                good.append(index)
                rows.append(builder.add(read.digest, read.pixels, read.ref))
                hashes.append(read.digest.hex())
            else:
                bad.append(BadImage(files.names[index], read.reason, index))
            if index % _PROGRESS_EVERY == _PROGRESS_EVERY - 1 or index == len(files) - 1:
                if cache is not None:
                    cache.beat()
                if progress is not None:
                    progress(index + 1, len(files))
        store = builder.finish()
        if known is not None:
            known.save()
    if bad and (not good or (max_bad_images is not None and len(bad) > max_bad_images)):
        _refuse(bad, files, max_bad_images if good else None)
    kept = files.take(np.array(good, np.int64))
    return Images(files=kept, hashes=Texts(hashes), rows=np.array(rows, np.int64), store=store), bad


def no_images(preprocessing: Preprocessing) -> Images:
    """The images of a run that was given none."""
    store = PixelStore(
        blocks=(),
        block=np.empty(0, np.int32),
        row=np.empty(0, np.int64),
        refs={},
        preprocessing=preprocessing,
        limits=DEFAULT_LIMITS,
        workers=1,
    )
    files = ImageFiles(Path(), (), np.empty(0, np.int64), ())
    return Images(files=files, hashes=Texts(()), rows=np.empty(0, np.int64), store=store)


def images_left_out(bad: Sequence[BadImage], num_images: int, also: str = "", **others: int) -> Notice:
    """Images that were left out: how many of how many, and the first of them with their reasons."""
    most = f" (more than half of {num_images:,})" if 2 * len(bad) > num_images else ""
    return Notice(f"{left_out(len(bad), 'image', 'images')}{most}{also}: {_named(bad)}", {"images": len(bad), **others})


def _open_hashes(files: ImageFiles, cache: PixelCache | None) -> FileHashes | None:
    """What earlier runs know of these files; their pixels are from now on safe from being removed for new ones."""
    if cache is None:
        return None
    name = hashlib.sha256(os.fsencode(os.path.realpath(files.root))).hexdigest()[:16]
    known = FileHashes(cache.folder / FILES / f"{name}.npz")
    for digest in known.digests():
        cache.find(digest)
    return known


def _way_name(way: int) -> str:
    """What is added to the name of a class: " mirrored, turned 90"."""
    words = (["mirrored"] if way >= 4 else []) + ([f"turned {way % 4 * 90}"] if way % 4 else [])
    return f" {', '.join(words)}" if words else ""


def _named(bad: Sequence[BadImage]) -> str:
    return listed([f"{image.name}: {image.reason}" for image in bad], separator="; ")


def _refuse(bad: Sequence[BadImage], files: ImageFiles, allowed: int | None) -> None:
    if allowed is None:
        expected, mend = "one that is readable", "mend them"
    else:
        expected = "every file readable" if allowed == 0 else f"at most {allowed} unreadable"
        mend = f"mend or remove them, or leave them out with --set max_bad_images={len(bad)}"
    raise DataError(
        f"{len(bad)} of {len(files)} images cannot be used",
        expected=expected,
        got=_named(bad),
        where=files.root,
        mend=mend,
    )
