"""Columns from a table beside the vectors: row by row, or by id, or refused in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from artifact.errors import DataError
from rows.vectors.lineage import Lineage
from rows.vectors.parts import write_part
from rows.vectors.schema import vector_array
from rows.vectors.table import VectorTable

NUM_ROWS = 30
VECTORS = np.random.default_rng(0).normal(size=(NUM_ROWS, 4)).astype(np.float32)
FRAME = pd.DataFrame(
    {
        "id": [f"bild/{row}-ü" for row in range(NUM_ROWS)],
        "label": list("abc") * 10,
        "price": np.arange(NUM_ROWS) * 0.5,
    }
)
LINEAGE = Lineage(artifact="a", version=1, digest="d", space="s", distance="euclidean", normalized=False)


def write_lines(file: Path) -> None:
    file.write_text("".join(json.dumps(row) + "\n" for row in FRAME.to_dict("records")))


def write_parts(folder: Path) -> None:
    folder.mkdir()
    for number in range(3):
        FRAME.iloc[number * 10 : number * 10 + 10].to_parquet(folder / f"part-{number}.parquet", index=False)


WRITERS: dict[str, Callable[[Path], Any]] = {
    "c.csv": lambda file: FRAME.to_csv(file, index=False),
    "c.csv.gz": lambda file: FRAME.to_csv(file),
    "c.tsv": lambda file: FRAME.to_csv(file, index=False, sep="\t"),
    "c.jsonl": write_lines,
    "c.parquet": FRAME.to_parquet,
    "c.feather": FRAME.to_feather,
    "parts": write_parts,
}


@pytest.fixture
def vectors(tmp_path: Path) -> Path:
    """v.npy with a row that is not finite."""
    matrix = VECTORS.copy()
    matrix[4, 1] = np.nan
    np.save(tmp_path / "v.npy", matrix)
    return tmp_path / "v.npy"


@pytest.mark.parametrize("name", WRITERS)
def test_rows_of_a_table_beside_an_array_give_ids_and_columns(name: str, vectors: Path, tmp_path: Path) -> None:
    """In the same order, whatever the format; a row that is left out takes its columns along."""
    WRITERS[name](tmp_path / name)
    table = VectorTable.open(vectors, columns_from=tmp_path / name)
    kept = [row for row in range(NUM_ROWS) if row != 4]
    assert table.ids == FRAME["id"][kept].tolist()
    assert table.column("label").to_pylist() == FRAME["label"][kept].tolist()
    assert [float(each) for each in table.column("price").to_pylist()] == FRAME["price"][kept].tolist()
    assert table.left_out.to_dict()["first"][0]["id"] == "bild/4-ü"
    np.testing.assert_array_equal(table.matrix, VECTORS[kept])
    for batch in table.batches(["price", "id"], num_rows=7):
        rows = table.row_numbers[batch.first_row : batch.first_row + len(batch)]
        assert batch.columns["id"].to_pylist() == FRAME["id"][rows].tolist()
        np.testing.assert_array_equal(batch.vectors, VECTORS[rows])
    assert table.copied().schema.names == ["id", "label", "price"]


def scored(folder: Path, ids: Any) -> Path:
    """Parts with a lineage, as scoring writes them."""
    folder.mkdir()
    for number, rows in enumerate(np.split(np.arange(NUM_ROWS), [11])):
        part = pa.table({"id": pa.array([ids[row] for row in rows]), "embedding": vector_array(VECTORS[rows])})
        write_part(folder / f"part-{number:05d}.parquet", part.replace_schema_metadata(LINEAGE.to_metadata()))
    return folder


def test_tables_that_both_have_ids_are_joined_by_them(tmp_path: Path) -> None:
    """In any order, with rows of others among them; vectors keep their order, ids and lineage; numbers are ids too."""
    more = pd.concat([FRAME, pd.DataFrame({"id": ["other"], "label": ["z"], "price": [9.0]})])
    more.sample(frac=1, random_state=0).to_csv(tmp_path / "c.csv", index=False)
    table = VectorTable.open(scored(tmp_path / "v", FRAME["id"].tolist()), columns_from=tmp_path / "c.csv")
    assert (table.ids, table.lineage) == (FRAME["id"].tolist(), LINEAGE)
    assert table.column("label").to_pylist() == FRAME["label"].tolist()
    (tmp_path / "n.csv").write_text("id,label\n" + "".join(f"{row},l{row}\n" for row in reversed(range(NUM_ROWS))))
    table = VectorTable.open(scored(tmp_path / "w", list(range(NUM_ROWS))), columns_from=tmp_path / "n.csv")
    assert table.column("label").to_pylist() == [f"l{row}" for row in range(NUM_ROWS)]
    assert pa.types.is_int64(table.schema.field("id").type)
    np.testing.assert_array_equal(table.take(np.array([3, 12, 29])), VECTORS[[3, 12, 29]])


def test_one_id_twice_in_one_order_goes_row_by_row(tmp_path: Path) -> None:
    """The same ids in the same order need no join."""
    ids = ["same"] * NUM_ROWS
    FRAME.assign(id=ids).to_parquet(tmp_path / "c.parquet")
    table = VectorTable.open(scored(tmp_path / "v", ids), columns_from=tmp_path / "c.parquet")
    assert table.column("label").to_pylist() == FRAME["label"].tolist()


def test_vectors_of_the_table_beside_are_passed_over(vectors: Path, tmp_path: Path) -> None:
    """Those of another model, as a scored table has them; lists of any length go along."""
    columns = {
        "embedding": vector_array(VECTORS),
        "id": FRAME["id"].tolist(),
        "tags": [[row] * (row % 3) for row in range(30)],
    }
    parquet.write_table(pa.table(columns), tmp_path / "c.parquet")
    table = VectorTable.open(vectors, columns_from=tmp_path / "c.parquet")
    assert table.copied().schema.names == ["id", "tags"]
    assert table.column("tags")[4].as_py() == [5, 5]


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        (
            FRAME.iloc[:29],
            "columns beside the vectors: expected 30 rows, one for each of VECTORS, got 29 (FILE); give both a column "
            "id, and they are joined by it",
        ),
        (
            FRAME.rename(columns={"label": "embedding"}),
            'column "embedding": expected a name that VECTORS does not use, got one in both (FILE)',
        ),
    ],
)
def test_a_table_that_does_not_fit_an_array_is_refused(frame: Any, text: str, vectors: Path, tmp_path: Path) -> None:
    """Another number of rows, a name that both have."""
    file = tmp_path / "c.csv"
    frame.to_csv(file, index=False)
    with pytest.raises(DataError) as caught:
        VectorTable.open(vectors, columns_from=file)
    assert str(caught.value) == text.replace("FILE", str(file)).replace("VECTORS", str(vectors))


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        (
            FRAME.iloc[3:].iloc[::-1],
            "column \"id\": expected the ids of all vectors, got none for 3 of 30, the first 'bild/0-ü' (FILE)",
        ),
        (
            pd.concat([FRAME.iloc[::-1], FRAME.iloc[:1]]),
            "column \"id\": expected each id once, to join by, got 'bild/0-ü' in rows 29 and 30 (FILE)",
        ),
    ],
)
def test_ids_that_do_not_find_each_other_are_refused(frame: Any, text: str, tmp_path: Path) -> None:
    """One that is missing, one that is there twice."""
    file = tmp_path / "c.csv"
    frame.to_csv(file, index=False)
    with pytest.raises(DataError) as caught:
        VectorTable.open(scored(tmp_path / "v", FRAME["id"].tolist()), columns_from=file)
    assert str(caught.value) == text.replace("FILE", str(file))


def test_what_is_no_table_beside_is_refused(vectors: Path, tmp_path: Path) -> None:
    """Nothing there, an array, no Parquet."""
    (tmp_path / "c.txt").write_text("a\n")
    for name, text in (
        ("gone.csv", "columns beside the vectors: expected a table, got nothing there (FILE)"),
        (
            "v.npy",
            "columns beside the vectors: expected a table: .csv .tsv .jsonl .parquet .arrow, got v.npy; an .npz holds "
            "columns beside its vectors by itself",
        ),
    ):
        with pytest.raises(DataError) as caught:
            VectorTable.open(vectors, columns_from=tmp_path / name)
        assert str(caught.value) == text.replace("FILE", str(tmp_path / name))
    with pytest.raises(DataError, match=r"^table of vectors: expected a Parquet file, got .*c\.txt"):
        VectorTable.open(vectors, columns_from=tmp_path / "c.txt")
