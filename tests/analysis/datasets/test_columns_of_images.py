"""Tables that hold images or bytes beside the vectors: what copies a table's columns leaves those, unread."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from analysis.clusters.table_clusters import cluster_table
from analysis.datasets.comparison.comparing import compare_tables
from analysis.datasets.comparison.rows_of_both import write_rows
from analysis.datasets.leaks import find_leaks, write_leaks
from analysis.datasets.maps.laying_out import rows_of
from analysis.datasets.output_columns import write_with_columns
from analysis.search.growth import add_rows
from analysis.search.index import Index
from artifact.errors import DataError
from rows.cells import holds_bytes
from rows.vectors.schema import vector_array
from rows.vectors.table import VectorTable

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
HEAVY: dict[str, pa.DataType] = {
    "bytes": pa.binary(),
    "large": pa.large_binary(),
    "fixed": pa.binary(4),
    "view": pa.binary_view(),
    "image": IMAGE,
    "deep": pa.struct([("image", IMAGE), ("size", pa.int64())]),
    "several": pa.list_(IMAGE),
    "many": pa.large_list(pa.binary()),
    "three": pa.list_(pa.binary(), 3),
    "named": pa.map_(pa.string(), pa.binary()),
    "pixels": pa.fixed_shape_tensor(pa.uint8(), (2, 2, 3)),
    "category": pa.dictionary(pa.int8(), pa.binary()),
}
LIGHT: dict[str, pa.DataType] = {
    "text": pa.string(),
    "path": pa.struct([("path", pa.string())]),
    "no bytes": pa.struct([("bytes", pa.null()), ("path", pa.string())]),
    "tags": pa.list_(pa.string()),
    "box": pa.list_(pa.float32()),
    "counts": pa.map_(pa.string(), pa.int64()),
    "none": pa.null(),
    "label": pa.dictionary(pa.int8(), pa.string()),
    "price": pa.float64(),
}


@pytest.mark.parametrize("name", [*HEAVY, *LIGHT])
def test_columns_of_images_and_bytes_are_known_by_their_type(name: str) -> None:
    """Within structs, lists and maps too; a path is none, nor what Hugging Face calls bytes and leaves empty."""
    assert holds_bytes((HEAVY | LIGHT)[name]) == (name in HEAVY)


def table_of(folder: Path, name: str = "v.parquet", first: int = 0) -> VectorTable:
    """Forty rows with an image of {bytes, path}, a binary column, and ids that are bytes."""
    matrix = np.random.default_rng(first).normal(size=(40, 4)).astype(np.float32)
    images = pa.array([{"bytes": b"x" * 99, "path": f"{row}.png"} for row in range(40)], IMAGE)
    columns = {"id": [f"r{first + row}" for row in range(40)], "image": images, "raw": [b"\0\1"] * 40}
    rows = pa.table({**columns, "label": ["a", "b"] * 20, "embedding": vector_array(matrix)})
    parquet.write_table(rows, folder / name)
    return VectorTable.open(folder / name)


def written(path: Path) -> list[str]:
    return list(parquet.read_schema(path).names)


def leaked(folder: Path) -> list[str]:
    table, other = table_of(folder), table_of(folder, "w.parquet", 100)
    found = find_leaks(table, other, threshold=1.0, distance="euclidean")
    write_leaks(table, other, found, folder / "out.parquet")
    return written(folder / "out.parquet")


def clustered(folder: Path) -> list[str]:
    cluster_table(table_of(folder), 2, folder / "out.parquet", distance="euclidean")
    return written(folder / "out.parquet")


def joined(folder: Path) -> list[str]:
    table, other = table_of(folder), table_of(folder, "w.parquet", 100)
    found = compare_tables(table, other, distance="euclidean", relabellings=19)
    write_rows(table, other, found, folder / "out.parquet")
    return written(folder / "out.parquet")


def beside(folder: Path) -> list[str]:
    write_with_columns(table_of(folder), {}, folder / "out.parquet")
    return written(folder / "out.parquet")


def grown(folder: Path) -> list[str]:
    index = Index.build(table_of(folder), distance="euclidean")
    names: list[str] = add_rows(index, table_of(folder, "w.parquet", 100)).index.rows.schema.names
    return names


COPIES: dict[str, Callable[[Path], list[str]]] = {
    "index": lambda folder: Index.build(table_of(folder), distance="euclidean").rows.schema.names,
    "grown index": grown,
    "clusters": clustered,
    "leaks": leaked,
    "both sets": joined,
    "columns beside": beside,
    "layout": lambda folder: rows_of(table_of(folder), lambda event: None).schema.names,
}


@pytest.mark.parametrize("copy", COPIES)
def test_what_copies_all_columns_leaves_images_unread(
    copy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are in no output, and none of their bytes is read on the way to it."""
    read, column = [], VectorTable.column

    def recorded(table: VectorTable, name: str) -> Any:
        read.append(name)
        return column(table, name)

    monkeypatch.setattr(VectorTable, "column", recorded)
    names = COPIES[copy](tmp_path)
    assert {"id", "label"} <= set(names)
    assert not {"image", "raw"} & {*names, *read}


def test_the_nearest_of_a_leak_needs_the_ids_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the first set no other column is read."""
    read, column = [], VectorTable.column

    def recorded(table: VectorTable, name: str) -> Any:
        read.append((Path(table.source).name, name))
        return column(table, name)

    monkeypatch.setattr(VectorTable, "column", recorded)
    leaked(tmp_path)
    assert {name for file, name in read if file == "v.parquet"} == {"id"}


def test_a_column_of_images_that_is_named_is_copied(tmp_path: Path) -> None:
    """By --copy; ids of bytes are ids all the same; a name that is none is refused."""
    table = table_of(tmp_path)
    index = Index.build(table, distance="euclidean", copy=["image"])
    assert index.rows.schema.names == ["id", "image"]
    assert index.rows["image"][3].as_py() == {"bytes": b"x" * 99, "path": "3.png"}
    with pytest.raises(DataError, match=r'^column "foto": expected one of '):
        Index.build(table, distance="euclidean", copy=["foto"])
    of_bytes = VectorTable.from_arrays(table.matrix, {"id": [bytes([row]) for row in range(40)]})
    assert [field.name for field in of_bytes.other_fields] == ["id"]
