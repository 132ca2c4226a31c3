"""Ids as text, of columns and of words."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from rows.ids import id_as_text, ids_as_text, named_ids
from rows.vectors.schema import vector_array
from rows.vectors.table import VectorTable


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([7.0, 1234567.0, -0.0, None, 2.5, 1e22], pa.float64(), ["7", "1234567", "0", None, "2.5", str(10**22)]),
        ([7.0, 0.5, float("inf"), float("nan")], pa.float32(), ["7", "0.5", "inf", "nan"]),
        ([Decimal("7.00"), Decimal("7.25"), None], pa.decimal128(9, 2), ["7", "7.25", None]),
        ([7, 2**63 - 1, None], pa.int64(), ["7", str(2**63 - 1), None]),
        (["7.0", "7", "é", None], pa.string(), ["7.0", "7", "é", None]),
        (["7.0", "7", None], pa.dictionary(pa.int8(), pa.string()), ["7.0", "7", None]),
        ([True, None], pa.bool_(), ["True", None]),
    ],
)
def test_whole_numbers_are_written_as_such(values: list[Any], kind: pa.DataType, expected: list[str | None]) -> None:
    """Whatever type a gap in the column made of them; text is as it is. A column and its values are written alike."""
    column = pa.chunked_array([values[:1], values[1:]], kind)
    assert ids_as_text(column).to_pylist() == expected
    assert [None if each is None else id_as_text(each) for each in column.to_pylist()] == expected


def test_words_name_the_ids_of_a_column() -> None:
    """Of floats in either way of writing; of text and whole numbers to the letter."""
    words = ["7", "7.0", "x", "2.50"]
    assert named_ids(words, pa.float64()) == named_ids(words, pa.decimal128(9, 2)) == ["7", "7", "x", "2.5"]
    assert named_ids(words, pa.int64()) == named_ids(words, pa.string()) == words


def test_tables_whose_ids_have_a_gap_find_their_columns(tmp_path: Path) -> None:
    """Ids that pandas made floats of, joined with a list of the same as text; the rows left out are called alike."""
    matrix = np.eye(3, 4, dtype=np.float32)
    matrix[1, 0] = np.nan
    parquet.write_table(pa.table({"id": [7.0, 8.0, 9.0], "embedding": vector_array(matrix)}), tmp_path / "v.parquet")
    (tmp_path / "more.csv").write_text("id,label\n9,c\n7,a\n8,b\n")
    table = VectorTable.open(tmp_path / "v.parquet", columns_from=tmp_path / "more.csv")
    assert (table.ids, table.column("label").to_pylist()) == (["7", "9"], ["a", "c"])
    assert [each.id for each in table.left_out.first] == ["8"]
