"""Rows of attributes through a Scorer: in this process, over gRPC and on real Triton, by hand the same vectors."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from artifact.errors import DataError, InvalidRequestError, UsageError
from rows.attribute_rows import attribute_rows
from serving.client.async_scorer import AsyncScorer
from serving.client.scorer import Scorer
from tests.shared.serving_urls import Place
from tests.shared.tiny_attribute_tower import TINY_ATTRIBUTES
from tests.shared.two_tower_models import drawn_columns, publish_towers, vectors_of

COLUMNS = drawn_columns(1300)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The two models."""
    return publish_towers(tmp_path_factory.mktemp("towers") / "repository")


def test_rows_of_attributes_get_their_vectors(place: Place) -> None:
    """More rows than a window and than a request hold, in order; as a table too, and as Arrow."""
    with place.scorer("tiny_attributes") as scorer:
        vectors = scorer.score_attributes(COLUMNS)
        np.testing.assert_allclose(vectors, vectors_of(COLUMNS), atol=1e-4)
        table = pa.table({"price": range(1300), **COLUMNS})
        np.testing.assert_array_equal(scorer.score_attributes(table), vectors)
        arrow = scorer.score_attributes(COLUMNS, as_arrow=True)
        assert arrow.type == pa.list_(pa.float32(), 4)
        assert scorer.score_attributes({"color": []}).shape == (0, 4)
        assert scorer.attributes == TINY_ATTRIBUTES


def test_attributes_that_are_not_named_are_missing(place: Place) -> None:
    """One column alone, and a missing value in each of its forms."""
    with place.scorer("tiny_attributes") as scorer:
        alone = scorer.score_attributes({"size": [1.5]})
        for nothing in (None, float("nan"), " "):
            whole = scorer.score_attributes({"color": [nothing], "striped": [None], "size": ["1.5"]})
            np.testing.assert_array_equal(whole, alone)


def test_async_scorer_gives_the_same(place: Place) -> None:
    """Several calls at a time."""
    where: dict[str, Any] = {"url": place.url} if place.url else {"repository": place.repository}

    async def scored() -> list[Any]:
        async with AsyncScorer("tiny_attributes", **where) as scorer:
            return await asyncio.gather(*(scorer.score_attributes(COLUMNS) for _ in range(3)))

    for vectors in asyncio.run(scored()):
        np.testing.assert_allclose(vectors, vectors_of(COLUMNS), atol=1e-4)


def test_encoded_rows_come_back_lazily_with_their_errors(repository: Path) -> None:
    """A bad row is an error in its place, the others have their vectors."""
    rows = attribute_rows(TINY_ATTRIBUTES, {"color": ["red", "rot", None, "blue"]}, 4)
    with Scorer("tiny_attributes", repository=repository) as scorer:
        first, second, third, last = scorer.embed_attributes(iter(rows), bad="yield")
        np.testing.assert_array_equal([first, last], scorer.score_attributes({"color": ["red", "blue"]}))
    assert str(second).startswith("attribute 'color': expected one of blue, green, red, got 'rot'")
    assert str(third) == "no attribute has a value"


def test_bad_rows_are_named_all_at_once(repository: Path) -> None:
    """Every row, with its reason, after all have run."""
    columns = {"color": ["red", "rad", None], "size": [1, 2, None]}
    with Scorer("tiny_attributes", repository=repository) as scorer, pytest.raises(InvalidRequestError) as error:
        scorer.score_attributes(columns)
    assert str(error.value) == (
        "cannot read 2 of 3 rows of attributes: [row 1, attributes] attribute 'color': expected one of blue, green, "
        "red, got 'rad'; did you mean red?; [row 2, attributes] no attribute has a value"
    )


@pytest.mark.parametrize(
    ("given", "error", "line"),
    [
        ({"colour": ["red"]}, UsageError, "attribute: expected one of color, striped, size, got 'colour'; did you"),
        ({"color": "red"}, UsageError, "attribute 'color': expected a list of values, got one value, 'red'; put it"),
        ({"color": ["red"], "size": [1, 2]}, UsageError, "attributes: expected as many values of each, got color 1"),
        ({}, UsageError, "attributes: expected {name: values}, or an Arrow table, got none"),
        ([["red"]], UsageError, "attributes: expected {name: values}, or an Arrow table, got list"),
        (pa.table({"path": ["a"]}), DataError, "table of attributes: expected columns of color, striped, size, got"),
    ],
)
def test_what_are_no_attributes_is_one_line(repository: Path, given: Any, error: type, line: str) -> None:
    """Names, shapes and tables that do not fit."""
    with Scorer("tiny_attributes", repository=repository) as scorer, pytest.raises(error) as raised:
        scorer.score_attributes(given)
    assert str(raised.value).startswith(line)


def test_each_tower_names_the_other(repository: Path) -> None:
    """Images asked of the attribute tower, and attributes of the image tower."""
    picture = np.zeros((8, 8, 3), np.uint8)
    with Scorer("tiny_attributes", repository=repository) as scorer:
        for ask in (lambda: scorer.embed([picture]), lambda: scorer.score({"image": [picture]})):
            with pytest.raises(UsageError, match=r"got 'tiny_attributes', which takes attributes; use model 'tiny'$"):
                ask()
    with (
        Scorer("tiny", repository=repository) as scorer,
        pytest.raises(UsageError, match=r"got 'tiny', which takes image; use model 'tiny_attributes'$"),
    ):
        scorer.score_attributes({"color": ["red"]})
