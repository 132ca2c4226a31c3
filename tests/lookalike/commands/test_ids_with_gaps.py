"""Ids that pandas made floats of, for one was missing once: the same rows by the same names in every command."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.search.index import Index
from tests.shared.command_line import Cli

IDS = [7.0, 8.0, 1234567.0, 2.5]


@pytest.fixture
def own(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Run a command beside own.parquet and its index `i`."""
    monkeypatch.chdir(tmp_path)
    write("own.parquet", IDS)
    assert cli("index", "own.parquet", "--output", "i", "--distance", "euclidean")[0] == 0
    return cli


def write(file: str, ids: list[object]) -> None:
    vectors = np.random.default_rng(0).normal(size=(len(ids), 4)).astype(np.float32)
    pd.DataFrame({"id": ids, "embedding": list(vectors)}).to_parquet(file)


@pytest.mark.parametrize("name", ["7", "1234567", "2.5", "7.0"])
def test_a_row_is_asked_for_by_the_id_that_is_shown(name: str, own: Cli) -> None:
    """In full, never rounded to four digits; a list that pandas wrote names it with .0."""
    code, out, _ = own("search", "i", "own.parquet", "-k", 4)
    assert code == 0
    assert {line.split()[0] for line in out.splitlines()[1:]} == {"7", "8", "1234567", "2.5"}
    assert {line.split()[2] for line in out.splitlines()[1:]} == {"7", "8", "1234567", "2.5"}
    code, out, err = own("search", "i", f"id:{name}", "-k", 1, "--json")
    assert code == 0, err
    assert json.loads(out)[0]["neighbours"][0]["id"] == float(name)
    Path("gone.txt").write_text(f"{name}\n")
    assert own("index", "i", "--remove", "gone.txt")[0] == 0
    assert Index.open("i").rows["id"].to_pylist() == [each for each in IDS if each != float(name)]


@pytest.mark.parametrize("ids", [[7, 100], ["7", "100"]])
def test_an_id_that_is_there_is_not_added_in_another_way_of_writing(ids: list[object], own: Cli) -> None:
    """7 and "7" are the row 7.0, which they replace where that is asked for."""
    write("more.parquet", ids)
    code, _, err = own("index", "more.parquet", "--output", "i", "--add")
    assert (code, "got 1 that it has, first '7'" in err) == (1, True), err
    assert own("index", "more.parquet", "--output", "i", "--add", "--replace")[0] == 0
    assert [float(each) for each in Index.open("i").rows["id"].to_pylist()] == [8, 1234567, 2.5, 7, 100]
