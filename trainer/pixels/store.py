"""Pixels of all distinct images: mapped from disk, in memory, or nowhere, and then decoded each time.

Decisions a reader would question:
- An image is its content: the same file under two names is decoded once and kept once.
- Rows on disk are not copied into memory as well: they are read through the memory map, and the operating system keeps
  in memory what is used often, shared by all processes that train on it.
- Images that a table holds as bytes stay in memory as bytes where there is no room for their pixels: reading single
  cells of a table again would cost more than decoding them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from artifact.arrays import Indices
from artifact.errors import DataError
from artifact.images.cores import available_cores
from artifact.images.decoding import Pixels
from artifact.images.image_error import ImageError
from artifact.images.limits import DEFAULT_LIMITS, Limits
from artifact.images.preprocessing import Preprocessing
from artifact.limit_options import DEFAULT_READ_TIMEOUT_S
from rows.images import ImageRef
from trainer.pixels.cache import PixelCache
from trainer.pixels.region_pixels import read_pixels

_NOWHERE = -1
_COMMIT_BYTES = 8 * 2**20


def default_workers() -> int:
    """Threads that decode: one a core, up to 16."""
    return min(16, available_cores())


class PixelStore:
    """The pixels of distinct images, by row.

    Args:
        blocks: uint8 [rows of it, height, width, 3] each.
        block, row: int32 [images] and int64 [images], where each image is; block -1: nowhere.
        refs: where to read the images that are nowhere.
        limits: of those.
        read_timeout_s: for each of those that is remote, in seconds.
        workers: threads that decode those.
    """

    def __init__(
        self,
        *,
        blocks: Sequence[Pixels],
        block: npt.NDArray[np.int32],
        row: Indices,
        refs: Mapping[int, ImageRef],
        preprocessing: Preprocessing,
        limits: Limits,
        read_timeout_s: float = DEFAULT_READ_TIMEOUT_S,
        workers: int,
    ) -> None:
        self._limits, self._read_timeout_s = limits, read_timeout_s
        self._blocks, self._block, self._row = list(blocks), block, row
        self._refs, self._preprocessing = refs, preprocessing
        self._workers = workers
        self._pool: ThreadPoolExecutor | None = None

    @property
    def num_kept(self) -> int:
        """Images that need not be decoded again."""
        return int((self._block != _NOWHERE).sum())

    def fetch(self, images: Indices) -> Pixels:
        """uint8 [n, height, width, 3]; DataError for a file that cannot be read any more."""
        block = self._block[images]
        if len(images) and block[0] != _NOWHERE and (block == block[0]).all():
            copied: Pixels = self._blocks[block[0]][self._row[images]]
            return copied
        pixels = np.empty((len(images), self._preprocessing.height, self._preprocessing.width, 3), np.uint8)
        places = zip(block.tolist(), self._row[images].tolist(), strict=True)
        for position, (number, row) in enumerate(places):
            if number != _NOWHERE:
                pixels[position] = self._blocks[number][row]
        missing = np.flatnonzero(block == _NOWHERE)
        if len(missing):
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._workers, thread_name_prefix="decode")
            pixels[missing] = list(self._pool.map(self._decode, images[missing].tolist()))
        return pixels

    def _decode(self, image: int) -> Pixels:
        ref = self._refs[image]
        try:
            return read_pixels(ref, self._preprocessing, self._limits, timeout_s=self._read_timeout_s)
        except ImageError as error:
            where = None if str(ref.path) in str(error) else ref.path
            raise DataError("image that was readable before", got=str(error), where=where) from None


class StoreBuilder:
    """A PixelStore in the making: pixels go to disk first, where there is a cache, then into memory, then nowhere.

    Args:
        limits, read_timeout_s: of images that are decoded each time.
        max_images: as many as may come.
        max_memory_bytes: of pixels in memory.
        cache: open for writing (`PixelCache.filling`).
    """

    def __init__(
        self,
        preprocessing: Preprocessing,
        *,
        limits: Limits = DEFAULT_LIMITS,
        read_timeout_s: float = DEFAULT_READ_TIMEOUT_S,
        max_images: int,
        max_memory_bytes: int,
        cache: PixelCache | None,
        workers: int,
    ) -> None:
        self._preprocessing, self._cache, self._workers = preprocessing, cache, workers
        self._limits, self._read_timeout_s = limits, read_timeout_s
        shape = (preprocessing.height, preprocessing.width, 3)
        self._row_bytes = math.prod(shape)
        capacity = min(max_images, max_memory_bytes // self._row_bytes)
        self._memory: Pixels = np.empty((capacity, *shape), np.uint8)  # no memory is taken before it is written to
        self._in_memory = 0
        self._is_full = False
        self._images: dict[bytes, int] = {}
        self._places: list[tuple[int, int]] = []
        self._refs: dict[int, ImageRef] = {}
        self._pending: list[tuple[int, bytes, Pixels, ImageRef]] = []

    def knows(self, digest: bytes) -> bool:
        """Whether the image need not be decoded; may be called from any thread."""
        return digest in self._images or (self._cache is not None and self._cache.find(digest) is not None)

    @property
    def is_full(self) -> bool:
        """Whether pixels that come now are kept nowhere; may be asked from any thread."""
        return self._is_full

    def add(self, digest: bytes, pixels: Pixels | None, ref: ImageRef) -> int:
        """Number of the image with that content; pixels may be None where `knows` said so."""
        image = self._images.get(digest)
        if image is not None:
            return image
        image = self._images[digest] = len(self._places)
        self._places.append((_NOWHERE, 0))
        place = self._cache.find(digest) if self._cache is not None else None
        if place is not None:
            self._places[image] = place[0] + 1, place[1]
        elif pixels is None:
            self._refs[image] = ref
        elif self._cache is None:
            self._keep(image, pixels, ref)
        else:
            self._pending.append((image, digest, pixels, ref))
            if len(self._pending) * self._row_bytes >= _COMMIT_BYTES:
                self._commit()
        return image

    def finish(self) -> PixelStore:
        """All that was added; no more may come."""
        self._commit()
        block = np.array([block for block, _ in self._places], np.int32)
        row = np.array([row for _, row in self._places], np.int64)
        on_disk = self._cache.blocks() if self._cache is not None else []
        return PixelStore(
            blocks=[self._memory[: self._in_memory], *on_disk],
            block=block,
            row=row,
            refs=self._refs,
            preprocessing=self._preprocessing,
            limits=self._limits,
            read_timeout_s=self._read_timeout_s,
            workers=self._workers,
        )

    def _commit(self) -> None:
        if not self._pending or self._cache is None:
            return
        pending, self._pending = self._pending, []
        digests = [digest for _, digest, _, _ in pending]
        places = self._cache.write(digests, np.stack([pixels for _, _, pixels, _ in pending]))
        for (image, _, _, _), place in zip(pending, places, strict=False):
            self._places[image] = place[0] + 1, place[1]
        for image, _, pixels, ref in pending[len(places) :]:
            self._keep(image, pixels, ref)

    def _keep(self, image: int, pixels: Pixels, ref: ImageRef) -> None:
        if self._in_memory < len(self._memory):
            self._memory[self._in_memory] = pixels
            self._places[image] = 0, self._in_memory
            self._in_memory += 1
        else:
            self._is_full = True
            self._refs[image] = ref
