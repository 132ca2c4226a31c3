"""Attributes as queries: words read, tables read, towards and away, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from analysis.search.combined import combine, read_combined
from analysis.search.index import Index
from analysis.search.queries import read_queries
from analysis.search.query_attributes import AttributeWords
from artifact.arrays import Vectors
from artifact.errors import DataError, SpaceError, UsageError
from artifact.images.image_error import ImageError
from rows.attribute_rows import AttributeRow
from rows.vectors.lineage import Lineage
from rows.vectors.table import VectorTable
from tests.shared.tiny_attribute_tower import TINY_ATTRIBUTES, linear_rows
from tests.shared.two_tower_models import vectors_of, write_csv


def lineage(space: str = "s", mode: str = "attributes") -> Lineage:
    return Lineage(
        artifact="tower", version=1, digest="d", space=space, distance="euclidean", normalized=False, mode=mode
    )


class Tower:
    """The network of tiny_attribute_tower.py, without a server or a client."""

    attributes = TINY_ATTRIBUTES
    attribute_model = None
    lineage = lineage()

    def embed_attributes(self, rows: Iterator[AttributeRow], *, bad: str) -> Iterator[Vectors | ImageError]:
        for row in rows:
            yield ImageError(row.fault) if row.fault else linear_rows(np.frombuffer(row.data, np.float32)[None])[0]

    def embed_iter(self, images: Iterator[bytes], *, bad: str) -> Iterator[Vectors]:
        raise UsageError("images: use the other")


read = partial(read_queries, k=3, lineage=lineage(mode="branch"), open_model=lambda: nullcontext(Tower()))


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("color=red", {"color": "red"}),
        (" color = red , striped=1", {"color": "red", "striped": "1"}),
        ("color=red, dark,size=2", {"color": "red, dark", "size": "2"}),
        ("name=a=b", {"name": "a=b"}),
    ],
)
def test_words_are_read_as_attributes(text: str, values: dict[str, str]) -> None:
    """Commas within values, and an equals sign."""
    assert AttributeWords(text).values() == values


@pytest.mark.parametrize("text", ["", "color", "color=", "=red", ",", "color=red,striped=", "color=red,color=blue"])
def test_words_that_are_no_attributes_are_refused(text: str) -> None:
    """One line that shows them."""
    with pytest.raises(
        UsageError, match=r"attributes: expected NAME=VALUE|attribute 'color': expected one value, got two"
    ):
        AttributeWords(text).values()


def test_words_are_one_query() -> None:
    """Its name is what was written, its vector the tower's; it has no picture."""
    queries = read(AttributeWords("color=red,size=4"))
    (block,) = queries.blocks
    assert (queries.num_queries, block.ids, queries.are_pictured) == (1, ["color=red,size=4"], False)
    np.testing.assert_allclose(block.vectors, vectors_of({"color": ["red"], "size": [4]}), atol=1e-5)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("colour=red", "attribute: expected one of color, striped, size, got 'colour'; did you mean color?"),
        ("color=rad", "attribute 'color': expected one of blue, green, red, got 'rad'; did you mean red?"),
        ("striped=maybe", "attribute 'striped': expected 1 or 0, got 'maybe'"),
    ],
)
def test_unknown_names_and_values_are_refused_with_the_nearest(text: str, line: str) -> None:
    """In words a wrong value is an error, and not a query that is left out."""
    with pytest.raises(UsageError) as error:
        read(AttributeWords(text))
    assert str(error.value) == line


def test_rows_of_a_table_are_queries(tmp_path: Path) -> None:
    """In order; the bad one is left out and told, as is the attribute that no column has."""
    file = write_csv(tmp_path / "q.csv", {"color": ["red", "rot", "blue"]}, id=["a", "b", "c"])
    queries = read(file)
    (block,) = queries.blocks
    assert block.ids == ["a", "c"]
    np.testing.assert_allclose(block.vectors, vectors_of({"color": ["red", "blue"]}), atol=1e-5)
    assert [name for name, _ in queries.bad] == ["b"]
    assert queries.notes == ["no column for striped, size: missing in all rows"]
    none = write_csv(tmp_path / "none.csv", {"color": ["rot"]}, id=["b"])
    with pytest.raises(DataError, match="query 'b': expected attributes that have a vector, got attribute 'color'"):
        read(none)


def test_towards_attributes_and_away_from_others() -> None:
    """Means as of pictures, with rows of the index among them."""
    vectors = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    index = Index.build(VectorTable.from_arrays(vectors, {"id": [f"r{row}" for row in range(5)]}), distance="euclidean")
    red, blue = (vectors_of({"color": [name]})[0].astype(np.float64) for name in ("red", "blue"))
    queries = read_combined(
        ["attributes:color=red", "id:r1"],
        ["attributes:color=blue"],
        index,
        read=read,
        open_model=lambda: nullcontext(Tower()),
    )
    (block,) = queries.blocks
    expected = combine((red + vectors[1]) / 2, blue, distance="euclidean")
    np.testing.assert_allclose(block.vectors[0], expected, atol=1e-5)
    assert block.ids == ["color=red + id:r1 - color=blue"]
    assert [(part.name, part.is_away, part.is_pictured) for part in queries.parts] == [
        ("color=red", False, False),
        ("r1", False, True),
        ("color=blue", True, False),
    ]


def test_attributes_of_another_space_or_without_a_model_are_refused(tmp_path: Path) -> None:
    """One space for both towers, and no other."""
    with pytest.raises(SpaceError, match="vectors of two spaces"):
        read(AttributeWords("color=red"), lineage=lineage("other"))
    with pytest.raises(UsageError, match="attributes need a model: expected --model NAME"):
        read(AttributeWords("color=red"), open_model=None)
    with pytest.raises(UsageError, match="--columns-from"):
        read(AttributeWords("color=red"), columns_from=tmp_path)


def test_a_folder_of_files_of_rows_is_a_table_of_queries(tmp_path: Path) -> None:
    """As it is wherever a table is named."""
    folder = tmp_path / "asked"
    folder.mkdir()
    for name, color in (("a", "red"), ("b", "blue")):
        write_csv(folder / f"{name}.csv", {"color": [color]}, id=[name])
    (block,) = read(folder).blocks
    assert block.ids == ["a", "b"]
    np.testing.assert_allclose(block.vectors, vectors_of({"color": ["red", "blue"]}), atol=1e-5)


@pytest.mark.parametrize("header", ["colour", "Color", "COLOR "])
def test_a_header_with_a_slip_is_refused_with_what_a_search_can_do(tmp_path: Path, header: str) -> None:
    """Letters of another case are a slip too; no option of a search names columns."""
    file = write_csv(tmp_path / "q.csv", {header: ["red"], "size": ["2"]})
    with pytest.raises(DataError) as error:
        read(file)
    near = header.strip()
    assert f'got no such column, the nearest is "{near}' in str(error.value)
    assert str(error.value).endswith("call the column as the attribute is called, or leave it out of the table")
