"""Rows of a file without a finite vector: left out in every format, counted, listed; the numbers of no others slip."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import feather, parquet

from artifact.errors import DataError
from rows.vectors.left_out import NO_VECTOR, NOT_FINITE, NULL_INSIDE
from rows.vectors.lineage import Lineage
from rows.vectors.schema import vector_array
from rows.vectors.table import VectorTable

NUM_ROWS = 40
VECTORS = np.random.default_rng(0).normal(size=(NUM_ROWS, 3)).astype(np.float32)
IDS = [f"r{row}" for row in range(NUM_ROWS)]
BAD = {0: "nan", 1: "inf", 12: "-inf", 13: "1e300", 39: "nan"}
"""Row -> the number that stands in it; the first two, two that follow each other, and the last."""
KEPT = [row for row in range(NUM_ROWS) if row not in BAD]
LINEAGE = Lineage(artifact="a", version=1, digest="d", space="s", distance="euclidean", normalized=False)


def damaged() -> Any:
    matrix = VECTORS.astype(np.float64)
    for row, number in BAD.items():
        matrix[row, row % 3] = float(number)
    return matrix


def write(folder: Path, name: str) -> Path:
    file, matrix = folder / name, damaged()
    table = pa.table({"id": IDS, "embedding": matrix.tolist()})
    if name.endswith(".npy"):
        np.save(file, matrix)
    elif name.endswith(".npz"):
        np.savez(file, id=np.array(IDS), x=np.asfortranarray(matrix))
    elif name.endswith(".csv"):
        lines = [",".join([each, *map(repr, row)]) for each, row in zip(IDS, matrix.tolist(), strict=True)]
        file.write_text("\n".join(["id,e0,e1,e2", *lines]) + "\n")
    elif name.endswith(".jsonl"):
        rows = zip(IDS, matrix.tolist(), strict=True)
        file.write_text("".join(json.dumps({"id": each, "embedding": row}) + "\n" for each, row in rows))
    elif name.endswith(".feather"):
        feather.write_feather(table, str(file), chunksize=7)
    elif name == "parts":
        file.mkdir()
        for number, first in enumerate(range(0, NUM_ROWS, 13)):
            parquet.write_table(table.slice(first, 13), file / f"part-{number}.parquet", row_group_size=5)
    else:
        parquet.write_table(table, file, row_group_size=6)
    return file


@pytest.mark.parametrize("name", ["v.npy", "v.npz", "v.csv", "v.jsonl", "v.feather", "v.parquet", "parts"])
def test_rows_that_are_not_finite_are_left_out_of_every_format(name: str, tmp_path: Path) -> None:
    """The others by matrix, batches and numbers; ids and columns go with their rows."""
    table = VectorTable.open(write(tmp_path, name))
    assert (table.num_rows, len(table.left_out), table.left_out.num_stored) == (35, 5, NUM_ROWS)
    assert table.row_numbers.tolist() == KEPT
    assert table.left_out.rows.tolist() == list(BAD)
    np.testing.assert_array_equal(table.matrix, VECTORS[KEPT])
    seen = 0
    for batch in table.batches(["id"] if "id" in table.columns else [], num_rows=4):
        assert batch.first_row == seen
        np.testing.assert_array_equal(batch.vectors, VECTORS[KEPT][seen : seen + len(batch)])
        seen += len(batch)
    assert seen == 35
    for rows in ([0, 9, 10, 34], [], [33, 33], list(range(35))):
        np.testing.assert_array_equal(table.take(np.array(rows, np.int64)), VECTORS[KEPT][rows])
    expected = [IDS[row] for row in KEPT] if "id" in table.columns else [str(row) for row in KEPT]
    assert table.ids == expected
    if "id" in table.columns:
        assert table.column("id").to_pylist() == table.copied()["id"].to_pylist() == expected
    first = table.left_out.to_dict()["first"]
    assert [each["row"] for each in first] == list(BAD)
    assert {each["reason"] for each in first} == {NOT_FINITE}
    assert [each["id"] for each in first] == [IDS[row] if "id" in table.columns else None for row in BAD]
    assert table.left_out.notes(name) == [f"left out 5 of 40 rows of {name} that are not finite: rows 0, 1, 12, 13, 39"]


@pytest.mark.parametrize(
    "kind",
    [
        pa.list_(pa.float32()),
        pa.list_(pa.float64(), 2),
        pa.large_list(pa.float16()),
        pa.list_view(pa.float64()),
        pa.list_(pa.int64()),
        pa.list_(pa.decimal128(5, 2)),
    ],
)
def test_rows_without_a_vector_have_their_reason(kind: Any, tmp_path: Path) -> None:
    """A null, an empty list where the type has one, a null among the numbers."""
    rows: list[Any] = [[1, 2], None, [3, None], [4, 5], [] if kind.__class__ is not pa.FixedSizeListType else None]
    if pa.types.is_float16(kind.value_type):
        rows = [None if row is None else [None if x is None else np.float16(x) for x in row] for row in rows]
    parquet.write_table(pa.table({"embedding": pa.array(rows, kind)}), tmp_path / "v.parquet")
    table = VectorTable.open(tmp_path / "v.parquet")
    np.testing.assert_array_equal(table.matrix, np.float32([[1, 2], [4, 5]]))
    found = {each.row: each.reason for each in table.left_out.first}
    assert found == {1: NO_VECTOR, 2: NULL_INSIDE, 4: NO_VECTOR}


def test_missing_cells_of_numbered_columns_leave_their_row_out(tmp_path: Path) -> None:
    """Empty ones, and the words for them that pandas takes; of Parquet a null."""
    words = ["", "NA", "nan", "NULL", "None", "-Infinity", "1e39"]
    (tmp_path / "v.csv").write_text("e0,e1\n1,2\n" + "".join(f"5,{word}\n" for word in words) + "3,4\n")
    table = VectorTable.open(tmp_path / "v.csv")
    np.testing.assert_array_equal(table.matrix, np.float32([[1, 2], [3, 4]]))
    assert table.left_out.rows.tolist() == list(range(1, 8))
    columns = {"e0": pa.array([1, None, 3], pa.int8()), "e1": pa.array([1.0, 2.0, 3.0])}
    parquet.write_table(pa.table(columns), tmp_path / "v.parquet")
    assert VectorTable.open(tmp_path / "v.parquet").left_out.rows.tolist() == [1]


def test_missing_lists_of_a_text_leave_their_row_out(tmp_path: Path) -> None:
    """JSON lists in cells of CSV: an empty cell, an empty list, null inside, NaN as Python writes it."""
    cells = ["[1, 2]", "", "[]", "[null, 1]", "[NaN, 1]", "[1e400, 0]", "null", "[3, 4.5]"]
    (tmp_path / "v.csv").write_text("id,vec\n" + "".join(f'{at},"{cell}"\n' for at, cell in enumerate(cells)))
    table = VectorTable.open(tmp_path / "v.csv", "vec")
    np.testing.assert_array_equal(table.matrix, np.float32([[1, 2], [3, 4.5]]))
    reasons = [each.reason for each in table.left_out.first]
    assert reasons == [NO_VECTOR, NO_VECTOR, NULL_INSIDE, NOT_FINITE, NOT_FINITE, NO_VECTOR]
    assert table.ids == ["0", "7"]


def test_more_than_ten_are_counted_and_the_first_listed(tmp_path: Path) -> None:
    """One note still."""
    matrix = np.zeros((2000, 2), np.float32)
    matrix[500:] = np.nan
    np.save(tmp_path / "v.npy", matrix)
    table = VectorTable.open(tmp_path / "v.npy")
    assert (table.num_rows, len(table.left_out.first)) == (500, 10)
    numbers = ", ".join(str(row) for row in range(500, 510))
    assert table.left_out.notes("v.npy") == [
        f"left out 1,500 of 2,000 rows of v.npy that are not finite: rows {numbers} and 1,490 more"
    ]


def test_no_row_that_is_finite_is_one_line(tmp_path: Path) -> None:
    """All of them bad, of one row and of many."""
    for matrix, text in (
        (np.full((1, 2), np.inf), "none in 1 rows, NaN, infinity or beyond float32 in row 0"),
        (np.full((3000, 2), np.nan), "none in 3,000 rows, NaN, infinity or beyond float32 in row 0"),
    ):
        np.save(tmp_path / "v.npy", matrix)
        with pytest.raises(DataError) as caught:
            VectorTable.open(tmp_path / "v.npy")
        file = tmp_path / "v.npy"
        assert str(caught.value) == f'vector column "embedding": expected finite vectors, got {text} ({file})'


def test_other_vectors_of_a_table_have_their_own_rows(tmp_path: Path) -> None:
    """Of two columns each leaves out its own; columns computed from both are those of the rows that are here."""
    left, right = VECTORS.copy(), -VECTORS
    left[3], right[5] = np.nan, np.nan
    table = pa.table({"id": IDS, "embedding_left": vector_array(left), "embedding_right": vector_array(right)})
    parquet.write_table(table, tmp_path / "v.parquet")
    opened = VectorTable.open(tmp_path / "v.parquet", "embedding_left")
    assert opened.left_out.rows.tolist() == [3]
    assert opened.with_vectors("embedding_right").left_out.rows.tolist() == [5]


def test_a_cut_table_keeps_the_rows_that_it_has(tmp_path: Path) -> None:
    """Distances between prefixes are computed for the rows that were kept, in step with them."""
    lineage = Lineage(**(LINEAGE.to_dict() | {"kind": "siamese", "mode": "full", "prefixes": ((2, None),)}))
    left, right = VECTORS.copy(), -VECTORS
    left[3] = np.nan
    columns = {
        "embedding_left": vector_array(left),
        "embedding_right": vector_array(right),
        "distance_left_right": np.zeros(NUM_ROWS, np.float32),
    }
    parquet.write_table(pa.table(columns).replace_schema_metadata(lineage.to_metadata()), tmp_path / "v.parquet")
    table = VectorTable.open(tmp_path / "v.parquet", "embedding_left").cut(2)
    rows = [row for row in range(NUM_ROWS) if row != 3]
    np.testing.assert_array_equal(table.matrix, VECTORS[rows, :2])
    expected = np.linalg.norm((left - right)[rows, :2], axis=1)
    np.testing.assert_allclose(table.column("distance_left_right").to_numpy(), expected, rtol=1e-6)
    assert table.row_numbers.tolist() == rows


def test_a_vector_of_another_length_ends_the_command(tmp_path: Path) -> None:
    """With its row, beside rows that are left out."""
    rows = [[1.0, 2.0], None, [1.0, float("nan")], [1.0, 2.0, 3.0]]
    parquet.write_table(pa.table({"embedding": rows}), tmp_path / "v.parquet")
    with pytest.raises(
        DataError, match=r'^vector column "embedding": expected 2 numbers in every row, got 3 in row 3 '
    ):
        VectorTable.open(tmp_path / "v.parquet")


def test_tables_in_memory_are_not_looked_at() -> None:
    """Who made the matrix is told by the functions that use it."""
    matrix = VECTORS.copy()
    matrix[7] = np.nan
    table = VectorTable.from_arrays(matrix)
    assert (table.num_rows, len(table.left_out), table.row_numbers.tolist()) == (NUM_ROWS, 0, list(range(NUM_ROWS)))
