"""Evaluation of two tables of vectors by their columns of attributes: what the measure gives for the values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from analysis.evaluation.attribute_tables import evaluate_attributes
from analysis.measures.attribute_retrieval import attribute_retrieval
from analysis.measures.attribute_rows import AttributeRows
from artifact.errors import DataError, SpaceError, UsageError
from rows.vectors.lineage import Lineage
from rows.vectors.table import VectorTable

COLORS = ["blue", "größer", "red"]


def lineage(space: str = "s") -> Lineage:
    return Lineage(artifact="a", version=1, digest="d", space=space, distance="cosine", normalized=False)


def table(vectors: Any, columns: dict[str, Any], *, space: str = "s") -> VectorTable:
    return VectorTable.from_arrays(vectors, columns, lineage=lineage(space))


@pytest.fixture
def values() -> tuple[np.ndarray, np.ndarray]:
    """Of images and of queries: colour, striped, size; NaN where missing."""
    rng = np.random.default_rng(2)
    drawn = [
        np.stack([rng.integers(0, 3, count), rng.integers(0, 2, count), rng.normal(size=count)], axis=1)
        for count in (50, 20)
    ]
    drawn[0][rng.random((50, 3)) < 0.1] = np.nan
    drawn[1][:, 2] = np.nan
    drawn[1][5:, 1] = np.nan
    return drawn[0], drawn[1]


def columns_of(values: np.ndarray, *, as_text: bool) -> dict[str, list[Any]]:
    """As a table has them: text of a CSV, or typed."""
    color = [None if np.isnan(each) else COLORS[int(each)] for each in values[:, 0]]
    striped = [None if np.isnan(each) else bool(each) for each in values[:, 1]]
    size = [None if np.isnan(each) else float(each) for each in values[:, 2]]
    if not as_text:
        return {"color": color, "striped": striped, "size": pa.array(size, pa.float64())}
    words = [["" if each is None else str(each) for each in column] for column in (striped, size)]
    return {"color": color, "striped": words[0], "size": words[1]}


@pytest.mark.parametrize("as_text", [True, False])
def test_tables_are_measured_by_their_values(values: tuple[np.ndarray, np.ndarray], as_text: bool) -> None:
    """Typed or as text: the figures of attribute_retrieval for the values, with half a spread as room for a number."""
    rng = np.random.default_rng(3)
    vectors = [rng.normal(size=(len(each), 4)).astype(np.float32) for each in values]
    images = table(vectors[0], columns_of(values[0], as_text=as_text))
    queries = table(vectors[1], columns_of(values[1], as_text=False))
    found = evaluate_attributes(images, queries, ["color", "striped", "size"], bootstrap=20)
    room = np.array([0, 0, 0.5 * np.nanstd(values[0][:, 2])])
    rows = AttributeRows(vectors=vectors[1], values=values[1])
    expected = attribute_retrieval(rows, vectors[0], values[0], distance="cosine", tolerances=room, bootstrap=20)
    assert {name: found[name] for name in expected} == expected
    assert [each["type"] for each in found["attributes"]] == ["category", "flag", "number"]
    assert (found["num_rows"], found["num_queries"], found["queries_from"]) == (50, 20, "all")
    assert found["num_distinct"] == len(rows.distinct())


def test_tables_that_do_not_fit_are_refused_in_one_line(values: tuple[np.ndarray, np.ndarray], tmp_path: Path) -> None:
    """Another space, a column that is not there or says nothing, names twice or none, rows that ask for nothing."""
    vectors = np.ones((50, 4), np.float32)
    images = table(vectors, columns_of(values[0], as_text=False) | {"always": ["x"] * 50})
    queries = table(vectors[:20], columns_of(values[1], as_text=False) | {"always": ["x"] * 20})
    with pytest.raises(SpaceError):
        evaluate_attributes(images, table(vectors[:20], {"color": ["red"] * 20}, space="t"), ["color"])
    with pytest.raises(DataError, match=r'column "colour".*the nearest is "color"'):
        evaluate_attributes(images, queries, ["colour"])
    with pytest.raises(DataError, match="expected two values or more, got 'x' in every row"):
        evaluate_attributes(images, queries, ["color", "always"])
    for names in ([], ["color", "color"]):
        with pytest.raises(UsageError, match="attributes: expected names of columns, each once"):
            evaluate_attributes(images, queries, names)
    with pytest.raises(DataError, match="rows of attributes: expected a value of size, got none"):
        evaluate_attributes(images, queries, ["size"])
