"""Queries of a search: vectors of a table, or images or attributes that a model of the same space turns into vectors.

Queries come in blocks, so that memory does not grow with a table of vectors, and with one of images only by its vectors
and ids. Of images, those alone are kept that the caller wants to show.

Images are read in query_images.py, attributes in query_attributes.py. Several queries that are one: combined.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from analysis.neighbours.batches import checked_batches
from analysis.search.query_attributes import AttributeWords, QueryAttributes
from analysis.search.query_images import Embedder, QueryImages
from artifact.arrays import Vectors
from artifact.errors import DataError, SpaceError, UsageError
from artifact.images.limits import DEFAULT_LIMITS, Limits
from artifact.limit_options import DEFAULT_READ_TIMEOUT_S
from artifact.prefixes import cut
from rows.formats.opening import is_table_place
from rows.ids import id_as_text
from rows.image_suffixes import ARRAYS, file_holds_image, suffix_of
from rows.images import ImageRef
from rows.pictures.detected import DetectedPart, detected_parts, part_columns
from rows.vectors.lineage import Lineage, require_same_space
from rows.vectors.named_images import NamedImages
from rows.vectors.own.opening import holds_vectors
from rows.vectors.parts import MANIFEST
from rows.vectors.table import VectorTable

BLOCK_QUERIES = 4096
BLOCK_ANSWERS = 100_000
"""Neighbours of all queries of a block together, at most."""


@dataclass(frozen=True, kw_only=True)
class QueryBlock:
    """Some queries in order.

    Attributes:
        ids: of each.
        vectors: float32 [Q, n].
        images: of the first of them, as far as they were asked for; of a table of vectors none.
        parts: of each that is a detection of a table of vectors, which part of which image it is.
    """

    ids: Sequence[str]
    vectors: Vectors
    images: Sequence[ImageRef] = ()
    parts: Sequence[DetectedPart | None] = ()


@dataclass(frozen=True, kw_only=True)
class QueryPart:
    """One of several pictures or vectors that are a query together.

    Attributes:
        name: its id, or its path.
        is_away: the query leads away from it.
        image: where it is an image.
        named: the table that its picture is in, by its id, where that is known and there is no image.
        part: of which image there it is which part, where it is a detection.
        is_pictured: it may have a picture; attributes have none.
    """

    name: str
    is_away: bool
    image: ImageRef | None = None
    named: NamedImages | None = None
    part: DetectedPart | None = None
    is_pictured: bool = True


@dataclass(frozen=True, kw_only=True)
class Queries:
    """All queries of a search.

    Attributes:
        num_queries: how many there are.
        blocks: all of them, once; those to be shown are all in the first.
        named: the table of images that a table of vectors was scored from, where that is known.
        notes: what an image folder holds besides, and whether nothing says which model gave some of the vectors.
        bad: (id, reason) of images that cannot be read; they are no queries.
        parts: what the one query is made of, where it is made of several (combined.py).
        are_pictured: they may have pictures; attributes have none.
    """

    num_queries: int
    blocks: Iterator[QueryBlock]
    named: NamedImages | None = None
    notes: Sequence[str] = ()
    bad: Sequence[tuple[str, str]] = ()
    parts: Sequence[QueryPart] = ()
    are_pictured: bool = True


def read_queries(
    query: Path | AttributeWords,
    *,
    k: int,
    lineage: Lineage | None,
    open_model: Callable[[], AbstractContextManager[Embedder]] | None,
    column: str | None = None,
    columns_from: Path | None = None,
    vouched: bool = False,
    dims: int | None = None,
    index_dim: int | None = None,
    num_shown: int = 0,
    limits: Limits = DEFAULT_LIMITS,
    read_timeout_s: float = DEFAULT_READ_TIMEOUT_S,
) -> Queries:
    """Queries from an image, a folder or table of images, a table of vectors, or attributes in words or in a table.

    Args:
        query: a place, or attributes; a table is one of attributes where the model takes those.
        k: neighbours that each will be given: the more, the fewer queries in a block.
        lineage: of the index.
        open_model: opens what turns images into vectors; None where no model was named.
        column, columns_from: of a table of vectors, as in VectorTable.open.
        vouched: somebody says that index and queries are of one space where one of them does not tell.
        dims: cut the vectors of a table to so many numbers; those of images are cut to what the index has, and to this
            where it does not tell.
        index_dim: numbers of a vector of the index; None: they are not looked at.
        num_shown: how many of the first queries will be shown: they are in one block, with their images.
        limits: larger files are refused before they are read.
        read_timeout_s: for each remote image, in seconds.

    Raises:
        UsageError: images or attributes without a model, or with one of the other tower; dims that are not promised, or
            that have to be asked for.
        SpaceError: another space than the index, or other dims.
        DataError: nothing to be read.
    """
    block_size = max(num_shown, min(BLOCK_QUERIES, BLOCK_ANSWERS // k))
    if isinstance(query, Path) and is_vectors(query, column) and not (open_model and _is_picture(query, column)):
        table = VectorTable.open(query, column, columns_from=columns_from).cut(dims)
        note = _compared(lineage, table.lineage, vouched=vouched)
        _require_dims(index_dim, table.dim, table.lineage, where=query)
        return Queries(
            num_queries=table.num_rows,
            blocks=_vector_blocks(table, block_size),
            named=table.images,
            notes=[*table.notes, *table.left_out.notes(query.name), *([note] if note else [])],
        )
    if columns_from is not None:
        got = "attributes" if isinstance(query, AttributeWords) else "images"
        raise UsageError("--columns-from", expected="queries that are vectors", got=got, where=_shown(query))
    if open_model is None:
        what = "attributes need" if isinstance(query, AttributeWords) else "an image needs"
        raise UsageError(f"{what} a model", expected="--model NAME and one of --url and --repository")
    source: QueryAttributes | QueryImages
    with open_model() as model:
        if isinstance(query, AttributeWords) or (model.attributes is not None and is_table_place(query)):
            source = QueryAttributes(query)
        else:
            source = QueryImages(query, num_kept=num_shown, max_bytes=limits.max_bytes, timeout_s=read_timeout_s)
        note = _compared(lineage, _fitting(model.lineage, lineage), vouched=vouched)
        vectors = source.embedded(model)
        given = model.lineage
    if len(vectors):
        vectors = _cut(vectors, given, lineage.dims if lineage is not None else dims, is_known=lineage is not None)
        _require_dims(index_dim, vectors.shape[1], given, where=f"model {given.artifact}")
    if not source.ids and not source.bad:
        raise DataError("queries", expected="at least one", got="none", where=_shown(query))
    if not source.ids:
        (name, reason), *others = source.bad
        of_all = f"; and none of {len(others)} others is one" if others else ""
        what = "an image" if isinstance(source, QueryImages) else "attributes"
        verb = "has" if isinstance(source, QueryImages) else "have"
        raise DataError(f"query {name!r}", expected=f"{what} that {verb} a vector", got=reason + of_all)
    return Queries(
        num_queries=len(vectors),
        blocks=_read_blocks(source, vectors, block_size),
        notes=[*source.notes, *([note] if note else [])],
        bad=source.bad,
        are_pictured=isinstance(source, QueryImages),
    )


def is_vectors(query: Path, column: str | None) -> bool:
    """Whether a search reads vectors there: a scoring job's folder, a file or a folder of parts with that column of
    vectors (without a name: any such column, unless there are images too), or nothing that exists."""
    if query.is_dir() and (query / MANIFEST).exists():
        return True
    if query.is_dir() and not any(query.glob("part-*.parquet")):
        return False
    return not query.exists() or holds_vectors(query, column)  # Spark names tables of images so too


def _is_picture(query: Path, column: str | None) -> bool:
    """Whether an array file is one grey picture, which is a table of vectors where nobody brings a model."""
    return column is None and query.is_file() and suffix_of(query.name) in ARRAYS and file_holds_image(query)


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
    numbers = table.row_numbers
    named = [name for name in ("id", *part_columns(table.lineage, table.columns)) if name in table.columns]
    for batch in checked_batches(table, named, num_rows=size):
        rows: Iterable[Any] = numbers[batch.first_row : batch.first_row + len(batch)].tolist()
        ids = [id_as_text(each) for each in (batch.columns["id"].to_pylist() if "id" in named else rows)]
        yield QueryBlock(ids=ids, vectors=batch.vectors, parts=detected_parts(table.lineage, batch.columns))


def _shown(query: Path | AttributeWords) -> object:
    return query.text if isinstance(query, AttributeWords) else query


def _read_blocks(source: QueryImages | QueryAttributes, vectors: Vectors, size: int) -> Iterator[QueryBlock]:
    for first in range(0, len(vectors), size):
        part = slice(first, first + size)
        yield QueryBlock(ids=source.ids[part], vectors=vectors[part], images=source.kept[part])
