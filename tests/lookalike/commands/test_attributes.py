"""score, index, search and evaluate with rows of attributes; an image ranks rows of attributes too."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.shared.command_line import Cli, one_line
from tests.shared.scored_images import write_images
from tests.shared.two_tower_models import drawn_columns, publish_towers, vectors_of, write_csv

NUM_ROWS = 24
COLUMNS = drawn_columns(NUM_ROWS)
MODEL = ("--model", "tiny", "--repository", "models")
ATTRIBUTES = ("--model", "tiny_attributes", "--repository", "models")


@pytest.fixture
def towers_cli(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Run a command in a folder with both models, images with attributes scored as `v`, and their index `i`."""
    monkeypatch.chdir(tmp_path)
    publish_towers(Path("models"))
    write_csv(Path("t.csv"), COLUMNS, id=list(range(NUM_ROWS)), path=write_images(Path("images"), NUM_ROWS))
    assert cli("score", "t.csv", *MODEL, "--output", "v")[0] == 0
    assert cli("index", "v", "--output", "i")[0] == 0
    return cli


def test_attributes_rank_images(towers_cli: Cli) -> None:
    """The nearest by hand, with the condition's rows alone, in a page, and away from another colour."""
    from rows.vectors.table import VectorTable

    vectors = VectorTable.open("v").matrix
    asked = vectors_of({"color": ["red"], "striped": [1]})
    order = np.argsort(np.linalg.norm(vectors - asked, axis=1))
    words = ("search", "i", "--attributes", "color=red,striped=1", *ATTRIBUTES, "--json")
    (found,) = json.loads(towers_cli(*words, "-k", 5)[1])
    assert found["query"] == "color=red,striped=1"
    assert [near["id"] for near in found["neighbours"]] == list(map(str, order[:5]))
    blue = [row for row in order.tolist() if COLUMNS["color"][row] == "blue"]
    code, out, _ = towers_cli(*words, "-k", 3, "--where", "color = 'blue'", "--gallery", "g.html")
    assert code == 0
    assert [near["id"] for near in json.loads(out)[0]["neighbours"]] == list(map(str, blue[:3]))
    assert "color=red,striped=1" in Path("g.html").read_text()
    (away,) = json.loads(towers_cli(*words, "--minus", "attributes:color=green", "--minus", "id:3")[1])
    assert away["query"] == "color=red,striped=1 - color=green - id:3"


def test_table_of_attributes_asks_row_by_row(towers_cli: Cli) -> None:
    """As words do; a bad row is left out, told, and ends with 3."""
    write_csv(Path("q.csv"), {"color": ["red", "rot"], "striped": [1, None]}, id=["a", "b"])
    code, out, err = towers_cli("search", "i", "q.csv", *ATTRIBUTES, "-k", 2, "--json")
    assert code == 3
    assert "1 query with bad attributes left out: b: attribute 'color': expected one of" in err
    (found,) = json.loads(out)
    (words,) = json.loads(
        towers_cli("search", "i", "--attributes", "color=red,striped=1", *ATTRIBUTES, "-k", 2, "--json")[1]
    )
    assert found["neighbours"] == words["neighbours"]


def test_image_ranks_rows_of_attributes(towers_cli: Cli) -> None:
    """The other way round: an index of attributes, a picture as the query."""
    code, _, err = towers_cli("score", "t.csv", *ATTRIBUTES, "--output", "a")
    assert (code, err) == (0, "")
    assert towers_cli("index", "a", "--output", "j")[0] == 0
    image = str(sorted(Path("images").iterdir())[0])
    (found,) = json.loads(towers_cli("search", "j", image, *MODEL, "-k", 1, "--json")[1])
    from rows.vectors.table import VectorTable

    distances = np.linalg.norm(VectorTable.open("a").matrix - VectorTable.open("v").matrix[0], axis=1)
    assert found["neighbours"][0]["id"] == str(distances.argmin())
    assert found["neighbours"][0]["color"] == COLUMNS["color"][int(distances.argmin())]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--attributes", "colour=red", *ATTRIBUTES), "attribute: expected one of color, striped, size, got 'colour'"),
        (("--attributes", "color=rad", *ATTRIBUTES), "attribute 'color': expected one of blue, green, red, got 'rad'"),
        (("--attributes", "color", *ATTRIBUTES), "attributes: expected NAME=VALUE,..., got 'color'"),
        (("--attributes", "color=red", *MODEL), "rows of attributes: expected a model that takes them, got 'tiny'"),
        (("--attributes", "color=red"), "attributes need a model: expected --model NAME"),
        (("images", *ATTRIBUTES), "images: expected a model that takes images alone, got 'tiny_attributes', which"),
        (
            ("plain.csv", *MODEL),
            'image column "image": expected one of color, shape, got no such column (plain.csv); call the column of '
            "the images image; for rows of attributes take model 'tiny_attributes'",
        ),
        ((), "query: expected an image, a table, id:NAME or --attributes NAME=VALUE,..., got none"),
    ],
)
def test_search_that_cannot_be_is_one_line(towers_cli: Cli, words: tuple[str, ...], line: str) -> None:
    """Names, values, the other tower's model, no model, nothing asked."""
    write_csv(Path("plain.csv"), {"color": ["red"], "shape": ["disc"]})
    code, out, err = towers_cli("search", "i", *words)
    assert (code, out) == (1 if words[:1] == ("plain.csv",) else 2, "")
    assert one_line(err).startswith(line)


@pytest.mark.parametrize(
    "option",
    [
        ("--column", "x"),
        ("--columns-from", "t.csv"),
        ("--send", "encoded"),
        ("--max-megapixels", "3"),
        ("--max-image-mb", "3"),
        ("--read-timeout", "3"),
    ],
)
def test_options_of_images_are_refused_beside_attributes(towers_cli: Cli, option: tuple[str, str]) -> None:
    """In words, of rows of the index, in a table that is scored too; a gallery reads pictures by their limits."""
    write_csv(Path("q.csv"), {"color": ["red"], "striped": [1]}, id=["a"])
    nothing = f"{option[0]}: expected none here, got one; no image and no table of vectors is asked for"
    for words in (("--attributes", "color=red", *ATTRIBUTES), ("id:3",), ("id:3", "--minus", "attributes:color=red")):
        code, out, err = towers_cli("search", "i", *words, *option)
        assert (code, out, one_line(err)) == (2, "", nothing)
    if not option[0].startswith("--column"):
        code, out, err = towers_cli("search", "i", "q.csv", *ATTRIBUTES, *option)
        assert (code, out) == (2, "")
        assert one_line(err) == f"{option[0]}: expected none here, got one; q.csv is a table of attributes"
        code, _, err = towers_cli("score", "q.csv", *ATTRIBUTES, "--output", "b", *option)
        assert code == 2
        assert one_line(err) == (
            f"{option[0]}: expected none here, got one; tiny_attributes takes rows of attributes, no images"
        )
        assert not Path("b").exists()
        words = ("search", "i", "--attributes", "color=red", *ATTRIBUTES, "--gallery", "g.html", *option)
        assert towers_cli(*words)[0] == (2 if option[0] == "--send" else 0)


def test_score_tells_bad_rows_of_attributes(towers_cli: Cli) -> None:
    """Exit code 3, and no word of images."""
    write_csv(Path("bad.csv"), {"Farbe": ["red", "rot"]})
    code, _, err = towers_cli("score", "bad.csv", *ATTRIBUTES, "--columns", "color=Farbe", "--output", "b")
    assert code == 3
    assert "no column for striped, size: missing in all rows" in err
    assert f"1 rows with bad attributes, listed in {Path('b/errors.parquet')}" in err
    write_csv(Path("worse.csv"), {"color": ["red", "rot", "rouge"]})
    code, out, err = towers_cli("score", "worse.csv", *ATTRIBUTES, "--output", "c")
    assert code == 3
    assert "the commonest reason, of 2 rows: " in err
    assert "num_distinct" in out
    assert "rows_per_s" in out
    assert "images" not in out + err


def test_evaluate_measures_what_attributes_find(towers_cli: Cli) -> None:
    """A line for each number of attributes, triplets apart; the same figures as JSON."""
    assert towers_cli("score", "t.csv", *ATTRIBUTES, "--output", "a")[0] == 0
    words = ("evaluate", "v", "--queries", "a", "--attributes", "color,striped,size")
    code, out, _ = towers_cli(*words)
    assert code == 0
    assert " ".join(out.splitlines()[0].split()) == ("asked queries P@1 P@5 P@10 P@100 mAP low high chance no image")
    assert "% correct, another row" in out
    assert "color (category), striped (flag), size (number)" in out
    facts = json.loads(towers_cli(*words, "--json")[1])
    assert [group["asked"] for group in facts["by_number"]] == [2, 3]
    assert facts["num_rows"] == facts["num_queries"] == NUM_ROWS
    for more, line in (
        (("--label", "color"), "--label: expected none beside --attributes"),
        (("--rerank",), "--rerank: expected none beside --attributes"),
    ):
        assert one_line(towers_cli(*words, *more)[2]).startswith(line)
    assert one_line(towers_cli("evaluate", "v", "--attributes", "color")[2]).startswith(
        "--attributes: expected --queries"
    )
    assert one_line(towers_cli("evaluate", "v", "--queries", "a", "--label", "color")[2]).startswith(
        "--queries: expected"
    )
