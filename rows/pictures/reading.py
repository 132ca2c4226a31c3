"""One image read and made small, or hashed, or why it cannot be: what the threads of a pass do."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from artifact.images.image_error import ImageError
from artifact.images.limits import Limits
from rows.images import ImageRef
from rows.pictures.thumbnail import Thumbnail, content_hash, hash_of_bytes, region_pixels
from rows.remote import always_wanted

IsWanted = Callable[[], bool]


@dataclass(frozen=True)
class Unread:
    """Why a picture cannot be read, and the hash of its file where that could be."""

    sha256: str | None
    reason: str


@dataclass(frozen=True, kw_only=True)
class PictureReader:
    """Reads images within limits.

    Attributes:
        limits: larger images are not read.
        timeout_s: for each remote file, in seconds.
    """

    limits: Limits
    timeout_s: float

    def read(self, image: ImageRef, is_wanted: IsWanted = always_wanted) -> bytes:
        """The encoded image, of an array of pixels a PNG; raises ImageError."""
        limits = self.limits
        return image.read(limits.max_bytes, max_pixels=limits.max_pixels, timeout_s=self.timeout_s, is_wanted=is_wanted)

    def thumbnail(self, image: ImageRef, px: int) -> Thumbnail:
        """Raises ImageError."""
        image = region_pixels(image, self.limits, timeout_s=self.timeout_s)
        if image.pixels is not None:
            return Thumbnail.of_pixels(image.pixels, px, sha256=content_hash(image))
        return Thumbnail.of_bytes(self.read(image), px, self.limits)

    def try_thumbnail(
        self, image: ImageRef, px: int, turn: threading.Semaphore, is_wanted: IsWanted
    ) -> Thumbnail | Unread:
        """The same, but that its reading waits for nobody: `turn` is held while it is decoded."""
        digest = None
        try:
            if image.pixels is not None:
                with turn:
                    return self.thumbnail(image, px)
            if image.region is not None:
                data = self.read(image.whole, is_wanted)
                with turn:
                    return self.thumbnail(replace(image, path=None, span=None, data=data), px)
            data = self.read(image, is_wanted)
            digest = hash_of_bytes(data)
            with turn:
                return Thumbnail.of_bytes(data, px, self.limits, sha256=digest)
        except ImageError as error:
            return Unread(digest, str(error))

    def try_hash(self, image: ImageRef, turn: threading.Semaphore, is_wanted: IsWanted) -> str | Unread:
        """SHA-256 in hex; see rows.pictures.thumbnail.content_hash."""
        del turn  # a hash is soon made
        try:
            return content_hash(image, self.limits, timeout_s=self.timeout_s, is_wanted=is_wanted)
        except ImageError as error:
            return Unread(None, str(error))
