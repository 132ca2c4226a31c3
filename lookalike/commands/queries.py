"""What a search is asked for: vectors of a table, or images that the model of the same space turns into vectors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from artifact.distances import Vectors
from artifact.errors import DataError, UsageError
from artifact.preprocessing import ImageError
from lookalike.gallery import image_inside
from rows.images import ImageRef
from rows.lineage import Lineage, require_same_space
from rows.vectors import VectorTable

if TYPE_CHECKING:
    from serving.client.scorer import Scorer

_ROWS = 256


@dataclass(frozen=True, kw_only=True)
class Queries:
    """Queries in order.

    Attributes:
        ids: of each.
        vectors: float32 [Q, n].
        pictures: the image of each, an empty ref where it is not known.
    """

    ids: list[str]
    vectors: Vectors
    pictures: list[ImageRef]


def read_queries(
    query: Path,
    *,
    column: str,
    lineage: Lineage | None,
    open_scorer: Callable[[], Scorer] | None,
    images: Path | None = None,
) -> Queries:
    """Queries from an image, a folder or table of images, or a table of vectors.

    Args:
        column: the vector column of a table of vectors.
        lineage: of the index.
        open_scorer: opens what turns images into vectors; None where no model was named.
        images: where the pictures of a table of vectors are, if the folder that was scored is not there.

    Raises:
        UsageError: images without a model. SpaceError: another space than the index. DataError: nothing to be read.
    """
    if _is_vectors(query, column):
        table = VectorTable.open(query, column)
        require_same_space(lineage, table.lineage)
        pictures = [image_inside(table.images or images, name) for name in table.ids]
        return Queries(ids=table.ids, vectors=table.matrix, pictures=pictures)
    if open_scorer is None:
        raise UsageError("an image needs a model", expected="--model NAME and one of --url and --repository")
    with open_scorer() as scorer:
        require_same_space(lineage, scorer.lineage)
        ids, refs = _images(query)
        return Queries(ids=ids, vectors=scorer.embed(_encoded(ids, refs)), pictures=refs)


def picture_finder(images: Path | None) -> Callable[[str], ImageRef]:
    """What finds the image of an id: a path in this folder."""
    return lambda name: image_inside(images, name)


def _is_vectors(query: Path, column: str) -> bool:
    """A finished or unfinished job's folder, a Parquet file with that column of vectors, or nothing that exists."""
    if query.is_dir():
        return (query / "manifest.json").exists() or any(query.glob("part-*.parquet"))
    if not query.is_file():
        return True
    if query.suffix.lower() not in (".parquet", ".pq"):
        return False
    from rows.parts import part_facts

    return column in part_facts(query)[0].names


def _images(query: Path) -> tuple[list[str], list[ImageRef]]:
    from rows.tables import FORMATS, open_table

    if query.is_file() and not query.name.lower().endswith(tuple(FORMATS)):
        return [str(query)], [ImageRef(path=query)]
    ids: list[str] = []
    images: list[ImageRef] = []
    for batch in open_table(query).batches(_ROWS):
        ids += batch.ids
        images += batch.images["image"]
    if not ids:
        raise DataError("queries", expected="at least one image", got="none", where=query)
    return ids, images


def _encoded(ids: Sequence[str], images: Sequence[ImageRef]) -> Iterator[bytes]:
    for name, image in zip(ids, images, strict=True):
        try:
            yield image.read()
        except ImageError as error:
            raise DataError(f"query {name!r}", expected="an image", got=str(error)) from None
