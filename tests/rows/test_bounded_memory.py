"""Bounded memory: batches are cut by bytes, the same wherever they are read from, and large tables need no more."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from artifact.errors import DataError
from rows.formats.parquet import ParquetSource
from rows.tables import ImageTable, open_table
from tests.shared.row_tables import write_members

SIZES = [10, 2000, 30, 30, 900, 90, 5, 5, 5, 5, 5000, 1, 1, 1000, 10]


def write(path: Path, kind: str) -> Any:
    data: list[Any] = [bytes([i]) * size for i, size in enumerate(SIZES)]
    if kind == "tar":
        return write_members(path / "t.tar.gz", {f"{i:02d}.png": value for i, value in enumerate(data)})
    if kind == "struct":
        data = [{"bytes": value, "path": None} for value in data]
    array: Any = pa.array(data).dictionary_encode() if kind == "dictionary" else pa.array(data)
    if kind == "view":
        array = array.cast(pa.binary_view())
    table = pa.table({"image": array})
    if kind == "memory":
        return table
    parquet.write_table(table, path / "t.parquet", row_group_size=4, use_dictionary=kind == "dictionary")
    return path / "t.parquet"


def ends(start: int, rows_per_batch: int, max_bytes: int) -> list[list[int]]:
    """The rows of each batch, by a plain loop."""
    found: list[list[int]] = []
    for row in range(start, len(SIZES)):
        has_room = found and len(found[-1]) < rows_per_batch
        if has_room and sum(SIZES[i] for i in found[-1]) + SIZES[row] <= max_bytes:
            found[-1].append(row)
        else:
            found.append([row])
    return found


@pytest.mark.parametrize("kind", ["binary", "struct", "dictionary", "memory", "view"])
def test_batches_are_cut_by_bytes_wherever_they_start(kind: str, tmp_path: Path) -> None:
    """Against a plain loop over the sizes; a row over the limit comes alone."""
    table = open_table(write(tmp_path, kind), columns={"image": "image"})
    for start, size, max_bytes in itertools.product(range(0, 15, 2), (1, 3, 100), (1, 50, 1000, 5100, 10**6)):
        batches = list(table.batches(size, start, max_bytes=max_bytes))
        assert [list(range(b.first_row, b.first_row + len(b))) for b in batches] == ends(start, size, max_bytes)
        read = [len(ref.read()) for batch in batches for ref in batch.images["image"]]
        assert read == SIZES[start:]


def test_members_of_a_compressed_tar_are_cut_by_bytes(tmp_path: Path) -> None:
    """Ids and offsets count a few bytes too, so only the bound is compared."""
    table = open_table(write(tmp_path, "tar"))
    batches = list(table.batches(100, max_bytes=2500))
    held = [sum(len(ref.read()) for ref in batch.images["image"]) for batch in batches]
    assert sum(held) == sum(SIZES)
    assert all(total <= 2500 or len(batch) == 1 for total, batch in zip(held, batches, strict=True))
    assert len(batches) < 8


def test_stream_is_read_once(tmp_path: Path) -> None:
    """From any row, but not again; an empty one has no rows; two streams are never one job's table."""
    table = pa.table({"image": [b"a", b"bb", b"ccc"], "label": ["x", "y", "z"]})

    def stream() -> ImageTable:
        return open_table(pa.RecordBatchReader.from_batches(table.schema, table.to_batches(max_chunksize=2)))

    opened = stream()
    assert opened.num_rows is None
    opened.require_unchanged()
    assert [batch.ids for batch in opened.batches(1, 1)] == [["1"], ["2"]]
    with pytest.raises(DataError) as caught:
        list(opened.batches(1))
    assert str(caught.value) == (
        "stream of record batches: expected to be read once, got a second reading; "
        "open the table again over a new reader, or give a pa.Table"
    )
    assert stream().fingerprint != stream().fingerprint
    assert list(open_table(pa.RecordBatchReader.from_batches(table.schema, [])).batches(1)) == []


def test_fingerprint_of_a_table_in_memory_is_by_content() -> None:
    """However its rows lie in chunks; another value, type or column is another table."""
    table = pa.table({"image": ["a", "b", "c"], "x": [1, 2, None]})
    chunked = pa.concat_tables([table.slice(0, 1), table.slice(1)])
    others = [
        table.slice(1),
        table.set_column(1, "x", pa.array([1, 2, 3])),
        table.set_column(0, "image", [["a", "b", "d"]]),
        table.set_column(1, "x", table["x"].cast(pa.int8())),
    ]
    same = {open_table(given, copy=["x"]).fingerprint for given in (table, chunked)}
    assert len(same) == 1
    assert len(same | {open_table(given, copy=["x"]).fingerprint for given in others}) == 5
    with pytest.raises(DataError, match=r"^table: expected rows, got none \(table in memory\)$"):
        open_table(table.slice(3))


PEAK = """
import sys, tracemalloc
import pyarrow
from rows.tables import open_table
for batch in open_table(sys.argv[1]).batches(1):
    break  # imports what is imported late
tracemalloc.start()
total = 0
for batch in open_table(sys.argv[1]).batches(64, max_bytes=1 << 20):
    for ref in batch.images["image"]:
        total += ref.pixels.size if ref.pixels is not None else len(ref.read())
print(total, pyarrow.default_memory_pool().max_memory() + tracemalloc.get_traced_memory()[1])
"""


def write_large(path: Path, form: str, num_rows: int) -> Path:
    rng = np.random.default_rng(3)
    if form == "npy":
        np.save(path / f"{num_rows}.npy", rng.integers(0, 256, (num_rows, 64, 64, 3), dtype=np.uint8))
    elif form == "tar.gz":
        members = {f"{i}.png": bytes([i % 256]) * 12288 for i in range(num_rows)}
        write_members(path / f"{num_rows}.tar.gz", members)
    else:
        data = [rng.bytes(12288) if i % 50 else rng.bytes(500_000) for i in range(num_rows)]
        table = pa.table({"image": data})
        parquet.write_table(table, path / f"{num_rows}.parquet", row_group_size=num_rows, write_batch_size=32)
    return path / f"{num_rows}.{form}"


@pytest.mark.parametrize("form", ["parquet", "npy", "tar.gz"])
def test_ten_times_the_table_takes_the_same_memory(form: str, tmp_path: Path) -> None:
    """What Python and Arrow hold at most in a process of its own: a small table, and one of ten times the rows."""
    peaks = []
    for num_rows in (300, 3000):
        path = write_large(tmp_path, form, num_rows)
        found = subprocess.run([sys.executable, "-c", PEAK, str(path)], capture_output=True, text=True, check=True)
        total, peak = map(int, found.stdout.split())
        assert total >= num_rows * 12288
        peaks.append(peak)
        path.unlink()
    assert peaks[1] - peaks[0] < 2**20, peaks  # of the 33 MiB that it has more
    assert peaks[1] < 20 * 2**20, peaks


def test_images_that_a_dictionary_repeats_are_read_in_bounded_pieces(tmp_path: Path) -> None:
    """Ten images of 20 kB in 5000 rows: 200 kB in the file, 100 MB in memory."""
    distinct = [np.random.default_rng(i).bytes(20_000) for i in range(10)]
    repeated = [distinct[i % 10] for i in range(5000)]
    for name, values in {"image": repeated, "struct": [{"bytes": value} for value in repeated]}.items():
        path = tmp_path / f"{name}.parquet"
        parquet.write_table(pa.table({"image": values}), path, row_group_size=5000)
        assert path.stat().st_size < 10**6
        chunks = ParquetSource(path).chunks(["image"], start_row=0, max_rows=1024, max_bytes=2 * 10**6)
        sizes = [(table.num_rows, table.nbytes) for table in chunks]
        assert sum(rows for rows, _ in sizes) == 5000
        assert max(num_bytes for _, num_bytes in sizes) < 2.2 * 10**6
