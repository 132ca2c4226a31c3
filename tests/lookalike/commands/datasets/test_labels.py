"""The command `labels`: the suspects for people and for machines, the file, and what a hasty user gets."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from rows.vectors.schema import vector_array
from tests.shared.command_line import Cli


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """`own.parquet`: three classes of 40, two labels exchanged, one row without a label, one class of one row."""
    rng = np.random.default_rng(0)
    codes = np.append(np.repeat([0, 1, 2], 40), 3)
    vectors = (6 * rng.normal(size=(4, 8))[codes] + rng.normal(size=(121, 8))).astype(np.float32)
    labels: list[str | None] = [f"class {code}" for code in codes]
    labels[3], labels[50], labels[90] = "class 1", "class 2", None
    ids = [f"bild {row} ü" for row in range(121)]
    columns = {"id": ids, "label": labels, "same": ["x"] * 121, "embedding": vector_array(vectors)}
    parquet.write_table(pa.table(columns), tmp_path / "own.parquet")
    return tmp_path / "own.parquet"


def test_labels_prints_suspects_pairs_and_classes(own: Path, cli: Cli) -> None:
    """Both exchanged labels with the right class; --json says the same; the file has every labelled row."""
    options = ("labels", "own.parquet", "--label", "label", "--distance", "euclidean")
    code, out, err = cli(*options, "--json", "--output", "ranked.parquet")
    assert (code, err) == (0, "")
    facts = json.loads(out)
    found = {row["id"]: (row["given"], row["proposed"]) for row in facts["suspects"]}
    assert found == {"bild 3 ü": ("class 1", "class 0"), "bild 50 ü": ("class 2", "class 1")}
    assert facts["pairs"] == [
        {"given": "class 1", "proposed": "class 0", "suspected": 1},
        {"given": "class 2", "proposed": "class 1", "suspected": 1},
    ]
    assert (facts["num_rows"], facts["num_unlabelled"], facts["num_unjudged"]) == (121, 1, 1)
    assert sum(row["num_rows"] for row in facts["classes"]) == 120
    written = parquet.read_table("ranked.parquet")
    assert written.num_rows == 120
    assert set(written["id"].to_pylist()[:2]) == set(found)
    code, out, _ = cli(*options)
    lines = out.splitlines()
    assert code == 0
    assert lines[0].split() == ["id", "given", "proposed", "confidence"]
    assert "bild 3 ü" in lines[1] + lines[2]
    code, out, _ = cli(*options, "--count", 1)
    assert "and 1 more" in out
    code, out, err = cli(*options, "--count", 0)
    assert (code, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()[:7:4]] == ["given", "class"]
    assert "bild 3 ü" not in out


def test_labels_says_so_where_none_is_suspected(own: Path, cli: Cli) -> None:
    """No table, a note, and the facts."""
    table = parquet.read_table("own.parquet")
    rows = [row for row in range(121) if row not in (3, 50)]
    parquet.write_table(table.take(rows), "right.parquet")
    code, out, err = cli("labels", "right.parquet", "--label", "label", "--distance", "euclidean")
    assert code == 0
    assert "no label is more likely wrong than right" in err
    assert out.startswith("labels")


def test_labels_that_vectors_say_nothing_of_are_told_as_such(own: Path, cli: Cli) -> None:
    """In words, as JSON without a number that is none, and on the page."""
    table = parquet.read_table("own.parquet")
    names = pa.array([f"n{code}" for code in np.random.default_rng(0).integers(0, 3, 121)])
    parquet.write_table(table.set_column(1, "label", names), "random.parquet")
    options = ("random.parquet", "--label", "label", "--distance", "euclidean")
    code, out, err = cli("labels", *options, "--page", "p.html")
    assert code == 0
    assert "no label is suspected: errors planted among them hardly stand out" in err
    assert "more likely wrong" not in err
    assert not {"suspected", "expected", "by_planted"} & {line.split()[0] for line in out.splitlines()}
    assert "No label is suspected: errors planted" in Path("p.html").read_text()
    code, out, err = cli("labels", *options, "--json")
    assert (code, err) == (0, "")
    facts = json.loads(out, parse_constant=pytest.fail)
    assert (facts["suspected"], facts["expected"], facts["by_planted"]) == (0, None, None)
    assert facts["note"].startswith("no label is suspected")
    assert [row["expected"] for row in facts["classes"]] == [None] * 3


def test_labels_refuses_in_one_line(own: Path, cli: Cli) -> None:
    """A wrong path, a wrong column, one class, no distance, the table as output, an option without its value."""
    label = ("--label", "label", "--distance", "euclidean")
    before = own.read_bytes()
    for arguments, code, message in (
        (("gone.parquet", *label), 1, "got nothing there"),
        (("own.parquet", "--label", "klasse", "--distance", "euclidean"), 1, "klasse"),
        (("own.parquet", "--label", "same", "--distance", "euclidean"), 1, "two classes"),
        (("own.parquet", "--label", "label"), 2, "--distance"),
        (("own.parquet", *label, "--output", "own.parquet"), 2, "expected another file"),
        (("own.parquet", "--distance", "euclidean"), 2, "--label"),
    ):
        found, out, err = cli("labels", *arguments)
        assert (found, out) == (code, ""), arguments
        assert message in err
        assert len(err.splitlines()) == 1
    assert own.read_bytes() == before


def test_labels_writes_a_page_with_pictures(own: Path, cli: Cli) -> None:
    """Both suspects with pictures of a folder that has one of each id; without images their ids, and a note."""
    from PIL import Image

    table = parquet.read_table("own.parquet")
    ids = [f"{row}.png" for row in range(121)]
    parquet.write_table(table.set_column(0, "id", pa.array(ids)), "named.parquet")
    Path("images").mkdir()
    for row, name in enumerate(ids):
        Image.new("RGB", (4, 4), (row, 0, 0)).save(Path("images", name))
    options = ("labels", "named.parquet", "--label", "label", "--distance", "euclidean", "--page", "p.html")
    code, _, err = cli(*options, "--images", "images")
    assert code == 0
    assert "p.html shows the first 2" in err
    text = Path("p.html").read_text()
    assert text.count("<img") == 2 * (1 + 3 + 4)
    assert "labelled class 1" in text
    code, _, err = cli(*options)
    assert code == 0
    assert "no pictures" in err
    assert Path("p.html").read_text().count("<img") == 0
    code, out, err = cli(*options, "--output", "p.html")
    assert (code, out) == (2, "")
    assert "--page: expected another file than --output" in err
