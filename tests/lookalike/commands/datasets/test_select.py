"""The command `select`: ids in order, as a table, as a list and as JSON, and what a hasty user gets."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from rows.vectors.schema import vector_array
from tests.shared.command_line import Cli

OPTIONS = ("--distance", "euclidean")


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """`own.parquet`: 40 rows of which five have a label."""
    vectors = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
    columns = {"id": [f"ä/{row}" for row in range(40)], "label": ["a"] * 5 + [""] * 35}
    parquet.write_table(pa.table({**columns, "embedding": vector_array(vectors)}), tmp_path / "own.parquet")
    return tmp_path / "own.parquet"


@pytest.mark.parametrize("method", ["representative", "diverse"])
def test_select_tells_the_same_in_every_form(own: Path, cli: Cli, method: str) -> None:
    """Table, list of ids, JSON and the lines for people hold the same rows in one order."""
    words = ("select", "own.parquet", "--count", 6, "--method", method, "--label", "label", *OPTIONS)
    code, out, err = cli(*words, "--output", "next.parquet", "--list", "next.txt", "--json")
    assert (code, err) == (0, "")
    facts = json.loads(out)
    ids = [row["id"] for row in facts["rows"]]
    assert len(set(ids)) == facts["chosen"] == 6
    assert not set(ids) & {f"ä/{row}" for row in range(5)}
    assert (facts["num_labelled"], facts["num_left"], facts["method"]) == (5, 35, method)
    assert Path("next.txt").read_text(encoding="utf-8").splitlines() == ids
    assert parquet.read_table("next.parquet")["id"].to_pylist() == ids
    lines = cli(*words)[1].splitlines()
    assert [line.split()[1] for line in lines[1:7]] == ids


def test_select_says_where_there_are_fewer(own: Path, cli: Cli) -> None:
    """More asked for than there are: all of them, with a note."""
    code, out, err = cli("select", "own.parquet", "--count", 50, "--label", "label", *OPTIONS, "--json")
    assert code == 0
    assert json.loads(out)["chosen"] == 35
    assert "50 rows were asked for; 35 are neither labelled nor copies of another" in err


def test_select_takes_labelled_vectors_of_another_file(own: Path, cli: Cli) -> None:
    """The first rows as a file of their own: none of them is chosen."""
    parquet.write_table(parquet.read_table("own.parquet").slice(0, 10), "done.parquet")
    code, out, _ = cli("select", "own.parquet", "--count", 40, "--labelled", "done.parquet", *OPTIONS, "--json")
    assert code == 0
    assert sorted(row["id"] for row in json.loads(out)["rows"]) == sorted(f"ä/{row}" for row in range(10, 40))


def test_select_refuses_in_one_line(own: Path, cli: Cli) -> None:
    """Wrong path, column and method, no rows, the table as either output, both outputs one, an id of two lines."""
    table = parquet.read_table("own.parquet")
    ids = pa.array([f"a\n{row}" for row in range(40)])
    parquet.write_table(table.set_column(0, "id", ids), "odd.parquet")
    before = own.read_bytes()
    for arguments, code, message in (
        (("gone.parquet", "--count", 3), 1, "got nothing there"),
        (("own.parquet", "--count", 3, "--label", "klasse"), 1, "klasse"),
        (("own.parquet", "--count", 3, "--method", "best"), 2, "representative, diverse"),
        (("own.parquet", "--count", 0), 2, "count"),
        (("own.parquet",), 2, "--count"),
        (("own.parquet", "--count", 3, "--output", "own.parquet"), 2, "expected another file"),
        (("own.parquet", "--count", 3, "--list", "own.parquet"), 2, "expected another file"),
        (("own.parquet", "--count", 3, "--list", "x", "--output", "x"), 2, "another file than --output"),
        (("own.parquet", "--count", 3, "--labelled", "own.parquet"), 1, "all are labelled"),
        (("odd.parquet", "--count", 3, "--list", "x"), 1, "one line"),
    ):
        found, out, err = cli("select", *arguments, *OPTIONS)
        assert (found, out) == (code, ""), arguments
        assert message in err, err
        assert len(err.splitlines()) == 1
    assert own.read_bytes() == before
    assert not Path("x").exists()
