"""Parts of a table of vectors that other programs wrote anew: read as one table, or refused."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pyarrow import parquet

from artifact.errors import DataError
from rows.vectors.lineage import Lineage
from rows.vectors.parts import write_part
from rows.vectors.schema import vector_array
from rows.vectors.table import VectorTable

WHOLE = np.random.default_rng(0).integers(0, 100, (30, 4)).astype(np.float32)
LINEAGE = Lineage(artifact="shoes", version=3, digest="d", space="s" * 64, distance="cosine", normalized=False)


def scored_parts(folder: Path) -> None:
    """Two parts as scoring writes them; in the first no row has a note."""
    for number, part in enumerate((slice(0, 12), slice(12, 30))):
        ids = [f"r{row}" for row in range(30)][part]
        columns = {"id": ids, "label": ["a", "b"] * (len(ids) // 2), "note": [None] * 12 if number == 0 else ["x"] * 18}
        schema = pa.schema(
            [
                ("id", pa.string()),
                ("label", pa.string()),
                ("note", pa.string()),
                ("embedding", pa.list_(pa.float32(), 4)),
            ]
        )
        table = pa.table([*columns.values(), vector_array(WHOLE[part])], schema=schema)
        write_part(
            folder / f"part-{number:05d}.parquet",
            table.replace_schema_metadata(LINEAGE.to_metadata()),
        )


def by_pandas(part: Path) -> None:
    pd.read_parquet(part).to_parquet(part)


def by_polars(part: Path) -> None:
    pl.read_parquet(part).write_parquet(part)


def by_polars_as_doubles(part: Path) -> None:
    wide = pl.col("embedding").cast(pl.List(pl.Float64))
    pl.read_parquet(part).with_columns(wide).select("embedding", "note", "id", "label").write_parquet(part)


def by_duckdb(part: Path) -> None:
    import duckdb

    other = part.with_suffix(".other")
    duckdb.sql(f"COPY (SELECT * FROM '{part}') TO '{other}' (FORMAT parquet)")
    other.rename(part)


@pytest.mark.parametrize("rewrite", [by_pandas, by_polars, by_polars_as_doubles, by_duckdb])
def test_parts_come_back_from_other_programs(rewrite: Any, tmp_path: Path) -> None:
    """All of them; a column of nulls alone loses its type there, and some lose the lineage."""
    scored_parts(tmp_path)
    for part in sorted(tmp_path.glob("part-*")):
        rewrite(part)
    table = VectorTable.open(tmp_path)
    np.testing.assert_array_equal(table.matrix, WHOLE)
    assert table.lineage is None
    assert table.ids == [f"r{row}" for row in range(30)]
    assert table.column("note").to_pylist() == [None] * 12 + ["x"] * 18
    assert [row for each in table.batches(["note"], num_rows=5) for row in each.columns["note"].to_pylist()] == (
        [None] * 12 + ["x"] * 18
    )
    assert sorted(table.copied().schema.names) == ["id", "label", "note"]


def test_parts_of_several_list_types_and_a_kept_lineage_are_one_table(tmp_path: Path) -> None:
    """One part rewritten by Arrow as list<double>, its columns in another order, its words as categories."""
    scored_parts(tmp_path)
    part = tmp_path / "part-00001.parquet"
    table = parquet.read_table(part)
    columns = {"embedding": table["embedding"].cast(pa.list_(pa.float64()))}
    columns |= {"label": table["label"].dictionary_encode(), "note": table["note"], "id": table["id"]}
    parquet.write_table(pa.table(columns).replace_schema_metadata(table.schema.metadata), part)
    found = VectorTable.open(tmp_path)
    np.testing.assert_array_equal(found.matrix, WHOLE)
    assert found.lineage == LINEAGE
    assert found.column("label").to_pylist() == ["a", "b"] * 15


def test_parts_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    """Another length in a part whose type says so, and in one whose type does not; another set of columns."""
    scored_parts(tmp_path)
    part = tmp_path / "part-00001.parquet"
    table = parquet.read_table(part)
    short = pa.array(WHOLE[12:, :3].tolist(), pa.list_(pa.float32()))
    parquet.write_table(table.set_column(3, "embedding", short), part)
    with pytest.raises(DataError) as caught:
        _ = VectorTable.open(tmp_path).matrix
    assert str(caught.value) == (
        f'vector column "embedding": expected 4 numbers in every row, got 3 in row 12 ({tmp_path})'
    )
    parquet.write_table(table.set_column(3, "embedding", short.cast(pa.list_(pa.float32(), 3))), part)
    with pytest.raises(DataError, match=r"^part: expected the columns of the first part, got other columns"):
        VectorTable.open(tmp_path)
    parquet.write_table(table.drop_columns(["note"]), part)
    with pytest.raises(DataError, match=r"^part: expected the columns of the first part, got other columns"):
        VectorTable.open(tmp_path)


def test_types_of_two_parts_become_one_as_those_of_two_files_do(tmp_path: Path) -> None:
    """Whole numbers that meet text are text, as in tables of images; categories that meet words are words."""
    scored_parts(tmp_path)
    part = tmp_path / "part-00000.parquet"
    table = parquet.read_table(part)
    numbers = pa.array(range(12), pa.int64())
    words = pa.array(["a", "b"] * 6).dictionary_encode()
    parquet.write_table(table.set_column(0, "id", numbers).set_column(1, "label", words), part)
    found = VectorTable.open(tmp_path)
    assert found.column("id").to_pylist() == [str(row) for row in range(12)] + [f"r{row}" for row in range(12, 30)]
    assert (found.schema.field("id").type, found.schema.field("label").type) == (pa.string(), pa.string())
    np.testing.assert_array_equal(found.matrix, WHOLE)
    parquet.write_table(table.set_column(0, "id", pa.array([[row] for row in range(12)])), part)
    with pytest.raises(DataError, match=r"^part: expected the columns of the first part, got other columns"):
        VectorTable.open(tmp_path)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (pa.array([np.nan] * 12), pa.array(["x"] * 18), [None] * 12 + ["x"] * 18),
        (pa.array([Decimal("19.99")] * 12), pa.array([0.5] * 18), [19.99] * 12 + [0.5] * 18),
    ],
    ids=["nan beside words", "decimals beside fractions"],
)
def test_values_of_two_parts_become_what_those_of_two_files_do(
    first: pa.Array[Any], second: pa.Array[Any], expected: list[Any], tmp_path: Path
) -> None:
    """NaN is no word, and a decimal is the fraction that is written alike."""
    scored_parts(tmp_path)
    for number, values in enumerate((first, second)):
        part = tmp_path / f"part-{number:05d}.parquet"
        table = parquet.read_table(part)
        parquet.write_table(table.set_column(2, "note", values), part)
    found = VectorTable.open(tmp_path)
    assert found.column("note").to_pylist() == expected
    assert [each for batch in found.batches(["note"]) for each in batch.columns["note"].to_pylist()] == expected
