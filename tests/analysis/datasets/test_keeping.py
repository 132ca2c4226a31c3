"""What a row is worth by a column, beside Python's own order of its values."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from analysis.datasets.keeping import worth_by_column
from artifact.errors import DataError
from rows.vectors.schema import vector_array
from rows.vectors.table import VectorTable


def table_of(values: pa.Array[Any]) -> VectorTable:
    matrix = np.random.default_rng(0).normal(size=(len(values), 3)).astype(np.float32)
    return VectorTable(pa.table({"worth": values, "embedding": vector_array(matrix)}), source="v")


@pytest.mark.parametrize(
    "values",
    [
        pa.array([2**60 + 1, None, 2**60, -(2**60), 2**60 + 1]),
        pa.array([2**64 - 1, 2**64 - 2, 3], pa.uint64()),
        pa.array([Decimal("12345678901234567.02"), Decimal("12345678901234567.01"), None]),
        pa.array([date(2025, 1, 2), None, date(2024, 12, 31)]),
        pa.array([1.5, None, -2.0, float("nan")]),
        pa.array([True, False, None]),
    ],
    ids=["int64", "uint64", "decimal", "date", "double", "bool"],
)
def test_worth_by_a_column_orders_rows_as_its_values_do(values: pa.Array[Any]) -> None:
    """Whole numbers and decimals of 18 digits too; equal values are worth the same, and none and NaN are NaN."""
    worth = worth_by_column(table_of(values), "worth")
    known = [row for row, value in enumerate(values.to_pylist()) if value is not None and value == value]
    assert np.flatnonzero(~np.isnan(worth)).tolist() == known
    given: list[Any] = values.to_pylist()
    for one in known:
        for other in known:
            assert (worth[one] < worth[other]) == (given[one] < given[other])


def test_worth_by_words_is_refused() -> None:
    """They have an order, but not one of worth."""
    with pytest.raises(DataError, match=r'^column "worth": expected numbers or dates, got string'):
        worth_by_column(table_of(pa.array(["a", "b"])), "worth")
