"""What a search is asked for: vectors of a table, or images that the model of the same space turns into vectors.

Queries come in blocks, so that memory does not grow with a table of vectors, and with one of images only by its vectors
and ids. The pictures are kept of those alone that a page shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from artifact.arrays import Vectors
from artifact.errors import DataError, UsageError
from artifact.preprocessing import ImageError
from pages.gallery import MAX_QUERIES, image_inside
from rows.images import ImageRef
from rows.vectors.lineage import Lineage, require_same_space
from rows.vectors.table import VectorTable

if TYPE_CHECKING:
    from serving.client.scorer import Scorer

_ROWS = 256
_QUERIES = 4096
_ANSWERS = 100_000


@dataclass(frozen=True, kw_only=True)
class Queries:
    """Some queries in order.

    Attributes:
        ids: of each.
        vectors: float32 [Q, n].
        pictures: the image of each that a page shows: of the first MAX_QUERIES of all.
    """

    ids: Sequence[str]
    vectors: Vectors
    pictures: Sequence[ImageRef]


def read_queries(
    query: Path,
    *,
    k: int,
    column: str,
    lineage: Lineage | None,
    open_scorer: Callable[[], Scorer] | None,
    images: Path | None = None,
) -> tuple[int, Iterator[Queries]]:
    """Queries from an image, a folder or table of images, or a table of vectors.

    Args:
        k: neighbours that each will be given: the more, the fewer queries in a block.
        column: the vector column of a table of vectors.
        lineage: of the index.
        open_scorer: opens what turns images into vectors; None where no model was named.
        images: where the pictures of a table of vectors are, if the folder that was scored is not there.

    Returns:
        How many there are, and blocks of them; all that a page shows are in the first.

    Raises:
        UsageError: images without a model. SpaceError: another space than the index. DataError: nothing to be read.
    """
    size = max(MAX_QUERIES, min(_QUERIES, _ANSWERS // k))
    if _is_vectors(query, column):
        table = VectorTable.open(query, column)
        require_same_space(lineage, table.lineage)
        return table.num_rows, _vector_blocks(table, table.images or images, size)
    if open_scorer is None:
        raise UsageError("an image needs a model", expected="--model NAME and one of --url and --repository")
    with open_scorer() as scorer:
        require_same_space(lineage, scorer.lineage)
        source = _ImageQueries(query)
        vectors = scorer.embed(iter(source))
    if not source.ids:
        raise DataError("queries", expected="at least one image", got="none", where=query)
    return len(vectors), _image_blocks(source, vectors, size)


def _vector_blocks(table: VectorTable, folder: Path | None, size: int) -> Iterator[Queries]:
    named = ["id"] if "id" in table.columns else []
    for batch in table.batches(named, num_rows=size):
        rows: Iterable[Any] = range(batch.first_row, batch.first_row + len(batch))
        ids = [str(each) for each in (batch.columns["id"].to_pylist() if named else rows)]
        shown = [] if batch.first_row else [image_inside(folder, name) for name in ids[:MAX_QUERIES]]
        yield Queries(ids=ids, vectors=batch.vectors, pictures=shown)


def _image_blocks(source: _ImageQueries, vectors: Vectors, size: int) -> Iterator[Queries]:
    for first in range(0, len(vectors), size):
        part = slice(first, first + size)
        yield Queries(ids=source.ids[part], vectors=vectors[part], pictures=source.pictures[part])


class _ImageQueries:
    """The encoded images of a file, folder or table, read as they are asked for.

    Attributes:
        ids: of those read so far.
        pictures: of the first MAX_QUERIES of them.
    """

    def __init__(self, query: Path) -> None:
        self._query = query
        self.ids: list[str] = []
        self.pictures: list[ImageRef] = []

    def __iter__(self) -> Iterator[bytes]:
        for name, image in self._images():
            self.ids.append(name)
            if len(self.pictures) < MAX_QUERIES:
                self.pictures.append(image)
            try:
                yield image.read()
            except ImageError as error:
                raise DataError(f"query {name!r}", expected="an image", got=str(error)) from None

    def _images(self) -> Iterator[tuple[str, ImageRef]]:
        from rows.tables import FORMATS, open_table

        if self._query.is_file() and not self._query.name.lower().endswith(tuple(FORMATS)):
            yield str(self._query), ImageRef(path=self._query)
            return
        for batch in open_table(self._query).batches(_ROWS):
            yield from zip(batch.ids, batch.images["image"], strict=True)


def picture_finder(images: Path | None) -> Callable[[str], ImageRef]:
    """What finds the image of an id: a path in this folder."""
    return lambda name: image_inside(images, name)


def _is_vectors(query: Path, column: str) -> bool:
    """A scoring job's folder, a Parquet file or folder of parts with that column of vectors, or nothing that exists."""
    from rows.vectors.parts import MANIFEST, folder_parts, part_facts

    if query.is_dir():
        if (query / MANIFEST).exists():
            return True
        if not any(query.glob("part-*.parquet")):
            return False
        return column in part_facts(folder_parts(query)[0])[0].names  # Spark names tables of images so too
    if not query.is_file():
        return True
    return query.suffix.lower() in (".parquet", ".pq") and column in part_facts(query)[0].names
