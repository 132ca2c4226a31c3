"""Columns of several tables as one, where their types differ."""

import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lookalike.exploring.assembly import Wanted, assemble
from lookalike.exploring.columns import page_column
from lookalike.exploring.findings import FINDERS
from lookalike.exploring.together import joined, joined_column
from pages.explorer.data import Categories
from rows.vectors.lineage import Lineage
from rows.vectors.table import VectorTable

BIG = 2**60 + 1
NAN = float("nan")


def _tables(*columns: Any) -> list[VectorTable]:
    """A table for each column `c`, of vectors that say nothing."""
    return [VectorTable.from_arrays(np.ones((len(cells), 2), np.float32), {"c": cells}) for cells in columns]


@pytest.mark.parametrize(
    ("first", "second", "kind", "cells"),
    [
        (pa.array([1, 2], pa.int32()), pa.array([3], pa.int64()), pa.int64(), [1, 2, 3]),
        (pa.array([1], pa.uint8()), pa.array([-1], pa.int8()), pa.int16(), [1, -1]),
        (pa.array([1], pa.int64()), pa.array([2**63], pa.uint64()), pa.string(), ["1", str(2**63)]),
        (pa.array([1]), pa.array([0.5]), pa.float64(), [1.0, 0.5]),
        (pa.array([BIG]), pa.array([0.5, NAN]), pa.string(), [str(BIG), "0.5", None]),
        (pa.array([BIG]), pa.array([None, None], pa.float64()), pa.int64(), [BIG, None, None]),
        (pa.array([1], pa.int64()), pa.array(["a"]), pa.string(), ["1", "a"]),
        (pa.array([True]), pa.array(["yes"]), pa.string(), ["true", "yes"]),
        (pa.array([b"\xff"]), pa.array(["a"]), pa.string(), ["ff", "a"]),
        (pa.array([[1, 2]]), pa.array(["a"]), pa.string(), ["[1, 2]", "a"]),
        (pa.array([{"x": 1}]), pa.array([3]), pa.string(), ['{"x": 1}', "3"]),
        (pa.array([10**20], pa.decimal128(30, 0)), pa.array([0.5]), pa.float64(), [1e20, 0.5]),
        (pa.array([10**20 + 1], pa.decimal128(30, 0)), pa.array([0.5]), pa.string(), [str(10**20 + 1), "0.5"]),
        (pa.array(["a"]).dictionary_encode(), pa.array(["b"], pa.large_string()), pa.large_string(), ["a", "b"]),
        (pa.array([datetime.date(2024, 2, 29)]), pa.array(["x"]), pa.string(), ["2024-02-29", "x"]),
    ],
)
def test_joined_columns_have_a_type_that_changes_no_value(
    first: Any, second: Any, kind: pa.DataType, cells: list[Any]
) -> None:
    """Whole numbers stay whole, fractions take in what they hold, and all else is text; in either order."""
    found = joined_column(_tables(first, second), "c")
    assert (found.type, found.to_pylist()) == (kind, cells)
    turned = joined_column(_tables(second, first), "c").to_pylist()
    assert turned == cells[len(first) :] + cells[: len(first)]


def test_joined_columns_of_classes_stay_classes() -> None:
    """Labels as int32 beside int64 are categories, not a ramp, and those of a table without them are empty."""
    tables = _tables(pa.array([1, 2] * 5, pa.int32()), pa.array([2, 3] * 5, pa.int64()))
    tables.append(VectorTable.from_arrays(np.ones((2, 2), np.float32)))
    column, _ = page_column("c", joined_column(tables, "c"))
    assert isinstance(column, Categories)
    assert column.names == ["1", "2", "3"]
    assert column.codes.tolist() == [0, 1] * 5 + [1, 2] * 5 + [3, 3]
    assert joined(tables, "c").column("c").to_pylist() == [1, 2] * 5 + [2, 3] * 5 + [None, None]


@pytest.mark.parametrize("lost", [0, 1])
def test_a_table_that_lost_its_lineage_is_compared_where_somebody_vouches(lost: int) -> None:
    """Every tab takes the distance that was named, which is that of the other table."""
    lineage = Lineage(artifact="a", version=1, digest="d", space="s", distance="cosine", normalized=False)
    rng = np.random.default_rng(0)
    tables = [
        VectorTable.from_arrays(
            rng.normal(size=(40, 4)).astype(np.float32), lineage=None if number == lost else lineage
        )
        for number in (0, 1)
    ]
    found = assemble(tables, Wanted(distance="cosine", thumbnails_px=0, findings=list(FINDERS)))
    assert {tab.name for tab in found.data.findings} == {"duplicates", "outliers", "comparison"}
    assert not [note for note in found.notes if "comparison" in note]
