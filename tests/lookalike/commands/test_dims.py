"""`--dims` of score, index, search and evaluate: prefixes where they are promised, and one line where they are not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyarrow import parquet
from sklearn.neighbors import NearestNeighbors

from rows.vectors.table import VectorTable
from tests.shared.command_line import Cli, one_line
from tests.shared.job_tables import folder_of_images
from tests.shared.promising_models import DIM, SHORT, SHORTER, expected_prefixes, publish_promising

MODEL = ("--model", "triplet_branch", "--repository", "models")
PLAIN = ("--model", "plain", "--repository", "models")
NUM_IMAGES = 24


@pytest.fixture
def ready(tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """In a folder with models, images and the whole vectors `v`, prefixes `d` of them and an index of either."""
    publish_promising(tmp_path / "models", models=("triplet_branch",))
    folder_of_images(tmp_path / "images", NUM_IMAGES)
    monkeypatch.chdir(tmp_path)
    for output, dims in (("v", ()), ("d", ("--dims", str(SHORT)))):
        assert cli("score", "images", *MODEL, "--output", output, *dims)[0] == 0
        assert cli("index", output, "--output", f"{output}.index")[0] == 0
    return cli


def found_by(cli: Cli, *words: str) -> list[list[str]]:
    """The ids that a search prints, by query."""
    code, out, err = cli("search", *words, "-k", "5", "--json")
    assert code == 0, err
    return [[row["id"] for row in each["neighbours"]] for each in json.loads(out)]


def neighbours(dims: int) -> list[list[str]]:
    """By scikit-learn, of vectors by numpy; in the order of the tables."""
    ids = VectorTable.open("v").ids
    vectors = expected_prefixes([Path("images") / each for each in ids], dims)
    found = NearestNeighbors(n_neighbors=5, algorithm="brute").fit(vectors).kneighbors(vectors, return_distance=False)
    return [[ids[place] for place in row] for row in found]


def test_a_search_among_prefixes_finds_what_sklearn_finds(ready: Cli) -> None:
    """Of an index of scored prefixes, and of one of whole vectors that are cut; by vectors and by pictures."""
    assert ready("index", "v", "--output", "cut.index", "--dims", str(SHORT))[0] == 0
    expected = neighbours(SHORT)
    assert expected != neighbours(DIM)
    for index in ("d.index", "cut.index"):
        assert found_by(ready, index, "d") == expected
        assert found_by(ready, index, "images", *MODEL) == expected
        assert found_by(ready, index, "images", *MODEL, "--dims", str(SHORT)) == expected
        assert found_by(ready, index, "v", "--dims", str(SHORT)) == expected
    assert found_by(ready, "v.index", "v", "--dims", str(DIM)) == neighbours(DIM)
    assert (Path("cut.index").read_bytes()) == Path("d.index").read_bytes()


def test_pictures_of_a_search_need_no_promise_of_an_artifact_of_the_same_space(ready: Cli) -> None:
    """It gives the same vectors, and the table that was indexed had the promise."""
    assert found_by(ready, "d.index", "images", *PLAIN) == neighbours(SHORT)


def test_an_index_says_what_it_is_of(ready: Cli) -> None:
    """Of prefixes; one of whole vectors says nothing new."""
    code, out, _ = ready("index", "v", "--output", "i", "--dims", str(SHORTER), "--json")
    assert (code, json.loads(out)["dims"]) == (0, SHORTER)
    assert "dims" not in json.loads(ready("index", "v", "--output", "i", "--json")[1])


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (
            "score images --model triplet_branch --repository models --output o --dims 4",
            2,
            "dims: expected one of 3, 5 (or 8, the whole vector), got 4 (artifact triplet_branch)",
        ),
        (
            "score images --model plain --repository models --output o --dims 5",
            2,
            "dims: expected 8, the whole vector: no prefix of it is promised, got 5 (artifact plain); leave it out; "
            "an artifact whose head is lda or pca promises some",
        ),
        (
            "score images --model triplet_branch --repository models --output v --dims 5",
            1,
            "the first 5 numbers of each vector, got whole vectors",
        ),
        ("index v --output i --dims 4", 2, "dims: expected one of 3, 5 (or 8, the whole vector), got 4 (v)"),
        ("index d --output i --dims 8", 2, "dims: expected one of 3 (or 5, the whole vector), got 8 (d)"),
        ("index own.parquet --output i --dims 5 --distance cosine", 2, "nothing says which model gave the vectors"),
        ("search d.index v", 1, "got the index of 5 numbers and the queries of whole vectors"),
        ("search v.index d", 1, "got the index of whole vectors and the queries of 5 numbers"),
        ("search d.index v --dims 3", 2, "--dims: expected 5, as the index was built, got 3 (d.index)"),
        (
            "search d.index images --dims 8 --model triplet_branch --repository models",
            2,
            "--dims: expected 5, as the index was built, got 8 (d.index)",
        ),
        ("search own.index d", 1, "vectors of two spaces"),
        (
            "search own.index images --distance euclidean --model triplet_branch --repository models",
            2,
            "queries: expected 5 numbers, as the index has, got 8 (model triplet_branch); use --dims 5, if the index",
        ),
        (
            "search own.index v --distance euclidean",
            2,
            "got 8 (v); use --dims 5, if the index is of the first 5 numbers",
        ),
        ("evaluate v --label label --dims 6", 2, "dims: expected one of 3, 5 (or 8, the whole vector), got 6 (v)"),
        ("evaluate own.parquet --label label --distance cosine --dims 5", 2, "nothing says which model gave"),
    ],
)
def test_what_does_not_go_together_is_refused_in_one_line(words: str, code: int, line: str, ready: Cli) -> None:
    """With what is promised, and nothing is written."""
    parquet.write_table(parquet.read_table("d/part-00000.parquet").replace_schema_metadata(None), "own.parquet")
    assert ready("index", "own.parquet", "--output", "own.index", "--distance", "euclidean")[0] == 0
    if "own.parquet" in words:
        parquet.write_table(parquet.read_table("v/part-00000.parquet").replace_schema_metadata(None), "own.parquet")
    found, _, err = ready(*words.split())
    assert line in one_line(err)
    assert found == code
    assert not {"o", "i"} & {path.name for path in Path().iterdir()}


def test_evaluation_of_prefixes_is_that_of_vectors_by_numpy(ready: Cli) -> None:
    """Of whole vectors that are cut and of scored prefixes; the answer names the dims and their threshold."""
    answers: list[dict[str, Any]] = []
    for table, dims in (("v", ("--dims", str(SHORT))), ("d", ()), ("v", ("--dims", str(DIM))), ("v", ())):
        code, out, _ = ready("evaluate", table, "--label", "label", "--bootstrap", "0", *dims, "--json")
        assert code == 0
        answers.append(json.loads(out))
    cut, scored, same, whole = answers
    assert cut == scored
    assert same == whole
    assert (cut["lineage"]["dims"], "dims" in whole["lineage"]) == (SHORT, False)
    labels = dict(zip(VectorTable.open("v").ids, VectorTable.open("v").column("label").to_pylist(), strict=True))
    for facts, dims in ((cut, SHORT), (whole, DIM)):
        nearest = [(row[0], row[1]) for row in neighbours(dims)]
        assert facts["recall@1"] == pytest.approx(np.mean([labels[a] == labels[b] for a, b in nearest]))
    shown = ready("evaluate", "v", "--label", "label", "--dims", str(SHORTER))[1]
    assert ["dims", "3"] in [line.split() for line in shown.splitlines()]
    assert ["threshold", "0.7"] in [line.split() for line in shown.splitlines()]


def test_clusters_of_prefixes_keep_their_lineage(ready: Cli) -> None:
    """A table of prefixes is a table like any other."""
    assert ready("cluster", "d", "-k", "3", "--output", "c.parquet")[0] == 0
    assert VectorTable.open("d").lineage == VectorTable.open("v").cut(SHORT).lineage
    assert b'"dims": 5' in parquet.read_schema("c.parquet").metadata[b"lookalike.lineage"]


def test_tuples_are_evaluated_by_distances_of_their_prefixes(ready: Cli) -> None:
    """Those of the table are of whole vectors."""
    paths = sorted(map(str, Path("images").rglob("*.*")))
    rows = [",".join(paths[at : at + 3]) for at in range(0, NUM_IMAGES, 3)]
    Path("t.csv").write_text("\n".join(["anchor,positive,negative", *rows]) + "\n")
    for output, dims in (("tw", ()), ("td", ("--dims", str(SHORTER)))):
        columns = ("--columns", "anchor=anchor,positive=positive,negative=negative")
        assert ready("score", "t.csv", *MODEL, "--output", output, *columns, *dims)[0] == 0
    cut, scored = (json.loads(ready("evaluate", *words, "--json")[1]) for words in (("tw", "--dims", "3"), ("td",)))
    assert cut == scored
    a, p, n = (expected_prefixes([Path(each) for each in paths[at::3]], SHORTER) for at in range(3))
    right = np.linalg.norm(a - p, axis=1) < np.linalg.norm(a - n, axis=1)
    assert cut["ranking_accuracy"] == pytest.approx(right.mean())
