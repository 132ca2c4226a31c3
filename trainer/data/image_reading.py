"""The reading of all images of a set by threads: of each the hash of its content and, where they are new, its pixels.

Decisions a reader would question:
- Threads, not processes: decoding and resizing release the interpreter lock.
- Regions of one picture that stand together are one piece of work: it is read and decoded once for them.
- The content of a region is that of its picture with its box and mask, so the pixels that are kept of it are never
  those of another part. What a file's name and time tell without reading it is used for whole images alone.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby, islice

from artifact.images.decoding import Pixels, decoded, inspect_image
from artifact.images.image_error import ImageError
from artifact.images.limits import Limits
from artifact.images.preprocessing import Preprocessing, load_pixels, resize_pixels
from rows.images import ImageRef
from trainer.pixels.file_hashes import FileHashes
from trainer.pixels.region_pixels import filled, region_digest
from trainer.pixels.store import StoreBuilder

_AT_ONCE = 256


@dataclass(frozen=True)
class ReadImage:
    """One image read: its content's hash and, where nobody has them yet, its pixels; or the reason against it."""

    ref: ImageRef
    digest: bytes = b""
    pixels: Pixels | None = None
    reason: str | None = None


def read_all(
    images: Iterable[ImageRef],
    preprocessing: Preprocessing,
    limits: Limits,
    timeout_s: float,
    builder: StoreBuilder,
    known: FileHashes | None,
    workers: int,
) -> Iterator[ReadImage]:
    """Every image in order; a bounded number in flight.

    Args:
        timeout_s: for each remote file.
        builder: knows which contents it has pixels of.
        known: hashes of files that need not be read again.
    """

    def read(refs: list[ImageRef]) -> list[ReadImage]:
        if refs[0].region is not None:
            return _read_regions(refs, preprocessing, limits, timeout_s, builder)
        return [_read(refs[0], preprocessing, limits, timeout_s, builder, known)]

    pieces = _pieces(images)
    with ThreadPoolExecutor(workers, thread_name_prefix="read") as pool:
        waiting: deque[Future[list[ReadImage]]] = deque(pool.submit(read, piece) for piece in islice(pieces, _AT_ONCE))
        try:
            while waiting:
                yield from waiting.popleft().result()
                waiting.extend(pool.submit(read, piece) for piece in islice(pieces, 1))
        finally:
            for future in waiting:
                future.cancel()


def _pieces(images: Iterable[ImageRef]) -> Iterator[list[ImageRef]]:
    """Each whole image alone, and the regions of one picture together."""
    for (_, is_region), refs in groupby(images, lambda ref: (ref.whole, ref.region is not None)):
        if is_region:
            yield list(refs)
        else:
            yield from ([ref] for ref in refs)


def _read(
    ref: ImageRef,
    preprocessing: Preprocessing,
    limits: Limits,
    timeout_s: float,
    builder: StoreBuilder,
    known: FileHashes | None,
) -> ReadImage:
    path = str(ref.file) if ref.file is not None and known is not None else None
    facts = None
    if path is not None and known is not None:
        facts, digest = known.find(path)
        if digest is not None and builder.knows(digest):
            return ReadImage(ref, digest)
        if digest is not None and builder.is_full:  # it was read whole once, and its pixels would be thrown away
            return _looked_at(ref, digest, limits, timeout_s)
    try:
        content = ref.read(limits.max_bytes, timeout_s=timeout_s)
        digest = hashlib.sha256(content).digest()
        pixels = None if builder.knows(digest) else load_pixels(content, preprocessing, limits)
    except ImageError as error:
        return ReadImage(ref, reason=str(error))
    if path is not None and known is not None and facts is not None:
        known.record(path, facts, digest)
    return ReadImage(ref, digest, pixels)


def _looked_at(ref: ImageRef, digest: bytes, limits: Limits, timeout_s: float) -> ReadImage:
    """An image that an earlier run has decoded, held against the limits of this one by its header."""
    try:
        inspect_image(ref.read(limits.max_bytes, timeout_s=timeout_s), limits)
    except ImageError as error:
        return ReadImage(ref, reason=str(error))
    return ReadImage(ref, digest)


def _read_regions(
    refs: list[ImageRef], preprocessing: Preprocessing, limits: Limits, timeout_s: float, builder: StoreBuilder
) -> list[ReadImage]:
    """Regions of one picture."""
    refs = [filled(ref, preprocessing) for ref in refs]
    try:
        content = refs[0].whole.read(limits.max_bytes, timeout_s=timeout_s)
        digests = [region_digest(ref, content) for ref in refs]
        if all(map(builder.knows, digests)):
            return [ReadImage(ref, digest) for ref, digest in zip(refs, digests, strict=True)]
        with decoded(content, limits) as pixels:
            return [
                _cut(ref, digest, pixels, preprocessing, is_known=builder.knows(digest))
                for ref, digest in zip(refs, digests, strict=True)
            ]
    except ImageError as error:
        return [ReadImage(ref, reason=str(error)) for ref in refs]


def _cut(ref: ImageRef, digest: bytes, pixels: Pixels, preprocessing: Preprocessing, *, is_known: bool) -> ReadImage:
    if is_known:
        return ReadImage(ref, digest)
    try:
        return ReadImage(ref, digest, resize_pixels(ref.cropped(pixels), preprocessing))
    except ImageError as error:
        return ReadImage(ref, reason=str(error))
