"""Tables of vectors a batch at a time: the same rows as the matrix, in a bounded memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from artifact.errors import DataError, UsageError
from rows.vectors.parts import write_part
from rows.vectors.schema import vector_array
from rows.vectors.table import VectorTable


def numbers(num_rows: int, dim: int = 3) -> Any:
    return np.random.default_rng(0).normal(size=(num_rows, dim)).astype(np.float32)


def write_parts(folder: Path, matrix: Any, cuts: list[int]) -> VectorTable:
    first = 0
    for number, part in enumerate(np.split(matrix, cuts)):
        rows = pa.array([f"r{first + row}" for row in range(len(part))], pa.string())
        write_part(folder / f"part-{number:05d}.parquet", pa.table({"id": rows, "embedding": vector_array(part)}))
        first += len(part)
    return VectorTable.open(folder)


def in_memory(matrix: Any) -> VectorTable:
    chunks = [vector_array(part) for part in np.split(matrix, [7, 8])]
    ids = pa.chunked_array([pa.array([f"r{row}" for row in range(len(matrix))])])
    return VectorTable(pa.table({"id": ids, "embedding": pa.chunked_array(chunks)}), source="t")


@pytest.mark.parametrize("num_rows", [None, 1, 4, 1000])
def test_batches_hold_every_row_once_in_order(num_rows: int | None, tmp_path: Path) -> None:
    """Parts, one of them without rows, and chunks in memory; the columns asked for stand beside the vectors."""
    matrix = numbers(25)
    for table in (write_parts(tmp_path, matrix, [3, 3, 14]), in_memory(matrix)):
        seen = 0
        for batch in table.batches(["id"], num_rows=num_rows):
            assert (batch.first_row, 0 < len(batch) <= (num_rows or 25)) == (seen, True)
            np.testing.assert_array_equal(batch.vectors, matrix[seen : seen + len(batch)])
            assert batch.columns.to_pydict() == {"id": [f"r{seen + row}" for row in range(len(batch))]}
            seen += len(batch)
        assert seen == 25
        np.testing.assert_array_equal(table.matrix, matrix)


def test_batches_without_columns_have_none(tmp_path: Path) -> None:
    """Vectors alone; the vector column itself may be asked for."""
    table = write_parts(tmp_path, numbers(5), [])
    (batch,) = table.batches()
    assert batch.columns.schema.names == []
    (batch,) = table.batches(["embedding", "id"])
    assert batch.columns.schema.names == ["embedding", "id"]


def test_some_rows_are_taken_from_the_parts_that_hold_them(tmp_path: Path) -> None:
    """Rows at the edges of parts, one twice, none; a part that holds none of them is not even opened."""
    matrix = numbers(25)
    table = write_parts(tmp_path, matrix, [3, 14])
    for rows in ([0, 2, 3, 13, 14, 24], [5, 5, 6], [], list(range(25))):
        np.testing.assert_array_equal(table.take(np.array(rows, np.int64)), matrix[rows])
        np.testing.assert_array_equal(in_memory(matrix).take(np.array(rows, np.int64)), matrix[rows])
    (tmp_path / "part-00001.parquet").unlink()
    np.testing.assert_array_equal(table.take(np.array([1, 20])), matrix[[1, 20]])
    with pytest.raises(DataError, match=r"^table of vectors: expected a Parquet file, got .*part-00001"):
        table.take(np.array([4]))


@pytest.mark.parametrize("rows", [[3, 2], [-1], [25]])
def test_rows_out_of_order_or_range_are_refused(rows: list[int]) -> None:
    """One line."""
    with pytest.raises(UsageError, match=r"^rows: expected rising numbers of 0 to 24, got others$"):
        in_memory(numbers(25)).take(np.array(rows))


def test_batches_refuse_what_cannot_be_read(tmp_path: Path) -> None:
    """No such column, a row without a vector, no rows at a time."""
    table = write_parts(tmp_path, numbers(5), [])
    with pytest.raises(DataError, match=r'^column "x": expected one of id, embedding, got no such column'):
        list(table.batches(["x"]))
    with pytest.raises(UsageError, match=r"^num_rows: expected at least 1, got 0$"):
        list(table.batches(num_rows=0))
    empty = pa.array([[1.0, 2.0], None], pa.list_(pa.float32(), 2))
    with pytest.raises(DataError, match=r'^vector column "embedding": expected a vector in every row, got null'):
        list(VectorTable(pa.table({"embedding": empty}), source="t").batches())


def test_one_large_file_is_read_in_the_memory_of_a_batch(tmp_path: Path) -> None:
    """128 MiB in one row group, in a fresh process: its peak grows by half of that at most."""
    file = tmp_path / "large.parquet"
    write_part(file, pa.table({"embedding": vector_array(numbers(2**18, 128))}))
    code = (
        "import resource, sys\n"
        "from rows.vectors.table import VectorTable\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "table = VectorTable.open(sys.argv[1])\n"
        "next(table.batches(num_rows=10))\n"
        "before = peak()\n"
        "rows = sum(len(batch) for batch in table.batches(num_rows=8192))\n"
        "print(rows, (peak() - before) // (1024 if sys.platform == 'darwin' else 1))\n"
    )
    printed = subprocess.run([sys.executable, "-c", code, str(file)], capture_output=True, text=True, check=True).stdout
    rows, grown_kib = map(int, printed.split())
    assert rows == 2**18
    assert grown_kib < 64 * 1024
