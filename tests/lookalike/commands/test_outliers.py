"""The command `outliers`: the ranking in words, as a file and as a page."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from rows.vectors.schema import vector_array
from tests.shared.command_line import Cli, everything, one_line
from tests.shared.scored_folder import MODEL


@pytest.fixture
def shaded_cli(scored_cli: Cli) -> Cli:
    """Twenty grey images of two classes and a white one, scored into `o`."""
    rng = np.random.default_rng(1)
    for number in range(21):
        path = Path("shades", f"c{number % 2}", f"{number}ü.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(90, 110, (12, 12, 3)) if number < 20 else np.full((12, 12, 3), 255)
        Image.fromarray(pixels.astype(np.uint8)).save(path)
    assert scored_cli("score", "shades", *MODEL, "--output", "o")[0] == 0
    return scored_cli


def test_ranking_is_printed_and_written(shaded_cli: Cli) -> None:
    """The white image is first, with and without classes; the file has every row, the measure is told."""
    code, out, _ = shaded_cli("outliers", "o", "--count", 3, "--output", "o.parquet", "--json")
    assert code == 0
    facts = json.loads(out)
    assert [row["rank"] for row in facts["outliers"]] == [1, 2, 3]
    assert facts["outliers"][0]["id"] == "c0/20ü.png"
    assert facts["measure"].startswith("0 is the median row")
    assert "class_outliers" not in facts
    rows = pq.read_table("o.parquet").to_pylist()
    assert len(rows) == 21
    assert max(rows, key=lambda row: row["outlier"])["rank"] == 1
    code, out, _ = shaded_cli("outliers", "o", "--label", "label", "--count", 2, "--json")
    facts = json.loads(out)
    assert facts["class_outliers"][0]["id"] == "c0/20ü.png"
    assert facts["class_outliers"][0]["label"] == "c0"
    _, out, _ = shaded_cli("outliers", "o", "--label", "label", "--count", 2)
    assert out.splitlines()[0].split() == ["id", "outlier", "rank", "by", "label", "class_outlier"]
    assert "of their class (column label)" in out


def test_page_shows_the_first(shaded_cli: Cli) -> None:
    """Pictures of the first of the set and of the classes; without pictures ids."""
    arguments = ("outliers", "o", "--label", "label", "--count", 4, "--page", "p.html")
    assert shaded_cli(*arguments)[0] == 0
    page = Path("p.html").read_text()
    assert page.count("<img") == 8
    Path("shades").rename("moved")
    _, _, err = shaded_cli(*arguments)
    assert "no pictures" in err
    page = Path("p.html").read_text()
    assert "<img" not in page
    assert "c0/20ü.png" in page
    assert shaded_cli(*arguments, "--images", "moved")[0] == 0
    assert Path("p.html").read_text().count("<img") == 8


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("v",), 1, "expected at least 10 rows, for one of them to be unlike the rest, got 9"),
        (("nothing",), 1, "table of vectors: expected a folder or"),
        (("v", "--label", "no"), 1, 'column "no": expected one of id, label'),
        (("v", "--output", "v/part-00000.parquet"), 2, "expected another file than those of the table"),
        (("v", "--page", "v/manifest.json"), 2, "expected another file than those of the table"),
        (("v", "--column", "no"), 1, 'column "no"'),
        (("v", "--distance", "cosine"), 2, "euclidean, as tiny was trained, got cosine"),
    ],
)
def test_hasty_users_are_told_in_one_line(scored_cli: Cli, arguments: tuple[str, ...], code: int, words: str) -> None:
    """And nothing is written."""
    before = everything(Path())
    found, out, err = scored_cli("outliers", *arguments)
    assert (found, out) == (code, "")
    assert words in one_line(err)
    assert everything(Path()) == before


def test_a_constant_label_is_one_class(cli: Cli) -> None:
    """Own vectors with integer ids: every row is ranked among all of its class."""
    matrix = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    matrix[7] += 9
    pq.write_table(pa.table({"id": list(range(30)), "c": [1] * 30, "embedding": vector_array(matrix)}), "own.parquet")
    code, out, _ = cli("outliers", "own.parquet", "--distance", "euclidean", "--label", "c", "--json")
    facts = json.loads(out)
    assert (code, facts["outliers"][0]["id"], facts["class_outliers"][0]["id"]) == (0, "7", "7")


def test_a_class_of_copies_gives_numbers(cli: Cli) -> None:
    """Twelve equal placeholders and a foreign row, which is the first of its class in JSON that any reader takes."""
    matrix = np.random.default_rng(0).normal(size=(43, 4)).astype(np.float32)
    matrix[30:42] = 0.5
    classes = ["a"] * 30 + ["placeholder"] * 13
    pq.write_table(pa.table({"id": list(range(43)), "c": classes, "embedding": vector_array(matrix)}), "own.parquet")
    options = ("own.parquet", "--distance", "euclidean", "--label", "c", "--output", "o.parquet")
    code, out, _ = cli("outliers", *options, "--json")
    facts = json.loads(out, parse_constant=pytest.fail)
    assert (code, facts["class_outliers"][0]["id"], facts["num_in_classes"]) == (0, "42", 43)
    assert pq.read_table("o.parquet")["class_outlier"].null_count == 0
