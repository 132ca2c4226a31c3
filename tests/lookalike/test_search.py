"""`lookalike search --gallery`, images in folders and lists as queries, and what index and cluster print."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from artifact.repository.publishing import publish
from lookalike.cli import main
from analysis.search import queries
from pages.gallery import PICTURE_PX, image_inside, thumbnail
from rows.images import ImageRef
from tests.shared.tiny_artifact import write_tiny_artifact

Cli = Callable[..., tuple[int, str, str]]
MODEL = ("--model", "tiny", "--repository", "models")
HOSTILE = "x' onerror=<b>.png"


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model, nine images and their vectors in `v`."""
    folder = tmp_path_factory.mktemp("scored")
    rng = np.random.default_rng(0)
    for number in range(9):
        path = folder / "images" / f"c{number % 2}" / (HOSTILE if number == 8 else f"{number}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (12, 300 if number == 7 else 12, 3), np.uint8)).save(path)
    write_tiny_artifact(folder / "tiny.onnx")
    publish(folder / "tiny.onnx", folder / "models", name="tiny")
    with contextlib.chdir(folder):
        assert main(["score", "images", *MODEL, "--output", "v"]) == 0
    return folder


@pytest.fixture
def cli(scored: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Run a command in a copy of that folder, with the index `i`; gives exit code, stdout and stderr."""
    shutil.copytree(scored, tmp_path / "copy")
    manifest = tmp_path / "copy" / "v" / "manifest.json"
    manifest.write_text(manifest.read_text().replace(str(scored), str(tmp_path / "copy")))  # as if scored there
    monkeypatch.chdir(tmp_path / "copy")

    def run(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    assert run("index", "v", "--output", "i")[0] == 0
    return run


def pictures(page: str) -> list[Image.Image]:
    """Every picture of a page, decoded."""
    return [
        Image.open(io.BytesIO(base64.b64decode(data)))
        for data in re.findall(r'src="data:image/\w+;base64,([^"]+)"', page)
    ]


def test_page_shows_each_query_with_its_neighbours(cli: Cli) -> None:
    """A folder of images: a row each, the pixels of each file, distances as --json says, and no address but data."""
    code, out, err = cli("search", "i", "images", *MODEL, "-k", 3, "--gallery", "g.html", "--json")
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


def test_ids_are_escaped(cli: Cli) -> None:
    """A file name is text, whatever is in it."""
    assert cli("search", "i", Path("images", "c0", HOSTILE), *MODEL, "-k", 9, "--gallery", "g.html")[0] == 0
    page = Path("g.html").read_text()
    assert HOSTILE not in page
    assert "<b>" not in page
    assert "onerror=&lt;b&gt;" in page


def test_pictures_that_are_gone_are_placeholders(cli: Cli) -> None:
    """Deleted, or a folder that moved: the id stands there, and --images finds them again."""
    Path("images", "c0", "0.png").unlink()
    code, _, _ = cli("search", "i", "v", "-k", 9, "--gallery", "g.html")
    page = Path("g.html").read_text()
    assert (code, page.count('class="missing" title="c0/0.png">c0/0.png')) == (0, 10)
    assert len(pictures(page)) == 9 * 10 - 10
    Path("images").rename("moved")
    assert cli("search", "i", "v", "-k", 9, "--gallery", "g.html")[0] == 0
    assert not pictures(Path("g.html").read_text())
    assert cli("search", "i", "v", "-k", 9, "--gallery", "g.html", "--images", "moved")[0] == 0
    assert len(pictures(Path("g.html").read_text())) == 9 * 10 - 10


@pytest.mark.parametrize("name", ["/etc/hostname", "../secret.png", "a/../../secret.png"])
def test_ids_lead_nowhere_but_into_the_folder(name: str, tmp_path: Path) -> None:
    """An id of somebody else's table is no way to read a file."""
    Image.new("RGB", (9, 9)).save(tmp_path / "secret.png")
    assert image_inside(tmp_path / "images", name) == ImageRef()
    assert thumbnail(image_inside(tmp_path, "secret.png")) is not None
    assert image_inside(None, "secret.png") == ImageRef()


def test_queries_may_be_a_list(cli: Cli) -> None:
    """A CSV of paths: the same answers as each image alone."""
    Path("list.csv").write_text("id,image\na,images/c0/2.png\nb,images/c1/3.png\n")
    code, out, _ = cli("search", "i", "list.csv", *MODEL, "-k", 2, "--json")
    listed = json.loads(out)
    assert (code, [row["query"] for row in listed]) == (0, ["a", "b"])
    for row, path in zip(listed, ("images/c0/2.png", "images/c1/3.png"), strict=True):
        alone = json.loads(cli("search", "i", path, *MODEL, "-k", 2, "--json")[1])[0]
        assert [near["id"] for near in alone["neighbours"]] == [near["id"] for near in row["neighbours"]]


@pytest.mark.parametrize("query", ["v", "images"])
def test_answers_come_in_blocks(cli: Cli, monkeypatch: pytest.MonkeyPatch, query: str) -> None:
    """One JSON document and one page, whatever the blocks; pictures are kept of the queries that the page shows."""
    command = ("search", "i", query, *(MODEL if query == "images" else ()), "-k", 3)
    whole = cli(*command, "--json")[1]
    for name, value in (("BLOCK_QUERIES", 4), ("BLOCK_ANSWERS", 1)):
        monkeypatch.setattr(queries, name, value)
    monkeypatch.setattr("pages.gallery.MAX_QUERIES", 2)
    code, out, _ = cli(*command, "--json", "--gallery", "g.html")
    assert (code, out) == (0, whole)
    assert out == json.dumps(json.loads(out), indent=2) + "\n"
    page = Path("g.html").read_text()
    assert (page.count('<div class="query">'), len(pictures(page))) == (2, 2 * 4)
    assert "7 more queries are not shown" in page
    lines = cli(*command)[1].splitlines()
    assert [line.split()[0] for line in lines].count("query") == 5  # the header of each block
    found = [(row["query"], near["id"]) for row in json.loads(whole) for near in row["neighbours"]]
    rows = [line for line in lines if not line.startswith("query ")]
    assert all(a in line and b in line for (a, b), line in zip(found, rows, strict=True))


def test_parts_of_another_program_may_be_images(cli: Cli) -> None:
    """Spark names a table's files as a scoring job does: what is in them decides, where no manifest does."""
    Path("spark").mkdir()
    names = ["images/c0/2.png", "images/c1/3.png"]
    table = pa.table({"id": ["a", "b"], "image": [Path(name).read_bytes() for name in names]})
    parquet.write_table(table, "spark/part-00000-6f1c.snappy.parquet")
    Path("spark/_SUCCESS").touch()
    found = json.loads(cli("search", "i", "spark", *MODEL, "-k", 1, "--json")[1])
    assert [(row["query"], row["neighbours"][0]["id"]) for row in found] == [("a", "c0/2.png"), ("b", "c1/3.png")]
    Path("v/manifest.json").unlink()
    assert cli("search", "i", "v", "-k", 1)[0] == 0


@pytest.mark.parametrize("command", [("cluster", "-k", "2"), ("index",)])
def test_a_table_is_not_written_over(cli: Cli, command: tuple[str, ...]) -> None:
    """Neither one file, nor a part, nor what would be read as one; by a link too."""
    shutil.copy("v/part-00000.parquet", "one.parquet")
    Path("link").symlink_to("v")
    name, *options = command
    for table, output in (
        ("one.parquet", "../copy/one.parquet"),
        ("v", "v/part-00000.parquet"),
        ("v", "link/part-00007.parquet"),
        ("link", "v/manifest.json"),
        ("v", "v"),
    ):
        before = Path("v/part-00000.parquet").read_bytes()
        code, out, err = cli(name, table, *options, "--output", output)
        assert (code, out) == (2, "")
        assert f"output: expected another file than those of the table, got {output}" in err
        assert Path("one.parquet").read_bytes() == Path("v/part-00000.parquet").read_bytes() == before
    assert cli(name, "v", *options, "--output", "v/beside.parquet")[0] == 0


def test_index_says_what_it_built(cli: Cli) -> None:
    """Kind, parameters and recall; a search of an approximate one says that it is."""
    facts = json.loads(cli("index", "v", "--output", "j", "--kind", "ivf", "--recall", "0.9", "--seed", 4, "--json")[1])
    assert (facts["kind"], facts["recall_target"], facts["seed"], facts["num_rows"]) == ("ivf", 0.9, 4, 9)
    assert facts["recall@10"] >= 0.9
    assert facts["images"] == str(Path("images").resolve())
    for index, said in (("i", False), ("j", True)):
        _, _, err = cli("search", index, "v", "-k", 2, "--gallery", "g.html")
        assert ("approximate: recall@10 was" in err) is said
        assert ("approximate: recall@10 was" in Path("g.html").read_text()) is said
    assert "recall@10" in cli("index", "v", "--output", "j")[1]


def test_cluster_prints_a_line_a_cluster(cli: Cli) -> None:
    """Size, medoid, distance and silhouette, in --json as in the table."""
    facts = json.loads(cli("cluster", "v", "-k", 3, "--output", "c.parquet", "--json")[1])
    assert facts["sizes"] == [row["size"] for row in facts["clusters"]]
    assert sum(facts["sizes"]) == facts["num_rows"] == facts["silhouette_rows"] == 9
    _, out, _ = cli("cluster", "v", "-k", 3, "--output", "c.parquet")
    lines = out.splitlines()
    assert lines[0].split() == ["cluster", "size", "medoid", "mean_distance", "silhouette"]
    for line, row in zip(lines[1:4], facts["clusters"], strict=True):
        assert line.split()[:2] == [str(row["cluster"]), str(row["size"])]
        assert row["medoid"] in line


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("search", "i", "images"), 2, "an image needs a model"),
        (("search", "i", "v", "--images", "nowhere"), 2, "--images: expected a folder, got nowhere"),
        (
            ("search", "i", "models/tiny/config.pbtxt", *MODEL),
            1,
            "cannot read 1 of 1 images: [row 0, image] not an image",
        ),
        (("search", "i", "v", "--gallery", "images"), 1, "expected a plain file or nothing yet, got a folder (images)"),
        (("index", "v", "--output", "j", "--kind", "tree"), 2, "kind: expected one of auto, flat, ivf, got 'tree'"),
        (("index", "v", "--output", "j", "--recall", "2"), 2, "recall: expected a share in (0, 1], got 2.0"),
        (("cluster", "v", "-k", "10", "--output", "c"), 2, "k: expected 1 to 9, the number of vectors, got 10"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(
    cli: Cli, arguments: tuple[str, ...], code: int, words: str
) -> None:
    """The exit code, and what to mend."""
    got, out, err = cli(*arguments)
    assert (got, out) == (code, "")
    assert words in err
    assert "Traceback" not in err
