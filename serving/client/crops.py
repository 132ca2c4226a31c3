"""Regions of a batch cut out of their pictures, each of which is decoded once for those that stand together.

Decision a reader would question: a crop is handed on while its picture is still held, one at a time. All of a batch's
crops at once could be as many whole photographs, and the budget of pixels would not know of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import groupby

import numpy as np

from artifact.images.decoding import Pixels, decoded
from artifact.images.image_error import ImageError
from artifact.images.limits import Limits
from rows.images import ImageRef
from serving.client.reading import Fetched


def cropped(pictures: Sequence[Fetched], limits: Limits, *, with_digest: bool) -> Iterator[Fetched]:
    """The pictures in their order, of each region its pixels, or why there are none; all others as they are.

    Args:
        with_digest: the pixels' digests are asked for.
    """
    for whole, of_one in groupby(pictures, _picture_of):
        if whole is None:
            yield from of_one
        else:
            yield from _regions(whole, of_one, limits, with_digest)


def _picture_of(picture: Fetched) -> ImageRef | None:
    """What a region is cut out of."""
    return None if isinstance(picture, ImageError) or picture.region is None else picture.whole


def _regions(whole: ImageRef, regions: Iterator[Fetched], limits: Limits, with_digest: bool) -> Iterator[Fetched]:
    with ExitStack() as held:
        try:
            pixels = held.enter_context(decoded(whole.read(limits.max_bytes), limits)) if whole.pixels is None else None
            found: Pixels = np.ascontiguousarray(whole.pixels) if pixels is None else pixels
        except ImageError as error:
            reason = str(error)
            yield from (ImageError(reason) for _ in regions)
            return
        for region in regions:
            assert isinstance(region, ImageRef)
            try:
                crop = region.cropped(found)
            except ImageError as error:
                yield error
            else:
                yield ImageRef.of_pixels(crop) if with_digest else ImageRef(pixels=crop)
