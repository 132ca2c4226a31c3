"""Files that commands on vectors write: none over one that is read, whatever it is read for, and none twice."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.shared.command_line import Cli, one_line
from tests.shared.scored_folder import MODEL

PAGES = ("--page", "p.html")
WRITE = {
    "cluster": ("-k", 2, "--output"),
    "compare": ("u.npy", "--other-columns-from", "other.csv", "--images", "pics.csv", *PAGES, "--output"),
    "compare's page": ("u.npy", "--other-columns-from", "other.csv", "--other-images", "pics.csv", "--page"),
    "duplicates": ("--threshold", 1, "--images", "pics.csv", "--output"),
    "duplicates' list": ("--threshold", 1, "--images", "pics.csv", "--output", "o", "--list"),
    "explore": ("--images", "pics.csv", "--output"),
    "index": ("--output",),
    "labels": ("--label", "label", "--images", "pics.csv", *PAGES, "--output"),
    "labels' page": ("--label", "label", "--images", "pics.csv", "--output", "o", "--page"),
    "outliers": ("--images", "pics.csv", *PAGES, "--output"),
    "outliers' page": ("--images", "pics.csv", "--output", "o", "--page"),
    "select": ("--count", 2, "--labelled", "u.npy", "--output"),
    "select's list": ("--count", 2, "--labelled", "u.npy", "--list"),
}
"""{command and what it writes: options, the last of which names the file}; all read v.npy and columns.csv."""

READ = {
    "v.npy": set(WRITE),
    "columns.csv": set(WRITE),
    "other.csv": {"compare", "compare's page"},
    "u.npy": {"compare", "compare's page", "select", "select's list"},
    "pics.csv": set(WRITE) - {"cluster", "index", "select", "select's list"},
}


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def own(cli: Cli) -> Cli:
    """In a folder with two arrays, a table of columns for each, and a table of pictures."""
    for name, table in (("v", "columns"), ("u", "other")):
        np.save(f"{name}.npy", np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32))
        Path(f"{table}.csv").write_text("id,label\n" + "".join(f"{row},{row % 2}\n" for row in range(20)))
    Path("pics.csv").write_text("id,image\n" + "".join(f"{row},{row}.png\n" for row in range(20)))
    return cli


@pytest.mark.parametrize(("read", "command"), [(read, each) for read, those in READ.items() for each in sorted(those)])
def test_nothing_is_written_over_what_is_read(own: Cli, read: str, command: str) -> None:
    """By a path of its own or by a link; it is told before anything is done."""
    Path("link").symlink_to(read)
    before = content(Path())
    name = command.partition("'")[0]
    words = (name, "v.npy", "--columns-from", "columns.csv", "--distance", "euclidean")
    words = (name, "v.npy", *WRITE[command][:1], *words[2:]) if name == "compare" else words
    rest = WRITE[command][1:] if name == "compare" else WRITE[command]
    for place in (read, "link"):
        code, out, err = own(*words, *rest, place)
        assert (code, out) == (2, ""), err
        assert one_line(err).startswith("output: expected another file than those of the table")
    assert content(Path()) == before


@pytest.mark.parametrize(
    "words",
    [
        ("compare", "v.npy", "u.npy", "--output", "x", "--page", "./x"),
        ("duplicates", "v.npy", "--output", "x", "--list", "x"),
        ("duplicates", "v.npy", "--output", "o", "--list", "x", "--list-drop", "x"),
        ("labels", "v.npy", "--label", "label", "--output", "x", "--page", "x"),
        ("map", "v.npy", "--output", "x.png", "--output", "./x.png"),
        ("outliers", "v.npy", "--output", "x", "--page", "x"),
        ("select", "v.npy", "--count", 2, "--output", "x", "--list", "x"),
    ],
)
def test_no_file_is_written_twice(own: Cli, words: tuple[str, ...]) -> None:
    """The option that would be the second is named."""
    before = content(Path())
    code, _, err = own(*words)
    last = words[-2]
    assert (code, one_line(err).startswith(f"{last}: expected another file than --")) == (2, True), err
    assert content(Path()) == before


@pytest.mark.parametrize(
    "output", ["pics.csv", "v/part-00000.parquet", "v/manifest.json", "v/thumbnails-00000.parquet", "v/tags.parquet"]
)
def test_nothing_is_written_over_what_a_job_read_or_left(scored_cli: Cli, output: str) -> None:
    """The images that were scored are read though no option names them; so are thumbnails, and tags later on."""
    images = [file for file in sorted(Path("images").rglob("*.png")) if "'" not in file.name]
    Path("pics.csv").write_text("image\n" + "".join(f"{file}\n" for file in images))
    shutil.rmtree("v")
    assert scored_cli("score", "pics.csv", *MODEL, "--output", "v", "--thumbnails", 32)[0] == 0
    Path("v/tags.parquet").write_bytes(b"tags")
    before = content(Path())
    for words in (
        ("duplicates", "v", "--threshold", 1, "--output", "o.parquet", "--list", output),
        ("compare", "v", "v", "--output", output),
        ("select", "v", "--count", 2, "--list", output),
        ("search", "i", "v", "--gallery", output),
    ):
        code, _, err = scored_cli(*words)
        assert (code, one_line(err).startswith("output: expected another file than those of the table")) == (2, True)
    assert content(Path()) == before


def test_a_search_writes_over_neither_index_nor_queries(scored_cli: Cli) -> None:
    """Nor over the folder of images that its rows are of."""
    before = content(Path())
    for output in ("i", "i.rows.parquet", "images/c0/0.png", "images/new.png", "v/part-00000.parquet"):
        code, _, err = scored_cli("search", "i", "v", "--gallery", output)
        assert (code, one_line(err).startswith("output: expected another file")) == (2, True), err
    assert content(Path()) == before


def test_the_vectors_of_an_old_map_are_kept(cli: Cli) -> None:
    """A map by neighbours says where they lie, and they are read though no option names them."""
    pytest.importorskip("umap")
    rng = np.random.default_rng(0)
    np.save("new.npy", rng.normal(size=(20, 3)).astype(np.float32))
    np.save("old.npy", rng.normal(size=(20, 3)).astype(np.float32))
    options = ("--distance", "euclidean")
    assert cli("cluster", "old.npy", "-k", 2, "--output", "rows.parquet", *options)[0] == 0
    table = pq.read_table("rows.parquet").append_column("embedding", [np.load("old.npy").tolist()])
    pq.write_table(table, "old.parquet")
    assert cli("map", "old.parquet", "--method", "umap", "--output", "m.parquet", *options)[0] == 0
    before = content(Path())
    code, _, err = cli("map", "new.npy", "--layout", "m.parquet", "--output", "old.parquet", *options)
    assert (code, one_line(err)) == (2, "output: expected another file than those of the table, got old.parquet")
    assert content(Path()) == before
