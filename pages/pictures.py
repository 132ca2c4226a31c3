"""Small pictures inside a page: images as data URLs, and a query with its neighbours beside it."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

from artifact.images.decoding import Pixels


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One picture with what stands below it.

    Attributes:
        name: of the image; it stands in the place of a picture that is not there.
        data: data URL, or None.
        kind: CSS class: `asked` of a query (`asked away` where it leads away from it), `same` class or `other` class of
            a neighbour, or `near`.
        title: what it says when it is pointed at.
        captions: lines below it, each with what it says when it is pointed at, or "".
    """

    name: str
    data: str | None
    kind: str
    title: str
    captions: Sequence[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class PictureRow:
    """A query on the left, its neighbours beside it, nearest first.

    Attributes:
        more: further pictures, where the query is made of several.
    """

    query: Picture
    neighbours: Sequence[Picture]
    more: Sequence[Picture] = ()


def small_picture(pixels: Pixels, side_px: int, *, exact: bool = False) -> str:
    """A data URL of an image shrunk to at most `side_px` wide and high, PNG or JPEG, whichever is smaller.

    Args:
        pixels: uint8 [height, width, 3].
        exact: an image that needs no shrinking keeps its pixels: it is a PNG, however large.
    """
    from PIL import Image

    image = Image.fromarray(pixels)
    if exact and max(image.size) <= side_px:
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        return data_url(buffer.getvalue(), "png")
    image.thumbnail((side_px, side_px))
    found = {}
    for kind, options in (("png", {"optimize": True}), ("jpeg", {"quality": 80, "optimize": True})):
        buffer = io.BytesIO()
        image.save(buffer, kind, **options)
        found[kind] = buffer.getvalue()
    kind = min(found, key=lambda each: len(found[each]))
    return data_url(found[kind], kind)


def data_url(data: bytes, kind: str) -> str:
    """Encoded image bytes as the address of a picture; `kind` is `png`, `jpeg` ..."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
