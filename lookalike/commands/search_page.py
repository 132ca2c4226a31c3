"""The page of a search: which picture stands for each query, and what the page says of the index."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from artifact.images.limits import Limits

if TYPE_CHECKING:
    from analysis.search.index import Index
    from analysis.search.queries import Queries, QueryBlock
    from rows.pictures.detected import DetectedPart
    from rows.vectors.named_images import NamedImages


def write_page(
    page: Path,
    index: Index,
    queries: Queries,
    first: QueryBlock,
    found: list[list[dict[str, Any]]],
    *,
    name: str,
    condition: str | None,
    recall: str | None,
    images: NamedImages | None,
    limits: Limits,
    read_timeout_s: float,
) -> None:
    """Write the page of the first queries, or of the one that is made of several.

    Args:
        name: of the index.
        condition: that its rows meet.
        images: the table of images that the user named, if any.
    """
    from lookalike import console
    from pages.gallery import MAX_QUERIES, thumbnail, write_search_gallery
    from rows.ids import id_as_text
    from rows.pictures.detected import DetectedPart

    of_index = images or index.images
    of_queries = queries.named or images
    asked = _Asked(limits=limits, read_timeout_s=read_timeout_s)
    for row in (row for rows in found[:MAX_QUERIES] for row in rows):
        asked.add(of_index, id_as_text(row["id"]), DetectedPart.of_row(index.lineage, row))
    ids = list(first.ids[:MAX_QUERIES])
    if not first.images and not queries.parts and queries.are_pictured:
        for each, cut in zip(ids, first.parts or [None] * len(first.ids), strict=False):
            asked.add(of_queries, each, cut)
    for part in queries.parts:
        if part.image is None and part.is_pictured:
            asked.add(part.named or of_index, part.name, part.part)
    asked.read()

    def shown(image: Any, named: NamedImages | None, each: str, *, is_pictured: bool = True) -> str | None:
        if not is_pictured:
            return None
        return asked.of(named, each) if image is None else thumbnail(image, limits, timeout_s=read_timeout_s)

    images_of_queries = [*first.images, *[None] * len(ids)]
    pictures = (
        []
        if queries.parts
        else [
            shown(image, of_queries, each, is_pictured=queries.are_pictured)
            for image, each in zip(images_of_queries, ids, strict=False)
        ]
    )
    for line in asked.notes:
        console.note(line)
    write_search_gallery(
        page,
        list(zip(ids, pictures or [None] * len(ids), strict=True)),
        found[: len(ids)],
        num_queries=queries.num_queries,
        parts=[
            (
                each.name,
                shown(each.image, each.named or of_index, each.name, is_pictured=each.is_pictured),
                each.is_away,
            )
            for each in queries.parts
        ],
        pictures=asked.all_of(of_index),
        facts={
            "index": name,
            "recall": recall,
            "num_rows": index.num_rows,
            "distance": index.distance,
            "lineage": index.lineage,
            "condition": condition,
        },
    )
    console.note(f"{page} shows the pictures")


class _Asked:
    """Pictures by id, of as few readings of their tables as there are tables.

    Attributes:
        notes: what is odd about the tables, a line each.
    """

    def __init__(self, *, limits: Limits, read_timeout_s: float) -> None:
        self._reading: dict[str, Any] = {"limits": limits, "read_timeout_s": read_timeout_s}
        self._tables: list[NamedImages] = []
        self._ids: dict[int, list[str]] = defaultdict(list)
        self._parts: dict[int, dict[str, DetectedPart]] = defaultdict(dict)
        self._found: dict[int, dict[str, str]] = {}
        self.notes: list[str] = []

    def add(self, named: NamedImages | None, name: str, part: DetectedPart | None = None) -> None:
        """Ask for the picture of an id; of a detection, for the part of its image."""
        number = self._number(named)
        self._ids[number].append(name)
        if part is not None:
            self._parts[number].setdefault(name, part)

    def read(self) -> None:
        """Read all that were asked for."""
        from pages.gallery import pictures_of_ids

        for number, ids in self._ids.items():
            if number >= 0:
                reading = self._reading | {"parts": self._parts[number]}
                self._found[number], notes = pictures_of_ids(ids, self._tables[number], **reading)
                self.notes += notes

    def of(self, named: NamedImages | None, name: str) -> str | None:
        """The data URL of a picture, or None."""
        return self.all_of(named).get(name)

    def all_of(self, named: NamedImages | None) -> dict[str, str]:
        """{id: data URL} of one table."""
        return self._found.get(self._number(named), {})

    def _number(self, named: NamedImages | None) -> int:
        if named is None:
            return -1
        for number, each in enumerate(self._tables):
            if each.is_same(named):
                self._tables[number] = each.also_of(named)
                return number
        self._tables.append(named)
        return len(self._tables) - 1
