"""The command `compare`: verdicts, pages with and without pictures, files, and what hasty users do."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from rows.vectors.schema import vector_array
from tests.shared.command_line import Cli


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli) -> Cli:
    """In a folder with `a.parquet`, `same.parquet` and `moved.parquet`, 60 rows each without lineage."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for name, shift in (("a", 0.0), ("same", 0.0), ("moved", 1.5)):
        vectors = (rng.normal(size=(60, 4)) + shift).astype(np.float32)
        columns = {"id": [f"{name}<{row}>" for row in range(60)], "label": ["x", "y", "ü"] * 20}
        parquet.write_table(pa.table({**columns, "embedding": vector_array(vectors)}), f"{name}.parquet")
    return cli


def test_the_verdict_and_its_figures_are_printed(own: Cli) -> None:
    """For people in words, in JSON as they were computed; regions and classes in both."""
    options = ("--distance", "euclidean", "--label", "label", "--relabellings", "99")
    code, out, err = own("compare", "a.parquet", "moved.parquet", *options)
    assert (code, err) == (0, "")
    assert out.startswith("the sets differ\n")
    assert "share of A" in out
    assert "\nü " in out
    facts = json.loads(own("compare", "a.parquet", "moved.parquet", *options, "--json")[1])
    assert (facts["differ"], facts["p_value"]) == (True, 0.01)
    assert 0.8 < facts["auc_low"] < facts["auc"] <= facts["auc_high"] <= 1
    assert {each["name"] for each in facts["classes"]} == {"x", "y", "ü"}
    code, out, _ = own("compare", "a.parquet", "same.parquet", "--distance", "euclidean")
    assert (code, out.splitlines()[0]) == (0, "no difference found")


def test_the_page_shows_the_pictures_of_both_sets(scored_cli: Cli) -> None:
    """Of a job its own images; of the other set those that are named; the page needs nothing else."""
    shutil.copytree("v", "w")
    shutil.copytree("images", "others")
    facts = json.loads(Path("w/manifest.json").read_text())
    Path("w/manifest.json").write_text(json.dumps(facts | {"source": "gone"}))
    code, _, err = scored_cli("compare", "v", "w", "--page", "c.html", "--other-images", "others")
    assert code == 0
    page = Path("c.html").read_text()
    assert page.count("data:image/") >= 18
    assert "No difference found" in page
    assert "no pictures" not in err
    for far in ("http://", "https://", "<script"):
        assert far not in page.replace("http://www.w3.org/2000/svg", "")


def test_a_page_without_pictures_says_so_and_escapes_ids(own: Cli) -> None:
    """On the page and on stderr; what stands in an id is text."""
    code, _, err = own("compare", "a.parquet", "moved.parquet", "--distance", "euclidean", "--page", "c.html")
    assert code == 0
    assert "A: no pictures" in err
    assert "B: no pictures: nothing says which images these are" in err
    assert "--other-images TABLE" in err
    page = Path("c.html").read_text()
    assert "B: no pictures" in page
    assert "moved&lt;" in page
    assert "moved<" not in page
    assert "What it does not say." in page


def test_copies_are_told_and_counted_where_that_is_asked_for(own: Cli) -> None:
    """A file with every row twice is no other set: that both have the same vectors is told."""
    table = parquet.read_table("a.parquet")
    parquet.write_table(pa.concat_tables([table, table]), "twice.parquet")
    code, _, err = own("compare", "a.parquet", "twice.parquet", "--distance", "euclidean")
    assert code == 0
    assert "both sets have the same vectors" in err
    assert "B: 60 of 120 rows are copies of another and do not count (one vector is there 2 times)" in err
    facts = json.loads(own("compare", "a.parquet", "twice.parquet", "--distance", "euclidean", "--json")[1])
    assert (facts["differ"], facts["p_value"], facts["shared"], facts["b"]["counted"]) == (False, 1.0, 60, 60)
    options = ("--distance", "euclidean", "--every-row", "--json")
    assert json.loads(own("compare", "a.parquet", "twice.parquet", *options)[1])["b"]["counted"] == 120


@pytest.mark.parametrize(
    ("options", "code", "text"),
    [
        (("nothing.parquet",), 1, "nothing there (nothing.parquet)"),
        (("same.parquet", "--column", "vector"), 1, 'column "vector"'),
        (("same.parquet", "--label", "class", "--distance", "cosine"), 1, 'column "class"'),
        (("same.parquet",), 2, "distance: expected a name, for vectors without lineage"),
        (("same.parquet", "--distance", "cosine", "--output", "a.parquet"), 2, "another file than those of the table"),
        (
            ("same.parquet", "--distance", "cosine", "--output", "same.parquet"),
            2,
            "another file than those of the table",
        ),
        (("same.parquet", "--distance", "cosine", "--page", "same.parquet"), 2, "another file than those of the table"),
        (("same.parquet", "--output", "x", "--page", "./x"), 2, "--page: expected another file than --output, got x"),
        (("same.parquet", "--images", "i"), 2, "images: expected --page FILE.html, which shows them, got none"),
        (("same.parquet", "--distance", "cosine", "--alpha", "5"), 2, "alpha: expected a level in (0, 1), got 5.0"),
    ],
)
def test_hasty_users_are_told_in_one_line(own: Cli, options: tuple[str, ...], code: int, text: str) -> None:
    """And nothing is written over."""
    before = {file.name: file.read_bytes() for file in Path().iterdir()}
    found, out, err = own("compare", "a.parquet", *options)
    assert (found, out) == (code, "")
    assert text in err
    assert len(err.splitlines()) == 1
    assert {file.name: file.read_bytes() for file in Path().iterdir()} == before
