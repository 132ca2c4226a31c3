"""The page of `lookalike search`: queries with their nearest images beside them.

Decisions a reader would question:
- Ids are data, so a path in one leads nowhere but into the folder of images: absolute ones and `..` are placeholders.
- Pictures of a search are decoded and shrunk to PICTURE_PX, so a page of photographs stays small, and what the page
  holds is an image and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from artifact.images.decoding import decode_image
from artifact.images.image_error import ImageError
from artifact.images.limits import DEFAULT_LIMITS, Limits
from artifact.limit_options import DEFAULT_READ_TIMEOUT_S
from pages.page import write_page
from pages.pictures import Picture, PictureRow, small_picture
from rows.images import ImageRef

PICTURE_PX = 128
MAX_QUERIES = 200
"""Shown on a page; it says how many more there are."""


def write_search_gallery(
    page: Path,
    queries: Sequence[tuple[str, ImageRef]],
    found: Sequence[Sequence[dict[str, Any]]],
    *,
    num_queries: int,
    picture_of: Callable[[str], ImageRef],
    facts: dict[str, Any],
    limits: Limits = DEFAULT_LIMITS,
    read_timeout_s: float = DEFAULT_READ_TIMEOUT_S,
) -> None:
    """A row for each query, its neighbours beside it with their distances; a picture that is not there shows its id.

    Args:
        queries: id and image of each that is shown, MAX_QUERIES at most.
        found: what Index.search gives for them.
        num_queries: how many there are in all.
        picture_of: the image of an id in the index.
        limits: larger images show their id.
        read_timeout_s: for each remote image, in seconds; a later one shows its id.
        facts: "index", "num_rows", "distance", "lineage" of the index, and "recall": text where it is approximate.

    Raises:
        OutputError: the page cannot be written.
    """

    def near(row: dict[str, Any]) -> Picture:
        name = str(row["id"])
        caption = f"{row['distance']:.4g}"
        data = thumbnail(picture_of(name), limits, timeout_s=read_timeout_s)
        return Picture(name=name, data=data, kind="near", title=name, captions=[(caption, "")])

    shown = [
        PictureRow(
            query=Picture(
                name=query,
                data=thumbnail(image, limits, timeout_s=read_timeout_s),
                kind="asked",
                title=query,
                captions=[(PurePosixPath(query).name, "")],
            ),
            neighbours=[near(row) for row in rows],
        )
        for (query, image), rows in zip(queries, found, strict=True)
    ]
    write_page(
        page,
        "search_gallery.html.jinja",
        queries=shown,
        left_out=num_queries - len(queries),
        side_px=96,
        rendering="auto",
        **facts,
    )


def image_inside(folder: Path | None, name: str) -> ImageRef:
    """The image of an id that is a path relative to a folder; an empty ref where it leads out of it."""
    path = PurePosixPath(name)
    if folder is None or path.is_absolute() or ".." in path.parts:
        return ImageRef()
    return ImageRef(path=folder / path)


def thumbnail(
    image: ImageRef, limits: Limits = DEFAULT_LIMITS, *, timeout_s: float = DEFAULT_READ_TIMEOUT_S
) -> str | None:
    """The image as a data URL, at most PICTURE_PX wide and high, exact where it fits; None where it cannot be read."""
    try:
        return small_picture(
            decode_image(image.read(limits.max_bytes, timeout_s=timeout_s), limits), PICTURE_PX, exact=True
        )
    except ImageError:
        return None
