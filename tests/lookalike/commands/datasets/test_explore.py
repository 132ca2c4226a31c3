"""The command explore: what it writes and prints, several tables, and what a hasty user does."""

import json
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.shared.command_line import Cli
from tests.shared.scored_folder import HOSTILE

FEW = ("--tabs", "none", "--distance", "euclidean")


def _table(path: str, vectors: np.ndarray, **columns: object) -> str:
    cells = pa.FixedSizeListArray.from_arrays(pa.array(vectors.astype(np.float32).ravel()), vectors.shape[1])
    parquet.write_table(pa.table({**columns, "embedding": cells}), path)
    return path


def _vectors(count: int, dim: int = 5) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((count, dim))


def _facts(page: str) -> dict[str, object]:
    found = re.search(r'<script type="application/json" id="facts">(.*?)</script>', Path(page).read_text())
    assert found is not None
    facts: dict[str, object] = json.loads(found[1])
    return facts


def test_explore_shows_a_scored_folder(scored_cli: Cli) -> None:
    """Of what scoring wrote: pictures from the images that were scored, labels, lineage; figures as JSON."""
    code, out, err = scored_cli("explore", "v", "--output", "page.html", "--json")
    assert code == 0, err
    told = json.loads(out)
    assert told["num_rows"] == told["num_pictures"] == 9
    assert (told["columns"], told["colour"], told["distance"]) == (["label"], "label", "euclidean")
    assert told["num_bytes"] == Path("page.html").stat().st_size
    assert set(told["findings"]) == {"duplicates", "labels"}
    assert "outliers" in err  # of nine rows none can be told
    page = Path("page.html").read_text()
    assert "vectors of tiny version 1" in page
    assert HOSTILE not in page


def test_explore_is_the_same_twice(scored_cli: Cli) -> None:
    """One seed gives one page, to the byte."""
    for page in ("a.html", "b.html"):
        assert scored_cli("explore", "v", "--output", page)[0] == 0
    assert Path("a.html").read_bytes() == Path("b.html").read_bytes()


def test_explore_without_pictures_says_so(cli: Cli) -> None:
    """A table of vectors alone makes a page without pictures, and a line says how to have them."""
    _table("t.parquet", _vectors(12), id=[f"row {row}" for row in range(12)])
    code, out, err = cli("explore", "t.parquet", "--output", "page.html", *FEW)
    assert code == 0
    assert "--images" in err
    assert "There are no pictures in this page" in Path("page.html").read_text()
    assert "12" in out


def test_explore_shows_several_tables_as_sets(cli: Cli) -> None:
    """Rows stand one after the other, the set is a column, what one table lacks is empty, types are widened."""
    _table("train.parquet", _vectors(40), id=[f"a{row}" for row in range(40)], price=list(range(40)), kind=["x"] * 40)
    _table("test.parquet", _vectors(30) + 3, id=[f"b{row}" for row in range(30)], price=[0.5] * 30)
    code, out, err = cli(
        "explore", "train.parquet", "test.parquet", "--output", "p.html", "--distance", "cosine", "--json"
    )
    assert code == 0, err
    told = json.loads(out)
    assert told["columns"] == ["set", "price", "kind"]
    assert (told["num_rows"], told["colour"]) == (70, "set")
    assert told["findings"]["comparison"] > 0
    kinds = {column["name"]: column["kind"] for column in _facts("p.html")["columns"]}
    assert kinds == {"set": "category", "price": "number", "kind": "category"}


@pytest.mark.parametrize("count", [1, 2, 3])
def test_explore_of_few_rows(cli: Cli, count: int) -> None:
    """One row has no neighbours, and what cannot be found among so few is told."""
    _table("t.parquet", _vectors(count), label=["a"] * count)
    code, out, err = cli("explore", "t.parquet", "--output", "p.html", "--distance", "euclidean", "--json")
    assert code == 0, err
    assert json.loads(out)["neighbours"] == count - 1
    assert "no tab of labels" in err


def test_explore_of_equal_vectors(cli: Cli) -> None:
    """Rows that are all equal are one group of copies."""
    _table("t.parquet", np.ones((6, 4)), id=list("abcdef"))
    code, out, _ = cli("explore", "t.parquet", "--output", "p.html", "--distance", "euclidean", "--json")
    assert code == 0
    assert json.loads(out)["findings"]["duplicates"] == 1


def test_explore_places_rows_on_a_saved_map(cli: Cli) -> None:
    """The places are those of the map, moved and scaled by one factor."""
    _table("t.parquet", _vectors(30), id=[f"{row}" for row in range(30)])
    assert cli("map", "t.parquet", "--output", "map.parquet")[0] == 0
    assert cli("explore", "t.parquet", "--layout", "map.parquet", "--output", "p.html", *FEW)[0] == 0
    import base64
    import zlib

    block = re.search(r'id="block-places">(.*?)</script>', Path("p.html").read_text())
    assert block is not None
    places = np.frombuffer(zlib.decompress(base64.b64decode(block[1])), "<f4").reshape(-1, 2)
    saved = parquet.read_table("map.parquet")
    expected = np.column_stack([saved["x"].to_numpy(), saved["y"].to_numpy()])
    assert np.abs(places).max() == pytest.approx(1)
    scale = np.ptp(expected, axis=0).max() / 2
    np.testing.assert_allclose(np.diff(places, axis=0) * scale, np.diff(expected, axis=0), atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("gone.parquet", "--output", "p.html"), 1, "nothing there"),
        (("t.parquet", "--output", "t.parquet", *FEW), 2, "another file"),
        (("t.parquet", "--output", "p.html"), 2, "--distance"),
        (("t.parquet", "--output", "p.html", *FEW, "--label", "gone"), 1, "one of label"),
        (("t.parquet", "--output", "p.html", *FEW, "--color", "gone"), 1, "one of label"),
        (("t.parquet", "--output", "p.html", *FEW, "--method", "tsne"), 2, "pca, umap, pacmap"),
        (("t.parquet", "--output", "p.html", *FEW, "--thumbnails", "7"), 2, "32 to 256"),
        (("t.parquet", "--output", "p.html", *FEW, "--images", "gone"), 1, "gone"),
        (("t.parquet", "--output", "p.html", *FEW, "--images", "a", "--images", "b"), 2, "1"),
        (("t.parquet", "--output", "p.html", *FEW, "--image-column", "c"), 2, "--images"),
        (("t.parquet", "--output", "p.html", "--tabs", "duplicate", "--distance", "cosine"), 2, "duplicates"),
        (("t.parquet", "--output", "p.html", *FEW, "--layout", "t.parquet"), 1, "lookalike map"),
        (("gone.parquet", "--output", "p.html", *FEW, "--layout", "t.parquet"), 1, "lookalike map"),
        (("gone.parquet", "--output", "p.html", "--layout", "t.parquet", "--method", "umap"), 2, "a layout says how"),
        (("gone.parquet", "--output", "p.html", "--layout", "t.parquet", "--method", "pca"), 2, "a layout says how"),
        (("t.parquet", "--output", "p.html", *FEW, "--color", "note"), 1, "classes, numbers or dates"),
        (("t.parquet", "--output", "p.html", *FEW, "--color", "lists"), 1, "classes, numbers or dates"),
        (("t.parquet", "--output", "p.html", *FEW, "--color", "void"), 1, "'void', empty"),
        (("gone.parquet", "--output", "p.html", *FEW, "--port", "0"), 2, "--serve"),
        (("gone.parquet", "--output", "p.html", *FEW, "--version", "1"), 2, "--model NAME"),
        (("gone.parquet", "--output", "p.html", *FEW, "--token-file", "t"), 2, "--model NAME"),
        (("gone.parquet", "--output", "p.html", "--images", "t", "--thumbnails", "0"), 2, "--thumbnails PX"),
        (("gone.parquet", "--output", "p.html", *FEW, "--max-megapixels", "0"), 2, "more than 0"),
        (("t.parquet", "other.parquet", "--output", "p.html", *FEW), 1, "5 numbers"),
        (("t.parquet", "--output", "folder", *FEW), 1, "a folder"),
    ],
)
def test_explore_refuses_in_one_line(cli: Cli, arguments: tuple[str, ...], code: int, said: str) -> None:
    """What cannot be shown is told in one line, and no page is written."""
    notes = [f"note {row}" for row in range(30)]
    columns = {"note": notes, "lists": [[1]] * 30, "void": pa.nulls(30, pa.string())}
    _table("t.parquet", _vectors(30), id=[f"row {row}" for row in range(30)], label=list("xyz") * 10, **columns)
    _table("other.parquet", _vectors(9, dim=4), id=list("abcdefghi"))
    Path("folder").mkdir()
    found, out, err = cli("explore", *arguments)
    assert found == code, err
    assert out == ""
    assert said in err.splitlines()[-1]
    assert err.splitlines()[-1].startswith("lookalike: ")
    assert not Path("p.html").exists()


def test_explore_names_the_extra_before_it_reads(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """A method whose package is missing is refused before the table is looked for."""
    monkeypatch.setattr("analysis.datasets.maps.methods.find_spec", lambda name: None)
    code, _, err = cli("explore", "gone.parquet", "--output", "p.html", "--method", "umap")
    assert (code, "lookalike[map]" in err) == (1, True)


def test_explore_takes_ids_that_are_numbers_doubled_or_strange(cli: Cli) -> None:
    """Whole numbers, equal ones, empty ones and any script are ids."""
    _table("n.parquet", _vectors(4), id=[3, 3, -1, 0])
    _table("s.parquet", _vectors(4), id=["", "ü/日本", "</script><script>", "a\0b"])
    for name in ("n.parquet", "s.parquet"):
        code, _, err = cli("explore", name, "--output", "p.html", *FEW)
        assert code == 0, err
    assert "</script><script>" not in Path("p.html").read_text()
