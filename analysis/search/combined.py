"""One query made of several: towards some pictures or vectors, and away from others.

    q = p + AWAY (p - m)        p: mean of those to go towards, m: mean of those to go away from

That is Rocchio's relevance feedback (1971) with weights that add up to 1: for a distance of directions every vector is
brought to length 1 before the means, for the others p and m are means of the vectors as they are, and q does not depend
on where the origin lies. Every picture counts once, whether it came alone or in a folder.

Decisions a reader would question:
- An image that cannot be read ends the search: without it the query would be another one.
- `id:NAME` is a row of the index, and needs no model. A file of such a name is found as ./id:NAME. So it is with
  `attributes:color=red`, for a model that takes attributes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from typing import Protocol

import numpy as np

from analysis.search.index import Index
from analysis.search.queries import Queries, QueryBlock, QueryPart
from analysis.search.query_attributes import PREFIX, AttributeWords
from analysis.search.query_images import Embedder
from artifact.arrays import Numbers, Vectors
from artifact.distances import DISTANCES
from artifact.distances.cosine import unit_vectors
from artifact.errors import DataError
from artifact.listing import listed
from rows.pictures.detected import DetectedPart

AWAY = 0.5
"""How far beyond p the query lies, in distances from m to p."""

ID_PREFIX = "id:"

_MOST_PARTS = 24
"""Told of each side: a folder of thousands is a query too."""
_SHORTEST = 1e-6
"""Length of the mean of unit vectors below which they cancel out, and what is left is rounding."""

Opener = Callable[[], AbstractContextManager[Embedder]]


class Reader(Protocol):
    """Reads the queries at a place, or attributes, such as `read_queries` with all else that it wants to know."""

    def __call__(self, query: Path | AttributeWords, *, open_model: Opener | None) -> Queries:
        """The queries there."""
        ...


def place_or_attributes(word: str) -> Path | AttributeWords:
    """What a query names that is no row of the index."""
    if word.startswith(PREFIX):
        return AttributeWords(word.removeprefix(PREFIX))
    return Path(word)


def is_combined(towards: Sequence[str], away: Sequence[str]) -> bool:
    """Whether queries that were named are one together; a single file or folder holds queries of their own."""
    return len(towards) > 1 or bool(away) or towards[0].startswith(ID_PREFIX)


def read_combined(
    towards: Sequence[str], away: Sequence[str], index: Index, *, read: Reader, open_model: Opener | None
) -> Queries:
    """One query of all rows of all files, folders and tables, and of rows of the index.

    Args:
        towards, away: paths, `id:NAME`, or `attributes:NAME=VALUE,...`; at least one of `towards`.
        index: its distance says how means are taken.
        open_model: opened once, where the first image needs it.

    Raises:
        DataError: no such id, an image that cannot be read, or directions that cancel out.
        As `read`.
    """
    notes: list[str] = []
    means, parts = [], []
    with ExitStack() as stack:
        opened: list[Embedder] = []

        def open_once() -> AbstractContextManager[Embedder]:
            if not opened and open_model is not None:
                opened.append(stack.enter_context(open_model()))
            return nullcontext(opened[0])

        reading = _Reading(index, read, open_once if open_model is not None else None, notes)
        for words, is_away in ((towards, False), (away, True)):
            mean = _Mean(index.distance, index.dim)
            told: list[QueryPart] = []
            for word in words:
                told += reading.add(word, mean, is_away=is_away)
            means.append(mean)
            parts += told[:_MOST_PARTS]
    vector = combine(means[0].value(), means[1].value() if away else None, distance=index.distance)
    said = [[word.removeprefix(PREFIX) for word in words] for words in (towards, away)]
    name = " - ".join([listed(said[0], separator=" + "), *([listed(said[1], separator=" - ")] if away else [])])
    block = QueryBlock(ids=[name], vectors=vector[None])
    return Queries(num_queries=1, blocks=iter([block]), notes=list(dict.fromkeys(notes)), parts=parts)


def combine(towards: Numbers, away: Numbers | None, *, distance: str) -> Vectors:
    """The vector of a query, float32 [n].

    Args:
        towards: p, float64 [n].
        away: m, float64 [n], or None.

    Raises:
        DataError: for a distance of directions, where they cancel out: the query has none.
    """
    query = towards if away is None else towards + AWAY * (towards - away)
    if DISTANCES[distance].of_directions and np.linalg.norm(query) < _SHORTEST:
        raise DataError("query", expected="vectors with a direction in common", got="vectors that cancel out")
    vector: Vectors = query.astype(np.float32)
    return vector


class _Mean:
    """The mean of vectors that come in blocks; of their directions where the distance is one of directions."""

    def __init__(self, distance: str, dim: int) -> None:
        self._of_directions = DISTANCES[distance].of_directions
        self._sum, self._count = np.zeros(dim), 0

    def add(self, vectors: Vectors) -> None:
        if vectors.shape[1] != len(self._sum):
            raise DataError("queries", expected=f"{len(self._sum)} dims as the index has", got=str(vectors.shape[1]))
        self._sum += (unit_vectors(vectors) if self._of_directions else vectors).sum(axis=0, dtype=np.float64)
        self._count += len(vectors)

    def value(self) -> Numbers:
        mean: Numbers = self._sum / self._count
        return mean


class _Reading:
    """Adds what a word names to a mean, and says what that is."""

    def __init__(self, index: Index, read: Reader, open_model: Opener | None, notes: list[str]) -> None:
        self._index, self._read, self._open_model, self._notes = index, read, open_model, notes

    def add(self, word: str, mean: _Mean, *, is_away: bool) -> list[QueryPart]:
        """Its first rows, for who wants to show them."""
        if word.startswith(ID_PREFIX):
            name = word.removeprefix(ID_PREFIX)
            places = self._index.places_of(name)
            mean.add(self._index.vectors_at(places))
            row = self._index.rows_at(places[:1]).to_pylist()[0]
            return [QueryPart(name=name, is_away=is_away, part=DetectedPart.of_row(self._index.lineage, row))]
        queries = self._read(place_or_attributes(word), open_model=self._open_model)
        if queries.bad:
            (name, reason), *others = queries.bad
            of_all = f"; and {len(others)} more" if others else ""
            raise DataError(f"query {name!r}", expected="one that has a vector", got=reason + of_all)
        self._notes += queries.notes
        parts: list[QueryPart] = []
        for block in queries.blocks:
            mean.add(block.vectors)
            if len(parts) < _MOST_PARTS:
                images = [*block.images, *[None] * (len(block.ids) - len(block.images))]
                cut = block.parts or [None] * len(block.ids)
                parts += [
                    QueryPart(
                        name=name,
                        is_away=is_away,
                        image=image,
                        named=queries.named,
                        part=part,
                        is_pictured=queries.are_pictured,
                    )
                    for name, image, part in zip(block.ids, images, cut, strict=True)
                ]
        return parts
