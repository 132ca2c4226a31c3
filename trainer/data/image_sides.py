"""Sides of the images of a set, from the headers of a sample."""

from __future__ import annotations

import numpy as np

from artifact.images.decoding import inspect_image
from artifact.images.image_error import ImageError
from artifact.images.limits import DEFAULT_LIMITS, Limits
from artifact.limit_options import DEFAULT_READ_TIMEOUT_S
from trainer.data.image_files import ImageFiles

_HEADERS = 64


def median_side(
    files: ImageFiles, limits: Limits = DEFAULT_LIMITS, *, read_timeout_s: float = DEFAULT_READ_TIMEOUT_S
) -> int | None:
    """Median of the shorter sides of a sample of the images in pixels, from their headers; None: none can be read."""
    sides = []
    for ref in files.some(_HEADERS):
        try:
            _, width, height = inspect_image(ref.read(limits.max_bytes, timeout_s=read_timeout_s), limits)
        except ImageError:
            continue  # reported with its reason when all images are read
        sides.append(min(width, height))
    return int(np.median(sides)) if sides else None
