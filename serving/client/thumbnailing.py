"""Thumbnails made on the way of images to their vectors: from the bytes that are read, and the pixels that are decoded,
for the network anyway.

Decision a reader would question: an image whose thumbnail cannot be made has none, and is no bad row for it: a server
may read what this machine cannot, and the vector is what was asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from artifact.images.decoding import Pixels, decoded
from artifact.images.image_error import ImageError
from artifact.images.limits import Limits
from artifact.images.preprocessing import Preprocessing, resize_pixels
from rows.images import ImageRef
from rows.pictures.thumbnail import Thumbnail, content_hash, hash_of_bytes


@dataclass(frozen=True, kw_only=True)
class Thumbnailing:
    """What a batch makes of its images besides.

    Attributes:
        px: longest side at most, in pixels.
        keep: takes the place of an image in the batch and its thumbnail; called by the batch's own thread.
    """

    px: int
    keep: Callable[[int, Thumbnail], None]

    def pixels(self, place: int, image: ImageRef, preprocessing: Preprocessing, limits: Limits) -> Pixels:
        """What serving.client.pictures.read_pixels gives, from one decoding for both; raises ImageError."""
        if image.pixels is not None:
            whole = np.ascontiguousarray(image.pixels)
            self._keep(place, Thumbnail.of_pixels(whole, self.px, sha256=content_hash(image)))
            return resize_pixels(whole, preprocessing)
        data = image.read(limits.max_bytes)
        with decoded(data, limits) as pixels:
            self._keep(place, Thumbnail.of_pixels(pixels, self.px, sha256=hash_of_bytes(data)))
            return resize_pixels(pixels, preprocessing)

    def encoded(self, place: int, image: ImageRef, data: bytes, limits: Limits) -> None:
        """Of a file that goes to a server as it is."""
        with suppress(ImageError):
            if image.pixels is not None:
                self._keep(place, Thumbnail.of_pixels(image.pixels, self.px, sha256=content_hash(image)))
            else:
                self._keep(place, Thumbnail.of_bytes(data, self.px, limits))

    def _keep(self, place: int, thumbnail: Thumbnail) -> None:
        self.keep(place, thumbnail.packed())
