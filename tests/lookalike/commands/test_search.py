"""The command `search`: galleries, and images in folders and lists as queries."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from analysis.search import queries
from pages.gallery import PICTURE_PX, image_inside, thumbnail
from rows.images import ImageRef
from tests.shared.command_line import Cli
from tests.shared.scored_folder import HOSTILE, MODEL


def pictures(page: str) -> list[Image.Image]:
    """Every picture of a page, decoded."""
    return [
        Image.open(io.BytesIO(base64.b64decode(data)))
        for data in re.findall(r'src="data:image/\w+;base64,([^"]+)"', page)
    ]


def test_page_shows_each_query_with_its_neighbours(scored_cli: Cli) -> None:
    """A folder of images: a row each, the pixels of each file, distances as --json says, and no address but data."""
    code, out, err = scored_cli("search", "i", "images", *MODEL, "-k", 3, "--gallery", "g.html", "--json")
    assert (code, err.strip()) == (0, "g.html shows the pictures")
    found = json.loads(out)
    page = Path("g.html").read_text()
    assert page.count('<div class="query">') == len(found) == 9
    shown = pictures(page)
    assert len(shown) == 9 * 4
    names = [name for row in found for name in (row["query"], *(near["id"] for near in row["neighbours"]))]
    for name, picture in zip(names, shown, strict=True):
        assert max(picture.size) <= PICTURE_PX
        with Image.open(Path("images", name)) as original:
            if max(original.size) <= PICTURE_PX:
                np.testing.assert_array_equal(np.asarray(picture.convert("RGB")), np.asarray(original))
    for row in found:
        assert row["neighbours"][0]["id"] == row["query"]
        for near in row["neighbours"]:
            assert f"<figcaption>{near['distance']:.4g}</figcaption>" in page
    assert not re.search(r"(src|href)=\"(?!data:image/)", page)
    assert "<script" not in page


def test_ids_are_escaped(scored_cli: Cli) -> None:
    """A file name is text, whatever is in it."""
    assert scored_cli("search", "i", Path("images", "c0", HOSTILE), *MODEL, "-k", 9, "--gallery", "g.html")[0] == 0
    page = Path("g.html").read_text()
    assert HOSTILE not in page
    assert "<b>" not in page
    assert "onerror=&lt;b&gt;" in page


def test_pictures_that_are_gone_are_placeholders(scored_cli: Cli) -> None:
    """Deleted, or a folder that moved: the id stands there, and --images finds them again."""
    Path("images", "c0", "0.png").unlink()
    code, _, _ = scored_cli("search", "i", "v", "-k", 9, "--gallery", "g.html")
    page = Path("g.html").read_text()
    assert (code, page.count('class="missing" title="c0/0.png">c0/0.png')) == (0, 10)
    assert len(pictures(page)) == 9 * 10 - 10
    Path("images").rename("moved")
    assert scored_cli("search", "i", "v", "-k", 9, "--gallery", "g.html")[0] == 0
    assert not pictures(Path("g.html").read_text())
    assert scored_cli("search", "i", "v", "-k", 9, "--gallery", "g.html", "--images", "moved")[0] == 0
    assert len(pictures(Path("g.html").read_text())) == 9 * 10 - 10


@pytest.mark.parametrize("name", ["/etc/hostname", "../secret.png", "a/../../secret.png"])
def test_ids_lead_nowhere_but_into_the_folder(name: str, tmp_path: Path) -> None:
    """An id of somebody else's table is no way to read a file."""
    Image.new("RGB", (9, 9)).save(tmp_path / "secret.png")
    assert image_inside(tmp_path / "images", name) == ImageRef()
    assert thumbnail(image_inside(tmp_path, "secret.png")) is not None
    assert image_inside(None, "secret.png") == ImageRef()


def test_queries_may_be_a_list(scored_cli: Cli) -> None:
    """A CSV of paths: the same answers as each image alone."""
    Path("list.csv").write_text("id,image\na,images/c0/2.png\nb,images/c1/3.png\n")
    code, out, _ = scored_cli("search", "i", "list.csv", *MODEL, "-k", 2, "--json")
    listed = json.loads(out)
    assert (code, [row["query"] for row in listed]) == (0, ["a", "b"])
    for row, path in zip(listed, ("images/c0/2.png", "images/c1/3.png"), strict=True):
        alone = json.loads(scored_cli("search", "i", path, *MODEL, "-k", 2, "--json")[1])[0]
        assert [near["id"] for near in alone["neighbours"]] == [near["id"] for near in row["neighbours"]]


@pytest.mark.parametrize("query", ["v", "images"])
def test_answers_come_in_blocks(scored_cli: Cli, monkeypatch: pytest.MonkeyPatch, query: str) -> None:
    """One JSON document and one page, whatever the blocks; pictures are kept of the queries that the page shows."""
    command = ("search", "i", query, *(MODEL if query == "images" else ()), "-k", 3)
    whole = scored_cli(*command, "--json")[1]
    for name, value in (("BLOCK_QUERIES", 4), ("BLOCK_ANSWERS", 1)):
        monkeypatch.setattr(queries, name, value)
    monkeypatch.setattr("pages.gallery.MAX_QUERIES", 2)
    code, out, _ = scored_cli(*command, "--json", "--gallery", "g.html")
    assert (code, out) == (0, whole)
    assert out == json.dumps(json.loads(out), indent=2) + "\n"
    page = Path("g.html").read_text()
    assert (page.count('<div class="query">'), len(pictures(page))) == (2, 2 * 4)
    assert "7 more queries are not shown" in page
    lines = scored_cli(*command)[1].splitlines()
    assert [line.split()[0] for line in lines].count("query") == 5  # the header of each block
    found = [(row["query"], near["id"]) for row in json.loads(whole) for near in row["neighbours"]]
    rows = [line for line in lines if not line.startswith("query ")]
    assert all(a in line and b in line for (a, b), line in zip(found, rows, strict=True))


def test_parts_of_another_program_may_be_images(scored_cli: Cli) -> None:
    """Spark names a table's files as a scoring job does: what is in them decides, where no manifest does."""
    Path("spark").mkdir()
    names = ["images/c0/2.png", "images/c1/3.png"]
    table = pa.table({"id": ["a", "b"], "image": [Path(name).read_bytes() for name in names]})
    parquet.write_table(table, "spark/part-00000-6f1c.snappy.parquet")
    Path("spark/_SUCCESS").touch()
    found = json.loads(scored_cli("search", "i", "spark", *MODEL, "-k", 1, "--json")[1])
    assert [(row["query"], row["neighbours"][0]["id"]) for row in found] == [("a", "c0/2.png"), ("b", "c1/3.png")]
    Path("v/manifest.json").unlink()
    assert scored_cli("search", "i", "v", "-k", 1)[0] == 0


def test_bad_queries_are_told_and_the_others_answered(scored_cli: Cli) -> None:
    """Exit code 3, a line with the first of them, and what the folder holds besides; alone a bad one is an error."""
    for number in range(7):
        Path(f"images/bad{number}.png").write_bytes(b"no image")
    Path("images/x.psd").write_bytes(b"8BPS")
    code, out, err = scored_cli("search", "i", "images", *MODEL, "-k", 1, "--json")
    assert (code, len(json.loads(out))) == (3, 9)
    note, line = err.strip().splitlines()
    assert note.startswith("passed over: 1 .psd; ")
    assert line.startswith("7 queries with bad images left out: bad0.png: not an image in any of ")
    assert line.endswith("; and 2 more")
    code, _, err = scored_cli("search", "i", "images/bad0.png", *MODEL)
    assert (
        code,
        err.startswith("lookalike: query 'images/bad0.png': expected an image that has a vector, got not an image"),
    ) == (
        1,
        True,
    )
