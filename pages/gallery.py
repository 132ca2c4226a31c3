"""The page of `lookalike search`: queries with their nearest images beside them.

Decisions a reader would question:
- Ids are data, so a path in one leads nowhere but into the folder of images: absolute ones and `..` are placeholders.
  In a table of images an id is looked up, and is no path at all.
- Pictures of a search are decoded and shrunk to PICTURE_PX, so a page of photographs stays small, and what the page
  holds is an image and nothing else.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from artifact.errors import DataError
from artifact.images.decoding import decode_image
from artifact.images.image_error import ImageError
from artifact.images.limits import DEFAULT_LIMITS, Limits
from artifact.limit_options import DEFAULT_READ_TIMEOUT_S
from artifact.listing import listed
from pages.page import write_page
from pages.pictures import Picture, PictureRow, small_picture
from rows.images import ImageRef
from rows.pictures.folders import image_inside, is_image_folder
from rows.pictures.joined import Pictures, Thumbnail
from rows.tables import open_table
from rows.vectors.named_images import NamedImages

PICTURE_PX = 128
MAX_QUERIES = 200
"""Shown on a page; it says how many more there are."""


def write_search_gallery(
    page: Path,
    queries: Sequence[tuple[str, str | None]],
    found: Sequence[Sequence[dict[str, Any]]],
    *,
    num_queries: int,
    pictures: Mapping[str, str],
    parts: Sequence[tuple[str, str | None, bool]] = (),
    facts: dict[str, Any],
) -> None:
    """A row for each query, its neighbours beside it with their distances; a picture that is not there shows its id.

    Args:
        queries: id of each that is shown, MAX_QUERIES at most, and the data URL of its picture, or None.
        found: what Index.search gives for them.
        num_queries: how many there are in all.
        pictures: {id in the index: data URL}, as `pictures_of_ids` gives them.
        parts: of the one query that is made of several: id, data URL or None, and whether the query leads away from it.
        facts: "index", "num_rows", "distance", "lineage" of the index, "recall": text where it is approximate, and
            "condition": text that its rows meet, or None.

    Raises:
        OutputError: the page cannot be written.
    """

    def near(row: dict[str, Any]) -> Picture:
        name = str(row["id"])
        caption = f"{row['distance']:.4g}"
        return Picture(name=name, data=pictures.get(name), kind="near", title=name, captions=[(caption, "")])

    def asked(name: str, data: str | None, kind: str = "asked", sign: str = "") -> Picture:
        caption = f"{sign}{PurePosixPath(name).name}"
        return Picture(name=name, data=data, kind=kind, title=name, captions=[(caption, "")])

    if parts:
        (first, *others), neighbours = parts, [near(row) for row in found[0]]
        more = [asked(name, data, *(("asked away", "- ") if away else ("asked", "+ "))) for name, data, away in others]
        shown = [PictureRow(query=asked(*first[:2]), more=more, neighbours=neighbours)]
    else:
        shown = [
            PictureRow(query=asked(query, data), neighbours=[near(row) for row in rows])
            for (query, data), rows in zip(queries, found, strict=True)
        ]
    write_page(
        page,
        "search_gallery.html.jinja",
        queries=shown,
        left_out=num_queries - len(shown),
        side_px=96,
        rendering="auto",
        **facts,
    )


def pictures_of_ids(
    ids: Iterable[str],
    images: NamedImages | None,
    *,
    limits: Limits = DEFAULT_LIMITS,
    read_timeout_s: float = DEFAULT_READ_TIMEOUT_S,
    side_px: int = PICTURE_PX,
) -> tuple[dict[str, str], Sequence[str]]:
    """({id: data URL} of those that have a picture, what is odd about the table of images, a line each).

    A table that cannot be opened is odd: no id has a picture.

    Args:
        images: a folder that the ids are paths in, or a table, which is read once up to the last of them; None where
            nobody knows.
        limits, read_timeout_s: larger images, and later remote ones, have none.
        side_px: longest side of the pictures at most.

    Raises:
        DataError: the table is broken further down.
    """
    wanted = list(dict.fromkeys(ids))
    if images is None or not wanted:
        return {}, ()
    found: dict[str, str | None]
    notes: Sequence[str] = ()
    folder = images.folder
    if folder is not None and images.id_column is None and is_image_folder(folder):
        reading: dict[str, Any] = {"timeout_s": read_timeout_s, "side_px": side_px}
        found = {name: thumbnail(image_inside(folder, name), limits, **reading) for name in wanted}
        lacking = [repr(name) for name, data in found.items() if data is None]
        if lacking:
            notes = [f"{len(lacking):,} of {len(wanted):,} ids have no picture in {folder}: {listed(lacking, limit=3)}"]
    else:
        try:
            table = open_table(images.source, columns=images.columns, id_column=images.id_column)
        except DataError as error:  # that of a job long ago, say; who names one is told before the search
            return {}, [f"no pictures: {error}"]
        pictures = Pictures(wanted, table, limits=limits, read_timeout_s=read_timeout_s)
        found = {wanted[row]: _data_url(small, side_px) for row, small in pictures.thumbnails(side_px)}
        notes = pictures.notes
    return {name: data for name, data in found.items() if data is not None}, notes


def pictures_of_rows(pictures: Pictures | None, rows: Iterable[int]) -> dict[int, str]:
    """{row: data URL} of those rows of a table that have a picture.

    Where the table of images can be entered at any row only those are read, else all of it, once.

    Raises:
        DataError: the table is broken further down.
    """
    wanted = set(rows)
    if pictures is None or not wanted:
        return {}
    if not pictures.can_read_any:
        return {row: _data_url(small, PICTURE_PX) for row, small in pictures.thumbnails(PICTURE_PX) if row in wanted}
    found = {}
    for row in sorted(wanted):
        with contextlib.suppress(ImageError):
            found[row] = _data_url(pictures.thumbnail(row, PICTURE_PX), PICTURE_PX)
    return found


def _data_url(small: Thumbnail, side_px: int) -> str:
    height, width = small.pixels.shape[:2]
    return small_picture(small.pixels, side_px, exact=(width, height) == (small.width, small.height))


def thumbnail(
    image: ImageRef,
    limits: Limits = DEFAULT_LIMITS,
    *,
    timeout_s: float = DEFAULT_READ_TIMEOUT_S,
    side_px: int = PICTURE_PX,
) -> str | None:
    """The image as a data URL, at most `side_px` wide and high, exact where it fits; None where it cannot be read."""
    try:
        return small_picture(
            decode_image(image.read(limits.max_bytes, timeout_s=timeout_s), limits), side_px, exact=True
        )
    except ImageError:
        return None
