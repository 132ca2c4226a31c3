"""The page of `lookalike search`: queries with their nearest images beside them.

Decisions a reader would question:
- Ids are data, so a path in one leads nowhere but into the folder of images: absolute ones and `..` are placeholders.
  In a table of images an id is looked up, and is no path at all.
- Pictures of a search are decoded and shrunk to PICTURE_PX, so a page of photographs stays small, and what the page
  holds is an image and nothing else.
"""

from __future__ import annotations

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
from rows.ids import id_as_text
from rows.images import ImageRef
from rows.pictures.detected import DetectedPart, DetectedParts
from rows.pictures.folders import image_inside, is_image_folder
from rows.pictures.joined import Pictures, Thumbnail
from rows.pictures.some_rows import thumbnails_of
from rows.pictures.written import WrittenThumbnails
from rows.tables import ImageTable, open_read_as
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
        name = id_as_text(row["id"])
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
    parts: Mapping[str, DetectedPart] | None = None,
) -> tuple[dict[str, str], Sequence[str]]:
    """({id: data URL} of those that have a picture, what is odd about the table of images, a line each).

    A table that cannot be opened is odd: no id has a picture.

    Args:
        images: a folder that the ids are paths in, or a table, which is read once up to the last of them; None where
            nobody knows. Thumbnails of its jobs are taken where they are large enough, and where it is gone.
        limits, read_timeout_s: larger images, and later remote ones, have none.
        side_px: longest side of the pictures at most.
        parts: of ids that are detections, {id: the part of which image}; others are those of whole images.

    Raises:
        DataError: the table is broken further down.
    """
    wanted = list(dict.fromkeys(ids))
    if images is None or not wanted:
        return {}, ()
    jobs = [each for each in map(WrittenThumbnails.of, map(Path, images.jobs)) if each is not None]
    found = _written_pictures(wanted, [each for each in jobs if each.px >= side_px], side_px)
    rest = [name for name in wanted if name not in found]
    if not rest:
        return found, ()
    notes: Sequence[str]
    try:
        table = _table_of(images)
    except DataError as error:  # that of a job long ago, say; who names one is told before the search
        notes = [f"no pictures: {error}"]
    else:
        more, notes = _read_pictures(rest, images, table, parts or {}, limits, read_timeout_s, side_px)
        found |= more
    rest = [name for name in rest if name not in found]
    small = _written_pictures(rest, [each for each in jobs if each.px < side_px], side_px)
    return found | small, notes if len(small) < len(rest) else ()


def _written_pictures(ids: Sequence[str], jobs: Iterable[WrittenThumbnails], side_px: int) -> dict[str, str]:
    """{id: data URL} of those of which jobs have thumbnails."""
    found: dict[str, str] = {}
    for job in jobs:
        rest = [name for name in ids if name not in found]
        made = Pictures(rest, None, written=job).thumbnails(side_px) if rest else ()
        found |= {rest[row]: _data_url(small, side_px) for row, small in made}
    return found


def _table_of(images: NamedImages) -> ImageTable | None:
    """The table; None where it is a folder that the ids are paths in. Raises DataError where it cannot be opened."""
    if images.folder is not None and images.id_column is None and is_image_folder(images.folder):
        return None
    return open_read_as(images.source, images.read_as, columns=images.columns, id_column=images.id_column)


def _read_pictures(
    ids: Sequence[str],
    images: NamedImages,
    table: ImageTable | None,
    parts: Mapping[str, DetectedPart],
    limits: Limits,
    read_timeout_s: float,
    side_px: int,
) -> tuple[dict[str, str], Sequence[str]]:
    """As `pictures_of_ids`, from the images themselves."""
    if table is not None:
        read: dict[str, str] = {}
        told: list[str] = []
        cut = [name for name in ids if name in parts]
        of_cut = DetectedParts.of_each([parts[name] for name in cut])
        for names, each in (([name for name in ids if name not in parts], None), (cut, of_cut)):
            if names:
                pictures = Pictures(names, table, parts=each, limits=limits, read_timeout_s=read_timeout_s)
                read |= {names[row]: _data_url(small, side_px) for row, small in pictures.thumbnails(side_px)}
                told += pictures.notes
        return read, told
    folder = images.folder
    assert folder is not None
    reading: dict[str, Any] = {"timeout_s": read_timeout_s, "side_px": side_px}
    refs = {name: parts[name].of(image_inside(folder, parts[name].image_id)) for name in ids if name in parts}
    found = {name: thumbnail(refs.get(name) or image_inside(folder, name), limits, **reading) for name in ids}
    lacking = [repr(name) for name, data in found.items() if data is None]
    named = listed(lacking, limit=3)
    notes = [f"{len(lacking):,} of {len(ids):,} ids have no picture in {folder}: {named}"] if lacking else ()
    return {name: data for name, data in found.items() if data is not None}, notes


def pictures_of_rows(pictures: Pictures | None, rows: Iterable[int]) -> dict[int, str]:
    """{row: data URL} of those rows of a table that have a picture; raises DataError as thumbnails_of."""
    wanted = sorted(set(rows))
    if pictures is None or not wanted:
        return {}
    made = thumbnails_of(pictures, wanted, PICTURE_PX)
    return {row: _data_url(small, PICTURE_PX) for row, small in made if not isinstance(small, str)}


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
            decode_image(image.read(limits.max_bytes, max_pixels=limits.max_pixels, timeout_s=timeout_s), limits),
            side_px,
            exact=True,
        )
    except ImageError:
        return None
