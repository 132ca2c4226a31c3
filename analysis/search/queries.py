"""Queries of a search: vectors of a table, or images that a model of the same space turns into vectors.

Queries come in blocks, so that memory does not grow with a table of vectors, and with one of images only by its vectors
and ids. Of images, those alone are kept that the caller wants to show.

Decision a reader would question: nothing of serving/ is imported, for analysis/ stands beside it. What turns images
into vectors is handed in; serving.client.scorer.Scorer is one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from artifact.arrays import Vectors
from artifact.decoding import ImageError
from artifact.errors import DataError, UsageError
from artifact.limits import DEFAULT_LIMITS, Limits
from rows.formats.opening import is_table_file
from rows.images import ImageRef
from rows.tables import open_table
from rows.vectors.lineage import Lineage, require_same_space
from rows.vectors.parts import MANIFEST, folder_parts, part_facts
from rows.vectors.table import VectorTable

BLOCK_QUERIES = 4096
BLOCK_ANSWERS = 100_000
"""Neighbours of all queries of a block together, at most."""

_ROWS_PER_READ = 256


class Embedder(Protocol):
    """A model that turns images into vectors of one space."""

    @property
    def lineage(self) -> Lineage:
        """The artifact that its vectors come from."""
        ...

    def embed(self, images: Iterator[bytes], /) -> Vectors:
        """float32 [images, n] of encoded images, in order."""
        ...


@dataclass(frozen=True, kw_only=True)
class QueryBlock:
    """Some queries in order.

    Attributes:
        ids: of each.
        vectors: float32 [Q, n].
        images: of the first of them, as far as they were asked for; of a table of vectors none.
    """

    ids: Sequence[str]
    vectors: Vectors
    images: Sequence[ImageRef] = ()


@dataclass(frozen=True, kw_only=True)
class Queries:
    """All queries of a search.

    Attributes:
        num_queries: how many there are.
        blocks: all of them, once; those to be shown are all in the first.
        folder: the images of a table of vectors, where that is known: its ids are paths in there.
    """

    num_queries: int
    blocks: Iterator[QueryBlock]
    folder: Path | None = None


def read_queries(
    query: Path,
    *,
    k: int,
    column: str,
    lineage: Lineage | None,
    open_model: Callable[[], AbstractContextManager[Embedder]] | None,
    num_shown: int = 0,
    limits: Limits = DEFAULT_LIMITS,
) -> Queries:
    """Queries from an image, a folder or table of images, or a table of vectors.

    Args:
        k: neighbours that each will be given: the more, the fewer queries in a block.
        column: the vector column of a table of vectors.
        lineage: of the index.
        open_model: opens what turns images into vectors; None where no model was named.
        num_shown: how many of the first queries will be shown: they are in one block, with their images.
        limits: larger files are refused before they are read.

    Raises:
        UsageError: images without a model.
        SpaceError: another space than the index.
        DataError: nothing to be read.
    """
    block_size = max(num_shown, min(BLOCK_QUERIES, BLOCK_ANSWERS // k))
    if is_vectors(query, column):
        table = VectorTable.open(query, column)
        require_same_space(lineage, table.lineage)
        return Queries(num_queries=table.num_rows, blocks=_vector_blocks(table, block_size), folder=table.images)
    if open_model is None:
        raise UsageError("an image needs a model", expected="--model NAME and one of --url and --repository")
    source = _Images(query, num_kept=num_shown, limits=limits)
    with open_model() as model:
        require_same_space(lineage, model.lineage)
        vectors = model.embed(iter(source))
    if not source.ids:
        raise DataError("queries", expected="at least one image", got="none", where=query)
    return Queries(num_queries=len(vectors), blocks=_image_blocks(source, vectors, block_size))


def is_vectors(query: Path, column: str) -> bool:
    """Whether a search reads vectors there: a scoring job's folder, a Parquet file or a folder of parts with that
    column of vectors, or nothing that exists."""
    if query.is_dir():
        if (query / MANIFEST).exists():
            return True
        if not any(query.glob("part-*.parquet")):
            return False
        return column in part_facts(folder_parts(query)[0])[0].names  # Spark names tables of images so too
    if not query.is_file():
        return True
    return query.suffix.lower() in (".parquet", ".pq") and column in part_facts(query)[0].names


def _vector_blocks(table: VectorTable, size: int) -> Iterator[QueryBlock]:
    named = ["id"] if "id" in table.columns else []
    for batch in table.batches(named, num_rows=size):
        rows: Iterable[Any] = range(batch.first_row, batch.first_row + len(batch))
        ids = [str(each) for each in (batch.columns["id"].to_pylist() if named else rows)]
        yield QueryBlock(ids=ids, vectors=batch.vectors)


def _image_blocks(source: _Images, vectors: Vectors, size: int) -> Iterator[QueryBlock]:
    for first in range(0, len(vectors), size):
        part = slice(first, first + size)
        yield QueryBlock(ids=source.ids[part], vectors=vectors[part], images=source.kept[part])


class _Images:
    """The encoded images of a file, folder or table, read as they are asked for.

    Attributes:
        ids: of those read so far.
        kept: where the first `num_kept` of them are.
    """

    def __init__(self, query: Path, *, num_kept: int, limits: Limits) -> None:
        self._query, self._num_kept, self._limits = query, num_kept, limits
        self.ids: list[str] = []
        self.kept: list[ImageRef] = []

    def __iter__(self) -> Iterator[bytes]:
        for name, image in self._named_images():
            self.ids.append(name)
            if len(self.kept) < self._num_kept:
                self.kept.append(image)
            try:
                yield image.read(self._limits.max_bytes)
            except ImageError as error:
                raise DataError(f"query {name!r}", expected="an image", got=str(error)) from None

    def _named_images(self) -> Iterator[tuple[str, ImageRef]]:
        if self._query.is_file() and not is_table_file(self._query.name):
            yield str(self._query), ImageRef(path=self._query)
            return
        table = open_table(self._query)
        table.allow_images(self._limits.max_bytes)
        for batch in table.batches(_ROWS_PER_READ):
            yield from zip(batch.ids, batch.images["image"], strict=True)
