"""Files of vectors that anybody wrote, in every command that takes VECTORS: arrays, text, columns beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pyarrow import parquet

from tests.shared.command_line import Cli, one_line
from tests.shared.scored_folder import MODEL

NUM_ROWS, DIM = 40, 4
VECTORS = np.random.default_rng(0).normal(size=(NUM_ROWS, DIM)).astype(np.float32)
BAD = [4, 17]
KEPT = [row for row in range(NUM_ROWS) if row not in BAD]
IDS = [f"r{row}" for row in range(NUM_ROWS)]
LEFT_OUT = "left out 2 of 40 rows of v.npy that are not finite: rows 4, 17"
DISTANCE = ("--distance", "euclidean")
COMMANDS: dict[str, tuple[Any, ...]] = {
    "index": ("--output", "own.index"),
    "cluster": ("-k", 3, "--output", "clusters.parquet"),
    "evaluate": ("--label", "label"),
    "push": ("qdrant:store", "--collection", "own"),
}


@pytest.fixture
def own(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Run a command beside v.npy, two rows of which are not finite, and c.csv with ids and labels of all its rows."""
    monkeypatch.chdir(tmp_path)
    matrix = VECTORS.copy()
    matrix[BAD, 1] = np.nan, np.inf
    np.save("v.npy", matrix)
    pd.DataFrame({"id": IDS, "label": list("abcd") * 10}).to_csv("c.csv", index=False)
    return cli


@pytest.mark.parametrize("command", COMMANDS)
def test_an_array_with_columns_beside_it_is_taken(command: str, own: Cli) -> None:
    """One note on the rows that are left out, and the same in JSON."""
    code, out, err = own(command, "v.npy", "--columns-from", "c.csv", *COMMANDS[command], *DISTANCE, "--json")
    assert code == 0, err
    assert err.splitlines().count(LEFT_OUT) == 1
    found = json.loads(out)
    assert (found["num_rows"], found["left_out"]["num_rows"], found["left_out"]["of"]) == (38, 2, 40)
    assert [each["id"] for each in found["left_out"]["first"]] == ["r4", "r17"]
    code, out, err = own(command, "v.npy", "--columns-from", "c.csv", *COMMANDS[command], *DISTANCE)
    assert (code, err.splitlines().count(LEFT_OUT)) == (0, 1)


def test_clusters_and_indexes_of_an_array_keep_ids_and_columns(own: Cli) -> None:
    """Of the rows that are there, in their order."""
    for command in ("cluster", "index"):
        assert own(command, "v.npy", "--columns-from", "c.csv", *COMMANDS[command], *DISTANCE)[0] == 0
    for file in ("clusters.parquet", "own.index.rows.parquet"):
        rows = parquet.read_table(file)
        assert rows["id"].to_pylist() == [IDS[row] for row in KEPT]
        assert rows["label"].to_pylist() == [(list("abcd") * 10)[row] for row in KEPT]


def test_queries_of_an_array_are_called_by_their_numbers_in_it(own: Cli) -> None:
    """Neighbours as a plain loop finds them; with ids beside they have those."""
    assert own("index", "v.npy", "--output", "i", *DISTANCE)[0] == 0
    code, out, err = own("search", "i", "v.npy", "-k", 3, "--json")
    assert code == 0, err
    assert LEFT_OUT in err.splitlines()
    apart = np.linalg.norm(VECTORS[KEPT][:, None] - VECTORS[KEPT][None], axis=2)
    found = json.loads(out)
    assert [each["query"] for each in found] == [str(row) for row in KEPT]
    for row, each in enumerate(found):
        expected = [str(KEPT[at]) for at in np.argsort(apart[row])[:3]]
        assert [near["id"] for near in each["neighbours"]] == expected
    code, out, _ = own("search", "i", "v.npy", "--columns-from", "c.csv", "-k", 1, "--json")
    assert [each["query"] for each in json.loads(out)] == [IDS[row] for row in KEPT]


@pytest.mark.parametrize("name", ["q.npz", "q.csv", "q.csv.gz", "q.tsv", "q.jsonl", "q.feather", "q.parquet"])
def test_queries_in_any_format_give_the_same_answers(name: str, own: Cli) -> None:
    """An .npz, numbered columns as text, and lists."""
    assert own("index", "v.npy", "--output", "i", *DISTANCE)[0] == 0
    frame = pd.DataFrame({"id": IDS[:3], **{f"e{at}": VECTORS[:3, at] for at in range(DIM)}})
    lists = pd.DataFrame({"id": IDS[:3], "vec": VECTORS[:3].astype(np.float64).tolist()})
    if name == "q.npz":
        np.savez(name, id=np.array(IDS[:3]), vec=VECTORS[:3])
    elif name == "q.jsonl":
        lists.to_json(name, orient="records", lines=True, double_precision=15)
    elif name in ("q.feather", "q.parquet"):
        lists.to_feather(name) if name == "q.feather" else lists.to_parquet(name)
    else:
        frame.to_csv(name, index=False, sep="\t" if name == "q.tsv" else ",")
    code, out, err = own("search", "i", name, "-k", 2, "--json")
    assert code == 0, err
    found = json.loads(out)
    assert [(each["query"], each["neighbours"][0]["id"]) for each in found] == [("r0", "0"), ("r1", "1"), ("r2", "2")]
    assert all(each["neighbours"][0]["distance"] < 1e-6 for each in found)
    columns = "e0 to e3"
    assert (f"{name}: vectors are the 4 columns {columns}" in err) == name.startswith(("q.csv", "q.tsv"))


def test_tables_of_images_stay_queries_of_images(scored_cli: Cli) -> None:
    """An array of pixels, and a CSV of paths with boxes in numbered columns beside."""
    pixels = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)
    np.save("p.npy", pixels)
    np.savez("p.npz", image=pixels, label=np.array(list("abc")))
    names = sorted(path.as_posix() for path in Path("images").rglob("*.png"))
    boxes = {f"x{at}": [0.0] * len(names) for at in range(4)}
    pd.DataFrame({"path": names, **boxes}).to_csv("b.csv", index=False)
    for query, count in (("p.npy", 3), ("p.npz", 3), ("b.csv", len(names))):
        code, out, err = scored_cli("search", "i", query, *MODEL, "-k", 1, "--json")
        assert code == 0, err
        assert len(json.loads(out)) == count
    code, _, err = scored_cli("search", "i", "images", *MODEL, "--columns-from", "b.csv")
    assert (code, one_line(err)) == (2, "--columns-from: expected queries that are vectors, got images (images)")


@pytest.mark.parametrize("output", ["v.npy", "c.csv"])
def test_nothing_is_written_over_what_is_read(output: str, own: Cli) -> None:
    """Neither the array nor the table beside it; by another path too."""
    before = Path(output).read_bytes()
    for command in ("index", "cluster"):
        rest = ("-k", 2) if command == "cluster" else ()
        for place in (output, f"../{Path.cwd().name}/{output}"):
            code, _, err = own(command, "v.npy", "--columns-from", "c.csv", *rest, "--output", place, *DISTANCE)
            assert (code, one_line(err)) == (
                2,
                f"output: expected another file than those of the table, got {place}",
            )
    assert Path(output).read_bytes() == before


def test_a_single_row_and_two_are_taken(own: Cli) -> None:
    """And k beyond them gives all."""
    for count in (1, 2):
        np.save("few.npy", VECTORS[:count])
        assert own("index", "few.npy", "--output", "i", *DISTANCE)[0] == 0
        code, out, _ = own("search", "i", "few.npy", "-k", 9, "--json")
        assert (code, [len(each["neighbours"]) for each in json.loads(out)]) == (0, [count] * count)


def test_evaluate_of_an_array_asks_for_labels(own: Cli) -> None:
    """As of any table that is none of scored tuples."""
    code, _, err = own("evaluate", "v.npy")
    assert code == 2
    assert one_line(err).startswith("--label: expected the column of classes, or a table of scored triplets")
    code, _, err = own("evaluate", "gone.npy")
    assert (code, one_line(err)) == (
        1,
        "table of vectors: expected a folder or a file of vectors, got nothing there (gone.npy)",
    )
