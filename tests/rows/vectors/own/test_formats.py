"""Vectors as NumPy, pandas, polars and pyarrow write them: the same rows, ids and labels, whatever the file is."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pyarrow import feather, parquet

from rows.vectors.table import VectorTable

NUM_ROWS, DIM = 23, 5
VECTORS = np.random.default_rng(0).integers(-64, 64, (NUM_ROWS, DIM)).astype(np.float32) / 8
"""Numbers that float16 and decimal text hold exactly."""
IDS = [f"bild-{row:02d}-ä" for row in range(NUM_ROWS)]
LABELS = ["katze", "hund", "日本"] * 7 + ["katze", "hund"]


def wide(names: Callable[[int], str] = "e{}".format) -> pd.DataFrame:
    """A column for each number, as tables of features are."""
    return pd.DataFrame({"id": IDS, "label": LABELS, **{names(at): VECTORS[:, at] for at in range(DIM)}})


def tall() -> dict[str, Any]:
    return {"id": IDS, "label": LABELS, "embedding": VECTORS.tolist()}


def write_stream(file: Path) -> None:
    table = pa.table(tall())
    with pa.ipc.new_stream(str(file), table.schema) as writer:
        writer.write_table(table, max_chunksize=4)


def write_lines(file: Path) -> None:
    rows = [{name: column[row] for name, column in tall().items()} for row in range(NUM_ROWS)]
    text = "".join(json.dumps(row, ensure_ascii=at % 2 == 0) + "\n" for at, row in enumerate(rows))
    file.write_bytes(gzip.compress(text.encode()) if file.suffix == ".gz" else text.encode())


def write_npz(file: Path) -> None:
    np.savez_compressed(file, id=np.array(IDS), label=np.array(LABELS), embedding=VECTORS, centres=np.zeros((2, 3, 3)))


def polars_frame() -> pl.DataFrame:
    return pl.DataFrame({"id": IDS, "label": LABELS}).with_columns(
        embedding=pl.Series(VECTORS, dtype=pl.Array(pl.Float32, DIM)), label=pl.col("label").cast(pl.Categorical)
    )


WRITERS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "npz of numpy": ("v.npz", write_npz),
    "feather of pandas": ("v.feather", lambda file: pd.DataFrame(tall()).to_feather(file)),
    "feather of polars": ("v.feather", lambda file: polars_frame().write_ipc(file)),
    "arrow of polars, packed": ("v.arrow", lambda file: polars_frame().write_ipc(file, compression="zstd")),
    "arrow stream of pyarrow": ("v.arrow", write_stream),
    "arrow file of pyarrow": ("V.ARROW", lambda file: feather.write_feather(pa.table(tall()), str(file), chunksize=7)),
    "jsonl": ("v.jsonl", write_lines),
    "jsonl.gz": ("v.jsonl.gz", write_lines),
    "ndjson of polars": ("v.ndjson", lambda file: polars_frame().write_ndjson(file)),
    "jsonl of pandas, numbered": ("v.jsonl", lambda file: wide().to_json(file, orient="records", lines=True)),
    "csv of pandas": ("v.csv", lambda file: wide().to_csv(file, index=False)),
    "csv of pandas with its row numbers": ("v.csv", lambda file: wide("embedding_{}".format).to_csv(file)),
    "csv.gz of pandas": ("v.csv.gz", lambda file: wide(str).to_csv(file, index=False)),
    "csv of polars": ("v.csv", lambda file: pl.from_pandas(wide("dim {}".format)).write_csv(file)),
    "csv with semicolons": ("v.csv", lambda file: wide().to_csv(file, index=False, sep=";")),
    "tsv of pandas": ("v.tsv", lambda file: wide(lambda at: f"f{at + 1:03d}").to_csv(file, index=False, sep="\t")),
    "parquet of pandas, numbered": ("v.parquet", lambda file: wide().to_parquet(file)),
    "parquet of polars, numbered": ("v.pq", lambda file: pl.from_pandas(wide(str)).write_parquet(file)),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_vectors_of_any_writer_are_the_same_table(writer: str, tmp_path: Path) -> None:
    """Matrix, batches, some rows, ids, labels; and the columns of the numbers do not go along with the rows."""
    name, write = WRITERS[writer]
    write(tmp_path / name)
    table = VectorTable.open(tmp_path / name)
    assert (table.num_rows, table.dim, table.lineage) == (NUM_ROWS, DIM, None)
    assert table.matrix.dtype == np.float32
    np.testing.assert_array_equal(table.matrix, VECTORS)
    batches = list(table.batches(["id"], num_rows=4))
    np.testing.assert_array_equal(np.concatenate([batch.vectors for batch in batches]), VECTORS)
    assert [each for batch in batches for each in batch.columns["id"].to_pylist()] == IDS
    np.testing.assert_array_equal(table.take(np.array([0, 6, 7, 22])), VECTORS[[0, 6, 7, 22]])
    assert (table.ids, table.column("label").to_pylist()) == (IDS, LABELS)
    assert sorted(table.copied().schema.names) == ["id", "label"]
    np.testing.assert_array_equal(table.row_numbers, np.arange(NUM_ROWS))
    assert len(table.left_out) == 0
    parquet.write_table(table.copied(), tmp_path / "copied.parquet")
    assert parquet.read_table(tmp_path / "copied.parquet").to_pydict() == {"id": IDS, "label": LABELS}


@pytest.mark.parametrize("dtype", ["<f2", "<f4", ">f4", "<f8", ">f8", "i1", "u1", "<i4", ">i8", "longdouble"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_arrays_of_every_type_and_order_are_vectors(dtype: str, order: Any, suffix: str, tmp_path: Path) -> None:
    """Beside numpy's own cast; blocks that do not divide the rows."""
    whole = np.asarray(np.abs(np.round(VECTORS)), dtype=dtype, order=order)
    file = tmp_path / f"v.{suffix}"
    np.save(file, whole) if suffix == "npy" else np.savez(file, whole)
    table = VectorTable.open(file)
    np.testing.assert_array_equal(table.matrix, whole.astype(np.float32))
    np.testing.assert_array_equal(
        np.concatenate([batch.vectors for batch in table.batches(num_rows=7)]), whole.astype(np.float32)
    )
    np.testing.assert_array_equal(table.take(np.array([6, 7, 7, 22])), whole.astype(np.float32)[[6, 7, 7, 22]])
    assert table.vector_column == ("embedding" if suffix == "npy" else "arr_0")
    assert table.ids == [str(row) for row in range(NUM_ROWS)]


def test_columns_of_an_npz_keep_their_types(tmp_path: Path) -> None:
    """Whole numbers, truths, dates, bytes as text; a pickle is none and that is told; others are passed over."""
    np.savez(
        tmp_path / "v.npz",
        features=VECTORS,
        id=np.arange(NUM_ROWS, dtype=">i4"),
        ok=np.arange(NUM_ROWS) % 2 == 0,
        day=np.datetime64("2026-01-01") + np.arange(NUM_ROWS),
        raw=np.array(IDS).astype("U4").astype("S4"),
        names=np.array(IDS, dtype=object),
        complex=np.full(NUM_ROWS, 1j),
        classes=np.array(["a", "b"]),
        count=np.array(3),
    )
    table = VectorTable.open(tmp_path / "v.npz")
    assert table.vector_column == "features"
    assert table.copied().schema.names == ["id", "ok", "day", "raw"]
    assert table.ids == [str(row) for row in range(NUM_ROWS)]
    assert table.column("ok").to_pylist()[:3] == [True, False, True]
    assert str(table.column("day")[1]) == "2026-01-02"
    assert table.column("raw")[0].as_py() == "bild"
    assert table.notes == [
        'v.npz: the array "names" is a pickle, so it is no column; save it as text, names.astype(str)'
    ]


def test_one_of_several_columns_is_named(tmp_path: Path) -> None:
    """Arrays of an .npz, groups of numbered columns by what stands before the number, a column of JSON lists."""
    np.savez(tmp_path / "v.npz", a=VECTORS, b=-VECTORS[:3], id=np.arange(NUM_ROWS))
    np.testing.assert_array_equal(VectorTable.open(tmp_path / "v.npz", "b").matrix, -VECTORS[:3])
    assert VectorTable.open(tmp_path / "v.npz", "a").copied().schema.names == ["id"]
    frame = wide("left_{}".format).assign(**{f"right_{at}": -VECTORS[:, at] for at in range(DIM)})
    frame = frame.assign(vec=[json.dumps(row) for row in (2 * VECTORS).tolist()])
    for name, write in (("w.csv", frame.to_csv), ("w.parquet", frame.to_parquet), ("w.feather", frame.to_feather)):
        write(tmp_path / name)
        for asked, sign in (("left", 1), ("right_", -1), ("vec", 2)):
            table = VectorTable.open(tmp_path / name, asked)
            np.testing.assert_array_equal(table.matrix, sign * VECTORS)
            assert table.column("label").to_pylist() == LABELS
    assert table.vector_column == "vec"
    assert list(VectorTable.open(tmp_path / "w.csv", "right").notes) == [
        "w.csv: vectors are the 5 columns right_0 to right_4"
    ]


def test_a_column_of_lists_comes_before_numbered_ones(tmp_path: Path) -> None:
    """As it stands in a table of scored images with further numbers beside."""
    table = pa.table({"embedding": VECTORS.tolist(), "x0": VECTORS[:, 0], "x1": VECTORS[:, 1]})
    parquet.write_table(table, tmp_path / "v.parquet")
    opened = VectorTable.open(tmp_path / "v.parquet")
    assert (opened.vector_column, opened.copied().schema.names) == ("embedding", ["x0", "x1"])
    assert opened.with_vectors("embedding").num_rows == NUM_ROWS
    np.testing.assert_array_equal(VectorTable.open(tmp_path / "v.parquet", "x").matrix, VECTORS[:, :2])


def test_numbered_columns_of_several_parts_are_one_table(tmp_path: Path) -> None:
    """As Spark writes them, with another type of number in the second."""
    halves = [wide().iloc[:9], wide().iloc[9:].astype({f"e{at}": np.float64 for at in range(DIM)})]
    for number, half in enumerate(halves):
        half.to_parquet(tmp_path / f"part-{number}.parquet", index=False)
    np.testing.assert_array_equal(VectorTable.open(tmp_path).matrix, VECTORS)


def test_numbers_of_a_text_are_what_python_reads(tmp_path: Path) -> None:
    """Blanks around them, signs, exponents; the nearest float32 to each."""
    texts = [" 1.5", "-.25", "+3e-2", "1E5", "16777217", "0.1", "1e-50", "7 "]
    (tmp_path / "v.csv").write_text("e0,e1\n" + "".join(f"{text},{text}\n" for text in texts))
    expected = np.array([float(text) for text in texts]).astype(np.float32)
    np.testing.assert_array_equal(VectorTable.open(tmp_path / "v.csv").matrix, np.stack([expected, expected], axis=1))
