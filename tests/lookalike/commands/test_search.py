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
from analysis.search.index import Index
from analysis.search.reranked import RerankedSearch
from pages.gallery import PICTURE_PX, thumbnail
from rows.images import ImageRef
from rows.pictures.folders import image_inside
from rows.vectors.table import VectorTable
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
    code, _, err = scored_cli("search", "i", "v", "-k", 9, "--gallery", "g.html")
    page = Path("g.html").read_text()
    assert (code, page.count('class="missing" title="c0/0.png">c0/0.png')) == (0, 10)
    assert err.startswith("1 of 9 ids have no picture in ")
    assert len(pictures(page)) == 9 * 10 - 10
    Path("images").rename("moved")
    assert scored_cli("search", "i", "v", "-k", 9, "--gallery", "g.html")[0] == 0
    assert not pictures(Path("g.html").read_text())
    assert scored_cli("search", "i", "v", "-k", 9, "--gallery", "g.html", "--images", "moved")[0] == 0
    assert len(pictures(Path("g.html").read_text())) == 9 * 10 - 10


@pytest.mark.parametrize("name", ["t.parquet", "t.csv"])
def test_pictures_come_from_any_table_of_images(scored_cli: Cli, name: str) -> None:
    """The pictures that the folder has, but for one that the table lacks, which is told; an id is looked up there."""
    assert scored_cli("search", "i", "v", "-k", 3, "--gallery", "folder.html")[0] == 0
    lacking = "c1/3.png"
    files = {path.relative_to("images").as_posix(): path for path in sorted(Path("images").rglob("*.png"))}
    kept = {each: path for each, path in files.items() if each != lacking}
    columns: tuple[str, ...] = ()
    if name == "t.parquet":
        table = {"name": list(kept), "photo": [path.read_bytes() for path in kept.values()]}
        parquet.write_table(pa.table(table), name)
        columns = ("--image-column", "photo", "--image-id-column", "name")
    else:
        Path(name).write_text("id,image\n" + "\n".join(f'"{each}","moved/{each}"' for each in kept))
    Path("images").rename("moved")
    code, _, err = scored_cli("search", "i", "v", "-k", 3, "--gallery", "g.html", "--images", name, *columns)
    assert (code, err.splitlines()[0]) == (0, f"1 of 9 rows have no picture in {name}: '{lacking}'")
    page, folder = (Path(file).read_text() for file in ("g.html", "folder.html"))
    assert f'class="missing" title="{lacking}">{lacking}' in page
    shown, expected = (set(re.findall(r'src="([^"]+)"', each)) for each in (page, folder))
    assert (len(shown), len(shown & expected)) == (8, 7)  # one is larger than it is shown, and shrunk on another way


def test_pictures_are_found_by_the_table_that_was_scored(scored_cli: Cli) -> None:
    """A table of bytes, which the job and the index name; once it is gone the ids stand there, and why."""
    files = sorted(Path("images").rglob("*.png"))
    table = pa.table({"key": [f"k{row}" for row in range(9)], "photo": [path.read_bytes() for path in files]})
    parquet.write_table(table, "t.parquet")
    options = ("--columns", "image=photo", "--id-column", "key")
    assert scored_cli("score", "t.parquet", *MODEL, "--output", "w", *options)[0] == 0
    assert scored_cli("index", "w", "--output", "j")[0] == 0
    assert scored_cli("search", "j", "w", "-k", 2, "--gallery", "g.html")[0] == 0
    assert len(pictures(Path("g.html").read_text())) == 9 * 3
    Path("t.parquet").unlink()
    code, _, err = scored_cli("search", "j", "w", "-k", 2, "--gallery", "g.html")
    assert (code, err.startswith("no pictures: table of images: expected a file or a folder, got nothing there")) == (
        0,
        True,
    )
    assert not pictures(Path("g.html").read_text())


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


def test_rows_are_searched_under_a_condition(scored_cli: Cli) -> None:
    """As many as match, told; none is an answer too; a wrong column is one line before a model is opened."""
    code, out, err = scored_cli("search", "i", "images", *MODEL, "-k", 9, "--where", "label = 'c1'", "--json")
    assert (code, err) == (0, "4 of 9 rows meet the condition\n")
    for row in json.loads(out):
        assert sorted(near["id"] for near in row["neighbours"]) == [f"c1/{number}.png" for number in (1, 3, 5, 7)]
    whole = json.loads(scored_cli("search", "i", "images", *MODEL, "-k", 9, "--json")[1])
    for row, among in zip(whole, json.loads(out), strict=True):
        assert [near for near in row["neighbours"] if near["label"] == "c1"] == among["neighbours"]
    code, out, err = scored_cli("search", "i", "v", "--where", "label = 'c9'")
    assert (code, err, out) == (0, "0 of 9 rows meet the condition\n", "query  rank  id  distance\n")
    out = scored_cli("search", "i", "v", "--where", "label is null", "--json", "--gallery", "g.html")[1]
    assert [row["neighbours"] for row in json.loads(out)] == [[]] * 9
    assert "of those where label is null" in Path("g.html").read_text()
    code, _, err = scored_cli("search", "i", "no.png", "--model", "no", "--repository", "no", "--where", "lable = 'a'")
    assert (code, err) == (
        2,
        'lookalike: where: expected columns of the index (id, label), got "lable"; did you mean "label"?\n',
    )


def test_several_pictures_are_one_query(scored_cli: Cli) -> None:
    """Files and rows of the index, towards and away: one answer, and a page that shows them all before it."""
    words = ("images/c0/2.png", "id:c1/3.png", "--minus", "images/c1/5.png", "--minus", "id:c0/4.png")
    code, out, err = scored_cli("search", "i", *words, *MODEL, "-k", 3, "--json", "--gallery", "g.html")
    assert (code, err) == (0, "g.html shows the pictures\n")
    (row,) = json.loads(out)
    assert row["query"] == "images/c0/2.png + id:c1/3.png - images/c1/5.png - id:c0/4.png"
    assert len(row["neighbours"]) == 3
    page = Path("g.html").read_text()
    assert (page.count('<div class="query">'), len(pictures(page))) == (1, 4 + 3)
    assert page.count('class="asked away"') == 2
    for caption in ("2.png", "+ 3.png", "- 5.png", "- 4.png"):
        assert f">{caption}</figcaption>" in page
    ids = ("id:c0/2.png", "id:c1/3.png", "--minus", "id:c1/5.png", "--minus", "id:c0/4.png")
    (same,) = json.loads(scored_cli("search", "i", *ids, "-k", 3, "--json")[1])  # and no model
    assert [near["id"] for near in same["neighbours"]] == [near["id"] for near in row["neighbours"]]


def test_queries_together_that_cannot_be_are_one_line(scored_cli: Cli) -> None:
    """A picture that cannot be read would leave another query; an unknown id; nothing to go towards; no model."""
    Path("bad.png").write_bytes(b"no image")
    for words, line in (
        (
            ("images/c0/2.png", "bad.png", *MODEL),
            "lookalike: query 'bad.png': expected an image that has a vector, got ",
        ),
        (("id:c0/99.png",), "lookalike: id of a query: expected one that the index has, got 'c0/99.png'\n"),
        (("images/c0/2.png", "id:c0/2.png"), "lookalike: an image needs a model: expected --model NAME and one of "),
        (("--minus", "id:c0/2.png"), "lookalike: query: expected an image, a table, id:NAME or --attributes "),
    ):
        code, _, err = scored_cli("search", "i", *words)
        assert code in (1, 2)
        assert err.startswith(line)
        assert err.count("\n") == 1


def test_search_in_the_order_of_shared_neighbours(scored_cli: Cli) -> None:
    """What the library gives, with both distances, for a table, under a condition and with a page."""
    code, out, err = scored_cli("search", "i", "v", "-k", 3, "--rerank", "--json")
    found = json.loads(out)
    assert code == 0
    assert "in order by the neighbours that they share" in err
    index, table = Index.open("i"), VectorTable.open("v")
    expected = RerankedSearch(index).search(table.matrix, 3)
    assert [row["neighbours"] for row in found] == expected
    for row in expected:
        values = [each["reranked_distance"] for each in row]
        assert values == sorted(values)
    code, out, _ = scored_cli(
        "search", "i", "v", "-k", 2, "--rerank", "--where", "id like 'c0%'", "--gallery", "g.html"
    )
    assert code == 0
    assert "reranked_distance" in out
    assert Path("g.html").exists()
