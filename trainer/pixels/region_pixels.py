"""Pixels of images that may be regions: what they are told by, and what they are filled with."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from artifact.images.decoding import Pixels
from artifact.images.limits import Limits
from artifact.images.preprocessing import Preprocessing, load_pixels, resize_pixels
from rows.images import ImageRef


def filled(ref: ImageRef, preprocessing: Preprocessing) -> ImageRef:
    """The same, where it fills what is outside with the colour that a model of this preprocessing is asked with."""
    if ref.region is None or ref.region.outside is None:
        return ref
    return replace(ref, region=replace(ref.region, outside=preprocessing.fill))


def region_digest(ref: ImageRef, content: bytes) -> bytes:
    """SHA-256 of a picture's content with the region's box and mask: other parts of one picture are other images."""
    assert ref.region is not None
    return hashlib.sha256(hashlib.sha256(content).digest() + ref.region.key).digest()


def read_pixels(ref: ImageRef, preprocessing: Preprocessing, limits: Limits, *, timeout_s: float) -> Pixels:
    """uint8 [height, width, 3] of an image, or of a region of one; raises ImageError."""
    content = ref.whole.read(limits.max_bytes, timeout_s=timeout_s)
    if ref.region is None:
        return load_pixels(content, preprocessing, limits)
    return resize_pixels(ref.decode(content, limits), preprocessing)
