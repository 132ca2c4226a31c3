"""Vectors that no artifact gave, in every command that reads vectors: a distance is asked for, by an option that is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.shared.command_line import Cli, one_line
from tests.shared.scored_folder import MODEL

NUM_ROWS, DIM = 40, 4
VECTORS = np.random.default_rng(0).normal(size=(NUM_ROWS, DIM)).astype(np.float32)
ASKED = (
    "distance: expected a name, for vectors without lineage, got none (own.parquet); name one of euclidean, "
    "squared_euclidean, cosine with --distance (in Python, distance=...)"
)
COMMANDS: dict[str, tuple[Any, ...]] = {
    "index": ("--output", "own.index"),
    "cluster": ("-k", 3, "--output", "clusters.parquet"),
    "evaluate": ("--label", "label"),
    "push": ("qdrant:store", "--collection", "own"),
}


@pytest.fixture
def own(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Run a command beside own.parquet: ids, labels and list<double> as pandas writes them, not called embedding."""
    monkeypatch.chdir(tmp_path)
    ids = [f"r{row}" for row in range(NUM_ROWS)]
    frame = pd.DataFrame({"id": ids, "label": list("abcd") * 10, "features": VECTORS.astype(np.float64).tolist()})
    frame.to_parquet("own.parquet")
    return cli


@pytest.mark.parametrize("command", COMMANDS)
def test_the_distance_is_asked_for_by_the_option_that_takes_it(command: str, own: Cli) -> None:
    """Refused without, with another word for it, and done with it."""
    code, _, err = own(command, "own.parquet", *COMMANDS[command])
    assert (code, one_line(err)) == (2, ASKED)
    code, _, err = own(command, "own.parquet", *COMMANDS[command], "--distance", "l1")
    assert (code, one_line(err)) == (
        2,
        "distance: expected one of euclidean, squared_euclidean, cosine, got 'l1'",
    )
    code, out, err = own(command, "own.parquet", *COMMANDS[command], "--distance", "cosine", "--json")
    assert code == 0, err
    facts = json.loads(out)
    assert facts.get("distance", "cosine") == "cosine"
    assert facts["num_rows"] == NUM_ROWS


def test_an_index_of_own_vectors_is_searched_with_own_vectors(own: Cli) -> None:
    """Neighbours as a plain loop finds them, and a word that nothing says what the vectors are."""
    assert own("index", "own.parquet", "--output", "i", "--distance", "euclidean")[0] == 0
    code, out, err = own("search", "i", "own.parquet", "-k", 3, "--json")
    assert code == 0, err
    assert err.strip() == (
        "nothing says which model gave the vectors of the index and the queries: they are taken to be of one space"
    )
    apart = np.linalg.norm(VECTORS[:, None] - VECTORS[None], axis=2)
    for row, found in enumerate(json.loads(out)):
        assert [near["id"] for near in found["neighbours"]] == [f"r{at}" for at in np.argsort(apart[row])[:3]]
        assert sorted(found["neighbours"][0]) == ["distance", "id", "label"]
    short = pa.table({"vec": pa.array(VECTORS[:, :3].tolist())})
    parquet.write_table(short, "short.parquet")
    code, _, err = own("search", "i", "short.parquet")
    assert code == 1
    assert "3" in one_line(err)


def test_evaluate_measures_own_vectors_as_a_plain_loop_does(own: Cli) -> None:
    """recall@1 by numpy."""
    facts = json.loads(own("evaluate", "own.parquet", "--label", "label", "--distance", "euclidean", "--json")[1])
    apart = np.linalg.norm(VECTORS[:, None] - VECTORS[None], axis=2) + np.diag(np.full(NUM_ROWS, np.inf))
    labels = np.array(list("abcd") * 10)
    assert facts["recall@1"] == pytest.approx(float((labels[apart.argmin(axis=1)] == labels).mean()))
    assert (facts["distance"], facts["column"], facts["lineage"]) == ("euclidean", "features", None)


@pytest.mark.parametrize("command", COMMANDS)
def test_rows_that_are_not_finite_are_left_out_and_told(command: str, own: Cli) -> None:
    """In one note and in JSON, by their numbers in the file; the others are used as if the file had no more."""
    values: list[Any] = VECTORS.tolist()
    values[17][2], values[30] = np.nan, None
    labels = [None, *"bcd", *(list("abcd") * 9)]
    parquet.write_table(pa.table({"label": labels, "embedding": pa.array(values)}), "nan.parquet")
    code, out, err = own(command, "nan.parquet", *COMMANDS[command], "--distance", "euclidean", "--json")
    assert code == 0, err
    assert "left out 2 of 40 rows of nan.parquet that are not finite: rows 17, 30" in err.splitlines()
    found = json.loads(out)
    assert found["left_out"] == {
        "num_rows": 2,
        "of": 40,
        "first": [
            {"row": 17, "id": None, "reason": "NaN, infinity or beyond float32"},
            {"row": 30, "id": None, "reason": "no vector"},
        ],
    }
    assert found["num_rows"] == (37 if command == "evaluate" else 38)


def test_no_distance_is_taken_beside_a_lineage_that_says_another(scored_cli: Cli) -> None:
    """The artifact's own may be named."""
    for command, rest in COMMANDS.items():
        code, _, err = scored_cli(command, "v", *rest, "--distance", "cosine")
        assert (code, one_line(err)) == (2, "distance: expected euclidean, as tiny was trained, got cosine (v)")
        assert scored_cli(command, "v", *rest, "--distance", "euclidean")[0] == 0
    code, _, err = scored_cli("search", "i", "v", "--distance", "cosine")
    assert (code, one_line(err)) == (2, "--distance: expected euclidean, as the index was built, got cosine (i)")
    code, _, err = scored_cli("evaluate", "v", "--distance", "euclidean")
    assert (code, "--distance: expected --label with it" in one_line(err)) == (2, True)


def test_queries_that_lost_their_lineage_are_taken_where_somebody_vouches(scored_cli: Cli) -> None:
    """Our own parts after pandas, against their own index; and an index of them asked with images."""
    [part] = Path("v").glob("part-*.parquet")
    pd.read_parquet(part).to_parquet("lost.parquet")
    code, _, err = scored_cli("search", "i", "lost.parquet")
    assert code == 1
    assert one_line(err).endswith("or say with --distance NAME that they are of one space all the same")
    whole = json.loads(scored_cli("search", "i", "v", "-k", 2, "--json")[1])
    code, out, err = scored_cli("search", "i", "lost.parquet", "-k", 2, "--distance", "euclidean", "--json")
    assert (code, json.loads(out)) == (0, whole)
    assert "nothing says which model gave the vectors of the queries" in err
    assert scored_cli("index", "lost.parquet", "--output", "j", "--distance", "euclidean")[0] == 0
    assert scored_cli("search", "j", "images", *MODEL)[0] == 1
    code, out, _ = scored_cli("search", "j", "images", *MODEL, "-k", 1, "--distance", "euclidean", "--json")
    assert code == 0
    assert all(found["query"] == found["neighbours"][0]["id"] for found in json.loads(out))


def test_a_table_of_images_with_lists_beside_them_stays_one(scored_cli: Cli) -> None:
    """Boxes are no vectors where an image column stands, found by its name or by its type."""
    names = sorted(path.as_posix() for path in Path("images").rglob("*.png"))
    boxes = pa.array([[0.0, 0.0, 1.0, 1.0]] * len(names))
    structs = pa.array([{"bytes": Path(name).read_bytes(), "path": None} for name in names])
    for column, values in (("image", names), ("photo", structs)):
        parquet.write_table(pa.table({column: values, "box": boxes}), "queries.parquet")
        code, _, err = scored_cli("search", "i", "queries.parquet", *MODEL)
        assert code == 0, err


def test_columns_of_images_are_named_where_columns_are_copied(own: Cli) -> None:
    """Once, in one line; not where --copy names the columns, nor where none are copied."""
    frame = pd.DataFrame({"id": range(NUM_ROWS), "label": list("abcd") * 10, "embedding": list(VECTORS)})
    image = [{"bytes": b"x" * 9, "path": "a.png"}] * NUM_ROWS
    frame.assign(image=image, raw=b"\0").to_parquet("heavy.parquet")
    line = "columns of images or bytes are not copied from heavy.parquet: image, raw"
    for options, is_told in (
        (("index", "heavy.parquet", "--output", "i"), True),
        (("cluster", "heavy.parquet", "-k", 2, "--output", "c.parquet"), True),
        (("outliers", "heavy.parquet", "--output", "o.parquet"), True),
        (("index", "heavy.parquet", "--output", "j", "--copy", "raw"), False),
        (("evaluate", "heavy.parquet", "--label", "label"), False),
    ):
        code, _, err = own(*options, "--distance", "euclidean")
        assert (code, err.splitlines().count(line)) == (0, is_told), err
    assert parquet.read_schema("i.rows.parquet").names == ["id", "label"]
    assert parquet.read_schema("j.rows.parquet").names == ["id", "raw"]
    assert parquet.read_schema("o.parquet").names[:2] == ["id", "label"]
