"""Columns of vectors of every kind: whatever wrote them, the same matrix, or one line that names the row."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from artifact.errors import DataError
from rows.vectors.column import require_finite
from rows.vectors.schema import vector_array
from rows.vectors.table import VectorTable

WHOLE = np.random.default_rng(0).integers(0, 100, (30, 4)).astype(np.float32)
"""Numbers that every type holds exactly."""

TYPES = {
    "list<float>": pa.list_(pa.float32()),
    "list<double>": pa.list_(pa.float64()),
    "list<half>": pa.list_(pa.float16()),
    "large_list<double>": pa.large_list(pa.float64()),
    "list_view<float>": pa.list_view(pa.float32()),
    "large_list_view<double>": pa.large_list_view(pa.float64()),
    "fixed<float>": pa.list_(pa.float32(), 4),
    "fixed<double>": pa.list_(pa.float64(), 4),
    "fixed<half>": pa.list_(pa.float16(), 4),
    "list<int8>": pa.list_(pa.int8()),
    "fixed<uint8>": pa.list_(pa.uint8(), 4),
    "list<int64>": pa.list_(pa.int64()),
    "list<decimal>": pa.list_(pa.decimal128(6, 2)),
}


def cells(kind: Any) -> pa.Array[Any]:
    """WHOLE as a column of lists."""
    values = [[int(number) for number in row] for row in WHOLE.tolist()]
    if pa.types.is_float16(kind.value_type):
        return pa.array([list(np.float16(row)) for row in values], kind)
    return pa.array(values, kind)


def tensors(*shape: int) -> pa.Array[Any]:
    """WHOLE as a column of tensors."""
    kind: Any = pa.fixed_shape_tensor(pa.float32(), shape)
    return pa.ExtensionArray.from_storage(kind, vector_array(WHOLE))


COLUMNS = {name: cells(kind) for name, kind in TYPES.items()} | {
    "tensor [4]": tensors(4),
    "tensor [1, 4]": tensors(1, 4),
}


def write(file: Path, **columns: Any) -> Path:
    """One Parquet file in several row groups, with ids and labels."""
    count = len(next(iter(columns.values())))
    ids = {"id": [f"r{row}" for row in range(count)], "label": ["a", "b"] * (count // 2)}
    parquet.write_table(pa.table(ids | columns), file, row_group_size=7)
    return file


@pytest.mark.parametrize("name", COLUMNS)
def test_lists_of_numbers_are_vectors_whatever_their_type(name: str, tmp_path: Path) -> None:
    """Matrix, batches, some rows, a slice in memory; and the column is not copied with the rows."""
    file = write(tmp_path / "v.parquet", embedding=COLUMNS[name])
    table = VectorTable.open(file)
    assert (table.vector_column, table.dim, table.num_rows) == ("embedding", 4, 30)
    assert table.matrix.dtype == np.float32
    np.testing.assert_array_equal(table.matrix, WHOLE)
    np.testing.assert_array_equal(np.concatenate([each.vectors for each in table.batches(num_rows=4)]), WHOLE)
    np.testing.assert_array_equal(table.take(np.array([0, 6, 7, 29])), WHOLE[[0, 6, 7, 29]])
    assert table.copied().schema.names == ["id", "label"]
    in_memory = VectorTable(pa.table({"embedding": COLUMNS[name]}).slice(5, 9), source="t")
    np.testing.assert_array_equal(in_memory.matrix, WHOLE[5:14])


def test_the_only_lists_of_one_length_are_the_vectors(tmp_path: Path) -> None:
    """Where there is no `embedding`; lists of any length beside them are a column like others, and go along."""
    tags = pa.array([[row] * (row % 3) for row in range(30)], pa.list_(pa.int64()))
    file = write(tmp_path / "v.parquet", tags=tags, features=COLUMNS["list<double>"], name=["x"] * 30)
    table = VectorTable.open(file)
    assert table.vector_column == "features"
    np.testing.assert_array_equal(table.matrix, WHOLE)
    assert table.copied().schema.names == ["id", "label", "tags", "name"]
    assert table.copied()["tags"].to_pylist() == tags.to_pylist()
    file = write(tmp_path / "e.parquet", features=COLUMNS["fixed<half>"], embedding=COLUMNS["list<float>"])
    assert VectorTable.open(file).vector_column == "embedding"
    assert VectorTable.open(file, "features").vector_column == "features"


def test_streams_of_a_scored_table_stay_vectors_after_pandas(tmp_path: Path) -> None:
    """Those of the other streams do not go along with the rows."""
    frame = pd.DataFrame({"id": range(30), "embedding_left": list(WHOLE), "embedding_right": list(-WHOLE)})
    frame.to_parquet(tmp_path / "v.parquet")
    table = VectorTable.open(tmp_path / "v.parquet", "embedding_right")
    np.testing.assert_array_equal(table.matrix, -WHOLE)
    assert table.copied().schema.names == ["id"]
    with pytest.raises(
        DataError, match=r"got embedding_left, embedding_right .*; name one with --column embedding_left$"
    ):
        VectorTable.open(tmp_path / "v.parquet")


@pytest.mark.parametrize(
    ("columns", "text"),
    [
        (
            {"a": COLUMNS["list<float>"], "b": COLUMNS["fixed<float>"]},
            "vector column: expected one column of lists of numbers, all of one length, got a, b ({file}); name one "
            "with --column a",
        ),
        (
            {"photo": ["x.jpg"] * 30},
            "vector column: expected one column of lists of numbers, all of one length, got id (string), label "
            "(string), photo (string) ({file})",
        ),
        (
            {"embedding": [json.dumps(row) for row in WHOLE.tolist()]},
            'vector column "embedding": expected lists of numbers, all of one length, got string ({file}); write the '
            "text as lists of numbers, or say --column embedding: then it is read as JSON lists",
        ),
        (
            {"embedding": ["x"] * 30, "vec": COLUMNS["list<float>"]},
            'vector column "embedding": expected lists of numbers, all of one length, got string ({file}); name one '
            "with --column vec",
        ),
        (
            {"embedding": pa.array([[True, False]] * 30)},
            'vector column "embedding": expected lists of numbers, all of one length, got list<element: bool> ({file})',
        ),
        (
            {"embedding": pa.array([[[1.0], [2.0]]] * 30)},
            'vector column "embedding": expected lists of numbers, all of one length, got list<element: list<element: '
            "double>> ({file})",
        ),
        (
            {"embedding": tensors(2, 2)},
            'vector column "embedding": expected lists of numbers, all of one length, got '
            "extension<arrow.fixed_shape_tensor[value_type=float, shape=[2,2]]> ({file})",
        ),
        (
            {"embedding": pa.array([None] * 30, pa.list_(pa.float32()))},
            'vector column "embedding": expected a vector in every row, got none in any ({file})',
        ),
        (
            {"embedding": pa.array([[]] * 30, pa.list_(pa.float32()))},
            'vector column "embedding": expected a vector in every row, got none in any ({file})',
        ),
        (
            {"embedding": pa.array([[1.0, 2.0]] * 25 + [[1.0]] * 5)},
            'vector column "embedding": expected 2 numbers in every row, got 1 in row 25 ({file})',
        ),
    ],
)
def test_what_is_no_column_of_vectors_is_refused_in_one_line(
    columns: dict[str, Any], text: str, tmp_path: Path
) -> None:
    """With the row, where it is one row's fault."""
    file = write(tmp_path / "v.parquet", **columns)
    with pytest.raises(DataError) as caught:
        _ = VectorTable.open(file).matrix
    assert str(caught.value).replace("item:", "element:") == text.format(file=file)


@pytest.mark.parametrize(
    ("cells", "text"),
    [
        (
            pa.array([[]] + [[1.0, 2.0]] * 29, pa.list_(pa.float32())),
            "expected 2 numbers in every row, got 0 in row 0",
        ),
        (pa.array([[1.0, 2.0]] * 17 + [None] * 13), "expected a vector in every row, got null in row 17"),
        (
            pa.array([[1.0, 2.0]] * 8 + [[None, 1.0]] * 22, pa.list_(pa.float32(), 2)),
            "expected numbers alone, got a null among those in row 8",
        ),
        (
            pa.array([[1.0, 2.0]] * 9 + [[1.0, -1e300]] * 21),
            "expected numbers up to 3.4e38, as float32 has them, got -1e+300 in row 9",
        ),
    ],
)
def test_in_memory_a_row_without_a_finite_vector_is_refused_in_one_line(cells: Any, text: str) -> None:
    """Who made the table can mend it; of a file such rows are left out."""
    with pytest.raises(DataError) as caught:
        _ = VectorTable(pa.table({"embedding": cells}), source="t").matrix
    assert str(caught.value) == f'vector column "embedding": {text} (t)'


def test_two_columns_of_one_name_are_refused() -> None:
    """Arrow writes such a table, and reads neither of them by its name."""
    table = pa.table([COLUMNS["list<float>"], ["x"] * 30, ["y"] * 30], names=["embedding", "a", "a"])
    with pytest.raises(DataError) as caught:
        VectorTable(table, source="t")
    assert str(caught.value) == 'columns of the table: expected a name each, got two called "a" (t)'


def test_rows_that_are_not_finite_are_named_by_their_number_in_the_table() -> None:
    """In a batch, and among rows that were picked."""
    vectors = np.zeros((3, 2), np.float32)
    require_finite(vectors, where="t")
    vectors[1, 1] = np.nan
    for numbers, row in (({}, 1), ({"first_row": 10}, 11), ({"rows": np.array([4, 9, 20])}, 9)):
        with pytest.raises(DataError, match=rf"^vectors: expected finite numbers, got NaN or infinity in row {row} "):
            require_finite(vectors, where="t", **numbers)


def test_lists_without_a_length_are_read_in_the_memory_of_a_batch(tmp_path: Path) -> None:
    """128 MiB of doubles in one row group, in a fresh process: its peak grows by half of that at most."""
    file, count = tmp_path / "large.parquet", 2**17
    values = pa.array(np.random.default_rng(0).normal(size=count * 128))
    lists = pa.ListArray.from_arrays(pa.array(np.arange(count + 1, dtype=np.int32) * 128), values)
    parquet.write_table(pa.table({"embedding": lists}), file, use_dictionary=False, row_group_size=count)
    code = (
        "import resource, sys\n"
        "import numpy as np\n"
        "from rows.vectors.table import VectorTable\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "next(VectorTable.open(sys.argv[1]).batches(num_rows=10))\n"
        "before = peak()\n"
        "table = VectorTable.open(sys.argv[1])\n"
        "rows = sum(len(batch) for batch in table.batches(num_rows=8192))\n"
        "taken = table.take(np.array([5, table.num_rows - 1]))\n"
        "print(rows, (peak() - before) // (1024 if sys.platform == 'darwin' else 1))\n"
    )
    printed = subprocess.run([sys.executable, "-c", code, str(file)], capture_output=True, text=True, check=True).stdout
    rows, grown_kib = map(int, printed.split())
    assert rows == count
    assert grown_kib < 64 * 1024
