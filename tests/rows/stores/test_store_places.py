"""push: URLs of stores, stores that are not there, packages that are not installed, and a server over the network."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet
from qdrant_client import QdrantClient

from artifact.errors import DataError, LookalikeError, UnavailableError, UsageError
from lookalike.cli import main
from rows.stores.place import parse_place
from rows.stores.push import push
from rows.stores.qdrant import point_id
from rows.vectors.schema import vector_array
from rows.vectors.table import VectorTable
from tests.shared.places import ROOT

VECTORS = np.random.default_rng(0).standard_normal((5, 4)).astype(np.float32)


def small_table() -> VectorTable:
    return VectorTable.from_arrays(VECTORS, {"id": list("abcde")})


@pytest.mark.parametrize(
    ("url", "program", "address", "path"),
    [
        ("qdrant://localhost:6333", "qdrant", "http://localhost:6333", None),
        ("qdrant+https://cloud.example", "qdrant", "https://cloud.example", None),
        ("qdrant:///data/store", "qdrant", None, "/data/store"),
        ("qdrant:store/here", "qdrant", None, "store/here"),
        ("milvus+http://[::1]:19530", "milvus", "http://[::1]:19530", None),
        ("milvus:vectors.db", "milvus", None, "vectors.db"),
        ("postgresql://me@host/db", "postgresql", "http://host", None),
    ],
)
def test_a_url_names_program_and_place(url: str, program: str, address: str | None, path: str | None) -> None:
    """A host, or a file or folder, absolute or relative."""
    place = parse_place(url)
    assert (place.program, place.address, place.path and str(place.path)) == (program, address, path)
    assert place.shown == url


def test_a_password_is_never_shown() -> None:
    """Neither in the result nor in a message."""
    url = "postgresql://me:secret@127.0.0.1:1/db"
    assert parse_place(url).shown == "postgresql://me:***@127.0.0.1:1/db"
    with pytest.raises(UnavailableError) as caught:
        push(small_table(), url, "x", distance="euclidean")
    assert "secret" not in str(caught.value)
    assert "postgresql://me:***@127.0.0.1:1/db" in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:se#cret@127.0.0.1:1/db",
        "postgresql://me:se?cret@127.0.0.1:1/db",
        "postgresql://me:se/cret@127.0.0.1:1/db",
        "postgresql://me:se cret@127.0.0.1:1/db",
        "postgresql://me:%zzcret@127.0.0.1:1/db",
        "postgresql://me:se@cret@127.0.0.1:1/db",
        "postgresql://127.0.0.1:1/db?password=secret",
        "postgresql://127.0.0.1:1/db?user=me&password=se%zzcret&connect_timeout=1",
        "postgresql://127.0.0.1:1/db?sslpassword=secret&connect_timeout=1",
        "qdrant://127.0.0.1:1?api_key=secret",
        "redis://me:secret@host",
        "host=127.0.0.1 password=secret",
    ],
)
def test_no_way_to_write_a_password_shows_it(url: str) -> None:
    """In no line of the chain of errors: what cannot be parsed is quoted by urllib and libpq, and masked by us."""
    with pytest.raises(LookalikeError) as caught:
        push(small_table(), url, "x", distance="euclidean")
    shown = str(caught.value)
    assert "***" in shown
    assert not any(part in shown for part in ("se#", "se?", "se/", "se ", "se@", "%zz", "cret"))


@pytest.mark.parametrize("url", ["", "x", "http://localhost:6333", "redis://localhost", "qdrant://", "qdrant://h:x"])
def test_another_url_is_a_usage_error_that_lists_the_forms(url: str) -> None:
    """http:// too: it does not tell which program answers."""
    with pytest.raises(UsageError, match=r"milvus:///FILE\.db"):
        push(small_table(), url, "x")


def test_a_milvus_file_must_end_in_db(tmp_path: Path) -> None:
    """Milvus Lite would take any other name for a host."""
    with pytest.raises(UsageError, match=r"expected a name that ends in \.db"):
        push(small_table(), f"milvus://{tmp_path}/store", "x", distance="euclidean")


@pytest.mark.parametrize("program", ["qdrant", "milvus", "postgresql"])
def test_a_store_that_is_not_there_is_one_line(program: str) -> None:
    """Nobody listens on port 1."""
    with pytest.raises(UnavailableError, match=rf"store: expected an answer, got .* \({program}://127.0.0.1:1\)"):
        push(small_table(), f"{program}://127.0.0.1:1", "x", distance="euclidean")


def test_a_server_of_milvus_is_reached_by_its_address(tmp_path: Path) -> None:
    """Another process, over gRPC, twice."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    command = ["milvus_lite", "server", "--data-dir", str(tmp_path), "--host", "127.0.0.1", "--port", str(port)]
    with subprocess.Popen([sys.executable, "-u", "-m", *command], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            assert f"listening on 127.0.0.1:{port}" in server.stdout.readline()
            for created in (True, False):
                result = push(small_table(), f"milvus://127.0.0.1:{port}", "x", distance="cosine")
                assert (result.created, result.num_in_collection) == (created, 5)
        finally:
            server.terminate()


@pytest.mark.parametrize(
    ("url", "package", "extra"),
    [
        ("qdrant:x", "qdrant_client", "qdrant"),
        ("milvus:x.db", "pymilvus", "milvus"),
        ("postgresql:///x", "psycopg", "pgvector"),
    ],
)
def test_a_missing_package_is_said_before_anything_is_read(url: str, package: str, extra: str) -> None:
    """One line with the extra that brings it; the vectors, which are not there either, are not looked at."""
    code = (
        f"import sys\nsys.modules[{package!r}] = None\nimport lookalike.cli\n"
        f"sys.exit(lookalike.cli.main(['push', 'nowhere', {url!r}, '--collection', 'x']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    expected = f"lookalike: the package '{package}' is not installed; `pip install 'lookalike[{extra}]'` brings it\n"
    assert (done.returncode, done.stderr) == (1, expected)


def test_ids_of_qdrant_are_integers_or_stay_the_same_uuid() -> None:
    """Qdrant knows no other ids; equal ids give equal UUIDs in every process and version."""
    assert point_id(7) == 7
    assert point_id("cats/1.png") == "d3556293-4265-5069-bd64-6542b7c90cf4"
    assert point_id(-7) == point_id("-7") == "76c91091-37a5-5d9d-bc89-d5b9025a83ee"


def test_vectors_without_lineage_need_a_distance(tmp_path: Path, capsys: Any) -> None:
    """As for an index: nobody can guess it."""
    file = tmp_path / "v.parquet"
    parquet.write_table(pa.table({"id": list("abcde"), "embedding": vector_array(VECTORS)}), file)
    command = ["push", str(file), f"qdrant://{tmp_path}/q", "--collection", "x"]
    assert main(command) == 2
    assert "name one of euclidean, squared_euclidean, cosine" in capsys.readouterr().err
    assert main([*command, "--distance", "squared_euclidean", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["num_in_collection"] == 5


def test_one_vector_column_goes_and_the_other_columns_that_are_no_vectors(tmp_path: Path) -> None:
    """Of a table of tuples: the named stream's vectors, with the distances as they stand in the row."""
    columns = {"id": list("abcde"), "embedding_left": vector_array(VECTORS), "distance_left_right": [0.5] * 5}
    table = VectorTable.from_arrays(-VECTORS, columns, column="embedding_right")
    push(table, f"qdrant://{tmp_path}/q", "x", distance="euclidean")
    with closing(QdrantClient(path=str(tmp_path / "q"))) as client:
        points = client.scroll("x", with_vectors=True)[0]
    assert len(points) == 5
    for point in points:
        assert point.payload is not None
        row = "abcde".index(point.payload["id"])
        assert point.payload == {"id": "abcde"[row], "distance_left_right": 0.5}
        np.testing.assert_allclose(np.asarray(point.vector), -VECTORS[row], rtol=1e-6)


def test_a_row_without_an_id_is_refused(tmp_path: Path) -> None:
    """There is no way to write it twice as one."""
    table = VectorTable.from_arrays(VECTORS, {"id": [*"abcd", None]})
    with pytest.raises(DataError, match='column "id": expected an id in every row, got null'):
        push(table, f"qdrant://{tmp_path}/q", "x", distance="euclidean")
