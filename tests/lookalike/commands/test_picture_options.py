"""Options of pictures: which table a column is of, where nothing shows them, and the limits that refusals name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.shared.command_line import Cli, everything, one_line

DUPLICATES = ("--threshold", 1, "--output", "d.parquet")


def write_table(path: str, *, photo: str = "photo") -> None:
    """A table of the images, by a column of ids and one of paths that nobody would look for."""
    files = [file for file in sorted(Path("images").rglob("*.png")) if "'" not in file.name]
    lines = [f"{file.relative_to('images')},{file}\n" for file in files]
    Path(path).write_text(f"name,{photo}\n" + "".join(lines))


def test_the_column_is_of_the_table_that_is_named(scored_cli: Cli) -> None:
    """Of the second set alone, of the first alone, or of both; what a job names keeps its own."""
    write_table("t.csv")
    columns = ("--image-column", "photo", "--image-id-column", "name")
    for named in (("--other-images", "t.csv"), ("--images", "t.csv"), ("--images", "t.csv", "--other-images", "t.csv")):
        code, out, err = scored_cli("duplicates", "v", "v", *DUPLICATES, *named, *columns, "--json")
        assert code == 0, err
        found = json.loads(out)
        assert (found["exact_by"], found["num_exact"]) == ("pictures and vectors", 9)  # one image is not in t.csv
        code, _, err = scored_cli("compare", "v", "v", "--page", "p.html", *named, *columns)
        assert code == 0, err
        assert "no pictures" not in err


@pytest.mark.parametrize(
    "words",
    [
        ("compare", "v", "v", "--page", "p.html"),
        ("duplicates", "v", *DUPLICATES),
        ("duplicates", "v", "v", *DUPLICATES),
        ("explore", "v", "--output", "p.html"),
        ("labels", "v", "--label", "label", "--page", "p.html"),
        ("map", "v", "--output", "m.png", "--pictures"),
        ("outliers", "v", "--page", "p.html"),
        ("search", "i", "v", "--gallery", "p.html"),
    ],
)
@pytest.mark.parametrize("column", ["--image-column", "--image-id-column"])
def test_a_column_of_no_table_is_refused(scored_cli: Cli, words: tuple[str, ...], column: str) -> None:
    """It is never one of the table that was scored."""
    code, _, err = scored_cli(*words, column, "path")
    assert (code, one_line(err)) == (2, "column of images: expected --images TABLE, which it is of, got no table")


@pytest.mark.parametrize(
    ("words", "shown_by"),
    [
        (("compare", "v", "v", "--output", "o.parquet"), "--page FILE.html"),
        (("labels", "v", "--label", "label", "--output", "o.parquet"), "--page FILE.html"),
        (("map", "v", "--output", "m.png"), "--pictures"),
        (("outliers", "v", "--output", "o.parquet"), "--page FILE.html"),
        (("search", "i", "v"), "--gallery FILE.html"),
    ],
)
@pytest.mark.parametrize("option", ["--images", "--image-column", "--image-id-column"])
def test_pictures_that_nothing_shows_are_refused(
    scored_cli: Cli, words: tuple[str, ...], shown_by: str, option: str
) -> None:
    """And nothing is written."""
    before = everything(Path())
    code, _, err = scored_cli(*words, option, "images")
    assert (code, one_line(err)) == (2, f"{option}: expected {shown_by}, which shows them, got none")
    assert everything(Path()) == before


def test_pictures_of_the_other_set_are_shown_or_refused(scored_cli: Cli) -> None:
    """As those of the first; without pictures at all neither is read."""
    code, _, err = scored_cli("compare", "v", "v", "--other-images", "images")
    assert (code, one_line(err)) == (2, "--other-images: expected --page FILE.html, which shows them, got none")
    for option in ("--images", "--other-images"):
        code, _, err = scored_cli("duplicates", "v", "v", *DUPLICATES, "--by-vectors", option, "images")
        assert (code, one_line(err)) == (2, f"{option}: expected none with --by-vectors, which reads no pictures")


def test_the_limits_that_a_refusal_names_can_be_given(scored_cli: Cli) -> None:
    """Of nine pictures one is larger than three thousand pixels, and all than ten bytes."""
    narrow = ("--max-megapixels", "0.003")
    for words in (("compare", "v", "v", "--page", "p.html"), ("duplicates", "v", *DUPLICATES, "--page", "p.html")):
        shown = []
        for limits in ((), narrow):
            code, _, err = scored_cli(*words, *limits)
            assert code == 0, err
            shown.append(Path("p.html").read_text().count("data:image"))
        assert 0 < shown[1] < shown[0]
    code, out, err = scored_cli("duplicates", "v", *DUPLICATES, "--max-image-mb", "0.00001", "--json")
    assert (code, json.loads(out)["exact_by"]) == (0, "vectors")
    assert "raise it with --max-image-mb" in err
    assert "no picture of a table can be read; exact copies are equal vectors" in err
    for option, value in (("--max-megapixels", 0), ("--max-image-mb", 0), ("--read-timeout", 0)):
        for words in (("compare", "v", "v"), ("duplicates", "v", *DUPLICATES)):
            assert scored_cli(*words, option, value)[0] == 2
