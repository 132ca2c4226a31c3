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


def test_a_table_beside_itself_is_the_same_however_rows_count(own: Cli) -> None:
    """Vectors that both sets have are counted by what they are, also where each row counts."""
    for options in ((), ("--every-row",)):
        code, out, err = own("compare", "a.parquet", "a.parquet", "--distance", "euclidean", *options, "--json")
        facts = json.loads(out)
        assert (code, facts["differ"], facts["shared"], facts["p_value"]) == (0, False, 60, 1.0)
        assert "both sets have the same vectors" in err


def test_three_beside_three_are_too_few(own: Cli) -> None:
    """However far apart: with A and B turned around the sets are as far apart, so one in ten deals is as extreme."""
    table = parquet.read_table("a.parquet")
    for name, rows in (("few.parquet", table[:3]), ("far.parquet", parquet.read_table("moved.parquet")[:3])):
        parquet.write_table(rows, name)
    code, out, err = own("compare", "few.parquet", "far.parquet", "--distance", "euclidean")
    assert (code, out.splitlines()[0]) == (0, "too few vectors to tell whether the sets differ")
    assert "so few vectors cannot give a p-value below 0.1, and the level is 0.05" in err


def test_columns_that_the_file_is_without_are_told(own: Cli) -> None:
    """Those that gave way to ours, and those of two types that no type holds."""
    table = parquet.read_table("a.parquet").append_column("set", pa.array(["mine"] * 60))
    wide = table.append_column("region", pa.array([1] * 60)).append_column("size", pa.array([[1, 2]] * 60))
    parquet.write_table(wide, "wide.parquet")
    other = parquet.read_table("same.parquet").append_column("size", pa.array(["large"] * 60))
    parquet.write_table(other, "other.parquet")
    words = ("compare", "wide.parquet", "other.parquet", "--distance", "euclidean", "--output", "o.parquet")
    code, _, err = own(*words)
    assert code == 0
    assert "in the output set, region stand for ours and not for the table's columns of these names" in err
    assert "the output is without size: no type holds what the two tables have there" in err
    assert set(parquet.read_table("o.parquet")["set"].to_pylist()) == {"A", "B"}


def test_any_level_between_none_and_one_is_taken(own: Cli) -> None:
    """Also one that 1 - ALPHA cannot tell from 1."""
    for alpha in ("1e-17", "1e-300", "0.999"):
        words = ("compare", "a.parquet", "moved.parquet", "--distance", "euclidean", "--label", "label")
        code, out, err = own(*words, "--alpha", alpha, "--json")
        assert code == 0, err
        facts = json.loads(out)
        assert 0 <= facts["auc_low"] <= facts["auc"] <= facts["auc_high"] <= 1
        assert all(each["low"] <= each["difference"] <= each["high"] for each in facts["regions"] + facts["classes"])
        assert ("no class can get a p-value below" in err) is (alpha != "0.999")


def test_classes_that_there_is_no_time_for_are_told(own: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """On stderr, in JSON and on the page."""
    monkeypatch.setattr("analysis.datasets.comparison.class_tests._STEPS", 1)
    words = ("compare", "a.parquet", "moved.parquet", "--distance", "euclidean", "--label", "label")
    code, out, err = own(*words, "--json", "--page", "c.html")
    assert (code, json.loads(out)["untested_classes"]) == (0, 2)
    assert "the p-values of classes are those of the 1 with most rows; 2 more have rows enough" in err
    assert "nor have 2 smaller ones" in Path("c.html").read_text()


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
        (("same.parquet", "--images", "i"), 2, "--images: expected --page FILE.html, which shows them, got none"),
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
