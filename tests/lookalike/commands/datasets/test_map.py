"""The command `map`: what it writes and prints, old maps, and what a hasty user does."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from analysis.datasets.maps.layout import Layout
from rows.vectors.table import VectorTable
from tests.shared.command_line import Cli, everything, one_line
from tests.shared.missing_packages import COMMAND_LINE, run_without


def test_map_writes_every_format_and_says_how(scored_cli: Cli) -> None:
    """The same map as picture, drawing, page and table; JSON has its facts."""
    outputs = [f"out/m{suffix}" for suffix in (".png", ".svg", ".html", ".parquet")]
    options = [word for output in outputs for word in ("--output", output)]
    code, out, err = scored_cli("map", "v", *options, "--color", "label", "--json")
    assert (code, err) == (0, "")
    facts = json.loads(out)
    assert facts["outputs"] == outputs
    assert (facts["method"], facts["num_rows"], facts["seed"], facts["num_placed"]) == ("pca", 9, 0, 0)
    assert 0 < facts["share"] <= 1
    layout = Layout.open("out/m.parquet")
    assert layout.ids == VectorTable.open("v").ids
    assert layout.lineage == VectorTable.open("v").lineage
    for name in ("out/m.svg", "out/m.html"):
        text = Path(name).read_text()
        assert text.count("<title>") >= 9
        assert "Map of v" in text
        assert "<b>.png" not in text  # a name of an image that is no text for a page
    assert scored_cli("map", "v", "--output", "again.png", "--color", "label")[0] == 0
    assert Path("again.png").read_bytes() == Path("out/m.png").read_bytes()


def test_map_prints_facts_for_people(scored_cli: Cli) -> None:
    """A line each; nothing that is not there."""
    code, out, _ = scored_cli("map", "v", "--output", "m.PNG")
    assert code == 0
    assert out.splitlines()[0] == "mapped"
    names = [line.split()[0] for line in out.splitlines()[1:]]
    assert names == ["output", "method", "seed", "parameters", "library", "num_rows", "dim", "share"]


def test_umap_is_made_by_the_command_and_new_vectors_are_put_on_it(scored_cli: Cli) -> None:
    """Its first use is told; the same command makes the same file; the old rows stay."""
    first = ("map", "v", "--method", "umap", "--output", "m.parquet")
    code, _, err = scored_cli(*first)
    assert code == 0
    assert "laying out 9 rows by umap" in err
    before = Path("m.parquet").read_bytes()
    assert scored_cli(*first)[0] == 0
    assert Path("m.parquet").read_bytes() == before
    code, out, _ = scored_cli(
        "map", "v", "--layout", "m.parquet", "--output", "n.parquet", "--output", "n.svg", "--json"
    )
    assert code == 0
    assert json.loads(out)["num_placed"] == 0
    assert (Layout.open("n.parquet").places == Layout.open("m.parquet").places).all()
    assert "on the map before" in Path("n.svg").read_text()
    Path("v").rename("w")
    code, _, err = scored_cli("map", "w", "--layout", "m.parquet", "--output", "n.parquet")
    assert code == 1
    assert "nothing there" in one_line(err)
    assert "--layout-vectors" in one_line(err)
    again = ("map", "w", "--layout", "m.parquet", "--layout-vectors", "w", "--output", "n.parquet")
    assert scored_cli(*again)[0] == 0


def test_own_vectors_are_mapped(cli: Cli) -> None:
    """Without a lineage, with integer ids, without ids: a projection asks for no distance, neighbours do."""
    vectors = list(np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32))
    parquet.write_table(pa.table({"id": range(12), "price": np.linspace(1, 2, 12), "v": vectors}), "own.parquet")
    assert cli("map", "own.parquet", "--output", "m.html", "--color", "price")[0] == 0
    assert "price: 1.091" in Path("m.html").read_text()
    code, _, err = cli("map", "own.parquet", "--output", "m.html", "--method", "pacmap")
    assert code == 2
    assert one_line(err).startswith("distance: expected a name, for vectors without lineage, got none (own.parquet)")
    parquet.write_table(pa.table({"v": vectors[:1]}), "one.parquet")
    assert cli("map", "one.parquet", "--output", "m.svg")[0] == 0


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--output", "m.jpg"), 2, "output: expected a file that ends in .png, .svg, .html, .parquet, got m.jpg"),
        (("--output", "m"), 2, "output: expected a file that ends in .png, .svg, .html, .parquet, got m"),
        (("--output", "m.png", "--color", "prize"), 1, 'column "prize": expected one of id, label, embedding, got'),
        (("--output", "m.png", "--color", "embedding"), 1, 'column "embedding": expected text, numbers, dates, or'),
        (("--output", "m.png", "--column", "label"), 1, 'vector column "label"'),
        (("--output", "m.png", "--method", "tsne"), 2, "method: expected one of pca, umap, pacmap, got 'tsne'"),
        (("--output", "m.png", "--neighbours", "5"), 2, "neighbours: expected none, for method pca, got 5"),
        (
            ("--output", "m.png", "--distance", "cosine"),
            2,
            "distance: expected euclidean, as tiny was trained, got cosine",
        ),
        (
            ("--output", "m.png", "--layout", "none.parquet"),
            1,
            "layout: expected a Parquet file that `lookalike map` wrote",
        ),
        (("--output", "m.png", "--layout", "v/part-00000.parquet"), 1, "layout: expected what `lookalike map` wrote"),
        (("--output", "m.png", "--layout-vectors", "v"), 2, "--layout-vectors: expected a map to put vectors on"),
        (
            ("--output", "m.png", "--layout", "i", "--seed", "0"),
            2,
            "--seed: expected none: a layout says how it was made",
        ),
        (("--output", "v/part-00000.parquet"), 2, "output: expected another file than those of the table"),
        (("--output", "v/part-00001.parquet"), 2, "output: expected another file than those of the table"),
        (("--output", "m.png", "--output", "images"), 2, "output: expected a file that ends in"),
    ],
)
def test_what_makes_no_sense_is_one_line(scored_cli: Cli, options: tuple[str, ...], code: int, message: str) -> None:
    """And nothing is written."""
    before = everything(Path())
    found, out, err = scored_cli("map", "v", *options)
    assert (found, out) == (code, "")
    assert one_line(err).startswith(message)
    assert everything(Path()) == before


def test_an_old_map_is_not_written_over(scored_cli: Cli) -> None:
    """By whatever path; with --json there is nothing on stdout."""
    assert scored_cli("map", "v", "--output", "m.parquet")[0] == 0
    before = Path("m.parquet").read_bytes()
    Path("link.parquet").symlink_to("m.parquet")
    for output in ("m.parquet", "../copy/m.parquet", "link.parquet"):
        code, out, err = scored_cli("map", "v", "--layout", "m.parquet", "--output", output, "--json")
        assert (code, out) == (2, "")
        assert "expected another file" in one_line(err)
    assert Path("m.parquet").read_bytes() == before


def test_a_missing_vectors_path_is_one_line(cli: Cli) -> None:
    """The path is named."""
    code, _, err = cli("map", "nowhere", "--output", "m.png")
    assert code == 1
    assert "nowhere" in one_line(err)


@pytest.mark.parametrize("method", ["umap", "pacmap"])
def test_a_missing_extra_is_told_before_anything_is_read(method: str, tmp_path: Path) -> None:
    """One line with what to install, even where the vectors are not there."""
    done = run_without(
        [method], COMMAND_LINE, "map", "nowhere", "--method", method, "--output", "m.png", folder=tmp_path
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert one_line(done.stderr) == (
        f"the package '{method}' is not installed; `pip install 'lookalike[map]'` brings it"
    )


def test_a_projection_needs_neither_package(scored_cli: Cli, tmp_path: Path) -> None:
    """Nor what they bring along."""
    shutil.copytree("v", tmp_path / "alone")
    missing = ["umap", "pacmap", "numba", "sklearn", "scipy", "pandas", "matplotlib"]
    done = run_without(missing, COMMAND_LINE, "map", "alone", "--output", "m.png", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "m.png").stat().st_size > 1000


def test_pictures_are_drawn_where_they_are_found(scored_cli: Cli) -> None:
    """Of what was scored, or of a named table; without them the map is drawn all the same, and that is told."""
    code, _, err = scored_cli("map", "v", "--output", "m.svg", "--pictures")
    assert (code, err) == (0, "")
    drawn = Path("m.svg").read_text()
    assert drawn.count("<image") >= 2
    Path("images").rename("moved")
    code, _, err = scored_cli("map", "v", "--output", "n.svg", "--pictures")
    assert code == 0
    assert "no pictures: nothing says which images these are" in err
    assert "<image" not in Path("n.svg").read_text()
    assert scored_cli("map", "v", "--output", "n.svg", "--pictures", "--images", "moved")[0] == 0
    assert Path("n.svg").read_text() == drawn
    for name in Path("moved/c0").iterdir():
        name.write_bytes(b"no picture")
    code, _, err = scored_cli("map", "v", "--output", "n.svg", "--pictures", "--images", "moved")
    assert code == 0
    assert "pictures are not drawn: " in err
    code, _, err = scored_cli("map", "v", "--output", "n.svg", "--images", "moved")
    assert (code, one_line(err)) == (2, "--images: expected --pictures, which shows them, got none")
    code, _, err = scored_cli("map", "v", "--output", "n.svg", "--pictures", "--images", "nowhere")
    assert code == 1
    assert "nowhere" in one_line(err)
