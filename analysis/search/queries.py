"""Queries of a search: vectors of a table, or images that a model of the same space turns into vectors.

Queries come in blocks, so that memory does not grow with a table of vectors, and with one of images only by its vectors
and ids. Of images, those alone are kept that the caller wants to show.

Decision a reader would question: nothing of serving/ is imported, for analysis/ stands beside it. What turns images
into vectors is handed in; serving.client.scorer.Scorer is one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from analysis.neighbours.batches import checked_batches
from artifact.arrays import Vectors
from artifact.errors import DataError, SpaceError, UsageError
from artifact.images.image_error import ImageError
from artifact.images.limits import DEFAULT_LIMITS, Limits
from artifact.limit_options import DEFAULT_READ_TIMEOUT_S
from artifact.prefixes import cut
from rows.cells import is_unmistakable
from rows.formats.opening import is_table_file
from rows.images import ImageRef
from rows.tables import open_table
from rows.vectors.column import EMBEDDING
from rows.vectors.column import is_vectors as holds_vectors
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

    def embed_iter(self, images: Iterator[bytes], /, *, bad: Literal["yield"]) -> Iterator[Vectors | ImageError]:
        """float32 [n] of each encoded image, in order, or why it cannot be read."""
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
        notes: what an image folder holds besides, and whether nothing says which model gave some of the vectors.
        bad: (id, reason) of images that cannot be read; they are no queries.
    """

    num_queries: int
    blocks: Iterator[QueryBlock]
    folder: Path | None = None
    notes: Sequence[str] = ()
    bad: Sequence[tuple[str, str]] = ()


def read_queries(
    query: Path,
    *,
    k: int,
    lineage: Lineage | None,
    open_model: Callable[[], AbstractContextManager[Embedder]] | None,
    column: str | None = None,
    vouched: bool = False,
    dims: int | None = None,
    index_dim: int | None = None,
    num_shown: int = 0,
    limits: Limits = DEFAULT_LIMITS,
    read_timeout_s: float = DEFAULT_READ_TIMEOUT_S,
) -> Queries:
    """Queries from an image, a folder or table of images, or a table of vectors.

    Args:
        k: neighbours that each will be given: the more, the fewer queries in a block.
        lineage: of the index.
        open_model: opens what turns images into vectors; None where no model was named.
        column: the vector column of a table of vectors; None as in VectorTable.open.
        vouched: somebody says that index and queries are of one space where one of them does not tell.
        dims: cut the vectors of a table to so many numbers; those of images are cut to what the index has, and to this
            where it does not tell.
        index_dim: numbers of a vector of the index; None: they are not looked at.
        num_shown: how many of the first queries will be shown: they are in one block, with their images.
        limits: larger files are refused before they are read.
        read_timeout_s: for each remote image, in seconds.

    Raises:
        UsageError: images without a model; dims that are not promised, or that have to be asked for.
        SpaceError: another space than the index, or other dims.
        DataError: nothing to be read.
    """
    block_size = max(num_shown, min(BLOCK_QUERIES, BLOCK_ANSWERS // k))
    if is_vectors(query, column):
        table = VectorTable.open(query, column).cut(dims)
        note = _compared(lineage, table.lineage, vouched=vouched)
        _require_dims(index_dim, table.dim, table.lineage, where=query)
        return Queries(
            num_queries=table.num_rows,
            blocks=_vector_blocks(table, block_size),
            folder=table.images,
            notes=[note] if note else [],
        )
    if open_model is None:
        raise UsageError("an image needs a model", expected="--model NAME and one of --url and --repository")
    source = _Images(query, num_kept=num_shown, max_bytes=limits.max_bytes, timeout_s=read_timeout_s)
    with open_model() as model:
        note = _compared(lineage, _fitting(model.lineage, lineage), vouched=vouched)
        vectors = source.embedded(model)
        given = model.lineage
    if len(vectors):
        vectors = _cut(vectors, given, lineage.dims if lineage is not None else dims, is_known=lineage is not None)
        _require_dims(index_dim, vectors.shape[1], given, where=f"model {given.artifact}")
    if not source.ids and not source.bad:
        raise DataError("queries", expected="at least one image", got="none", where=query)
    if not source.ids:
        (name, reason), *others = source.bad
        of_all = f"; and none of {len(others)} others is one" if others else ""
        raise DataError(f"query {name!r}", expected="an image that has a vector", got=reason + of_all)
    blocks = _image_blocks(source, vectors, block_size)
    notes = [*source.notes, *([note] if note else [])]
    return Queries(num_queries=len(vectors), blocks=blocks, notes=notes, bad=source.bad)


def is_vectors(query: Path, column: str | None) -> bool:
    """Whether a search reads vectors there: a scoring job's folder, a Parquet file or a folder of parts with that
    column of vectors (without a name: any such column, unless there are images too), or nothing that exists."""
    if query.is_dir():
        if (query / MANIFEST).exists():
            return True
        if not any(query.glob("part-*.parquet")):
            return False
        return _has_vectors(folder_parts(query)[0], column)  # Spark names tables of images so too
    if not query.is_file():
        return True
    return query.suffix.lower() in (".parquet", ".pq") and _has_vectors(query, column)


def _has_vectors(part: Path, column: str | None) -> bool:
    schema = part_facts(part)[0]
    if column is not None or EMBEDDING in schema.names:
        return (column or EMBEDDING) in schema.names
    is_of_images = any(field.name == "image" or is_unmistakable(field.type) for field in schema)
    return not is_of_images and any(holds_vectors(field.type) for field in schema)


def _compared(index: Lineage | None, queries: Lineage | None, *, vouched: bool) -> str | None:
    """See that queries are of the index's space; what is to be told where nothing says so."""
    names = ("the index", "the queries")
    try:
        require_same_space(index, queries, names=names, vouched=vouched)
    except SpaceError as error:
        if index is not None and queries is not None:
            raise
        mend = f"{error.mend}, or say with --distance NAME that they are of one space all the same"
        raise error.but(mend=mend) from None
    unknown = [name for name, lineage in zip(names, (index, queries), strict=True) if lineage is None]
    if not unknown:
        return None
    return f"nothing says which model gave the vectors of {' and '.join(unknown)}: they are taken to be of one space"


def _fitting(model: Lineage, index: Lineage | None) -> Lineage:
    """The lineage of a model's vectors when they are cut to what an index has, where they are longer."""
    if index is None or index.dims is None or (model.dims is not None and model.dims < index.dims):
        return model
    return replace(model, dims=index.dims)


def _cut(vectors: Vectors, lineage: Lineage, dims: int | None, *, is_known: bool) -> Vectors:
    """Vectors of a model as an index has them; float32 [N, n] -> float32 [N, dims].

    Args:
        is_known: the index is of the model's space: what it was cut to needs no other promise.

    Raises:
        UsageError: the model promises no such prefix.
    """
    if dims is None or dims == vectors.shape[1]:
        return vectors
    if not is_known:
        lineage.cut(dims, whole=vectors.shape[1], where=f"model {lineage.artifact}")
    return cut(vectors, dims, normalized=lineage.normalized)


def _require_dims(index_dim: int | None, width: int, lineage: Lineage | None, *, where: object) -> None:
    """Refuse queries that may be cut to what an index of unknown origin has; other widths the index refuses itself."""
    promised = [] if lineage is None else [each for each, _ in lineage.prefixes]
    if index_dim is None or width == index_dim or index_dim not in promised:
        return
    mend = f"use --dims {index_dim}, if the index is of the first {index_dim} numbers of such vectors"
    raise UsageError(
        "queries", expected=f"{index_dim} numbers, as the index has", got=str(width), where=where, mend=mend
    )


def _vector_blocks(table: VectorTable, size: int) -> Iterator[QueryBlock]:
    named = ["id"] if "id" in table.columns else []
    for batch in checked_batches(table, named, num_rows=size):
        rows: Iterable[Any] = range(batch.first_row, batch.first_row + len(batch))
        ids = [str(each) for each in (batch.columns["id"].to_pylist() if named else rows)]
        yield QueryBlock(ids=ids, vectors=batch.vectors)


def _image_blocks(source: _Images, vectors: Vectors, size: int) -> Iterator[QueryBlock]:
    for first in range(0, len(vectors), size):
        part = slice(first, first + size)
        yield QueryBlock(ids=source.ids[part], vectors=vectors[part], images=source.kept[part])


class _Images:
    """The encoded images of a file, folder or table, read as they are asked for.

    Decision a reader would question: an image that cannot be read is left out and told, and ends the search only where
    it is the only one.

    Attributes:
        ids: of those that have a vector.
        kept: where the first `num_kept` of them are.
        bad: (id, reason) of the others.
        notes: what an image folder holds besides.
    """

    def __init__(self, query: Path, *, num_kept: int, max_bytes: int, timeout_s: float) -> None:
        self._query, self._num_kept = query, num_kept
        self._max_bytes, self._timeout_s = max_bytes, timeout_s
        self._waiting: deque[tuple[str, ImageRef]] = deque()
        self.ids: list[str] = []
        self.kept: list[ImageRef] = []
        self.bad: list[tuple[str, str]] = []
        self.notes: list[str] = []

    def embedded(self, model: Embedder) -> Vectors:
        """float32 [images, n] of those that can be read."""
        vectors: list[Vectors] = []
        for answer in model.embed_iter(self._contents(), bad="yield"):
            name, image = self._waiting.popleft()
            if isinstance(answer, ImageError):
                self.bad.append((name, str(answer)))
                continue
            self.ids.append(name)
            if len(self.kept) < self._num_kept:
                self.kept.append(image)
            vectors.append(answer)
        return np.stack(vectors) if vectors else np.zeros((0, 0), np.float32)

    def _contents(self) -> Iterator[bytes]:
        for name, image in self._named_images():
            try:
                content = image.read(self._max_bytes, timeout_s=self._timeout_s)
            except ImageError as error:
                self.bad.append((name, str(error)))
                continue
            self._waiting.append((name, image))
            yield content

    def _named_images(self) -> Iterator[tuple[str, ImageRef]]:
        if self._query.is_file() and not is_table_file(self._query.name):
            yield str(self._query), ImageRef(path=self._query)
            return
        table = open_table(self._query)
        self.notes = table.notes
        table.allow_images(self._max_bytes)
        for batch in table.batches(_ROWS_PER_READ):
            yield from zip(batch.ids, batch.images["image"], strict=True)
