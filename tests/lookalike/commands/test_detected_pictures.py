"""Pages of search and compare over tables of detections: the part of its picture that each row is."""

from __future__ import annotations

import base64
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pyarrow import parquet

from analysis.search.index import Index
from artifact.images.decoding import decode_image
from tests.shared.command_line import Cli
from tests.shared.spot_detector import CELL, several
from tests.shared.spot_models import MODEL, NUM_PICTURES, publish_spots, write_pictures


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`models` and `pictures`, and a table of the pictures `pictures.csv`."""
    folder = tmp_path_factory.mktemp("detected pictures")
    publish_spots(folder)
    write_pictures(folder / "pictures")
    lines = [f"n{number},pictures/{number}.png\n" for number in range(NUM_PICTURES)]
    (folder / "pictures.csv").write_text("id,image\n" + "".join(lines))
    return folder


@pytest.fixture
def scored(folder: Path, cli: Cli, request: pytest.FixtureRequest) -> Cli:
    """The command line in a folder with the vectors of the pictures, from their folder or the table."""
    for each in folder.iterdir():
        (shutil.copytree if each.is_dir() else shutil.copy)(each, Path(each.name))
    source = getattr(request, "param", "pictures")
    assert cli("score", source, "--model", MODEL, "--repository", "models", "--output", "vectors")[0] in (0, 3)
    return cli


def colours(page: Path) -> list[tuple[int, ...]]:
    """The one colour of each picture of a page, which has to be a whole cell."""
    found = []
    for data in re.findall(r'src="data:image/[a-z]+;base64,([^"]+)"', page.read_text()):
        pixels = decode_image(base64.b64decode(data))
        assert pixels.shape == (CELL, CELL, 3)
        assert (pixels == pixels[0, 0]).all()
        found.append(tuple(pixels[0, 0].tolist()))
    return found


@pytest.mark.parametrize("scored", ["pictures", "pictures.csv"], indirect=True)
def test_a_gallery_shows_the_objects_that_were_found(scored: Cli) -> None:
    """Queries are vectors, a row of the index, and a mean of both; found rows are shown as their spot, and no more."""
    assert scored("index", "vectors", "--output", "j")[0] == 0
    vectors = np.array(parquet.read_table("vectors/part-00000.parquet")["embedding"].to_pylist())
    of_rows = [tuple(each) for each in np.round(vectors * 255).astype(int).tolist()]
    code, _, err = scored("search", "j", "vectors", "-k", 2, "--gallery", "g.html")
    assert (code, err) == (0, "g.html shows the pictures\n")
    shown = colours(Path("g.html"))
    assert len(shown) == 3 * len(of_rows)
    assert shown[::3] == of_rows  # each query is itself
    first = str(Index.open("j").rows["id"][0].as_py())
    for more, count in (((), 1), (("vectors",), 1 + len(of_rows))):
        code, _, err = scored("search", "j", f"id:{first}", *more, "-k", 1, "--gallery", "g.html")
        assert (code, err) == (0, "g.html shows the pictures\n")
        assert len(colours(Path("g.html"))) == min(count, 24) + 1


def test_an_index_that_grew_shows_them_too(scored: Cli) -> None:
    """New rows have their boxes beside those that were there."""
    table = parquet.read_table("vectors/part-00000.parquet")
    shutil.copytree("vectors", "others")
    parquet.write_table(table.slice(0, 5), "vectors/part-00000.parquet")
    parquet.write_table(table.slice(5), "others/part-00000.parquet")
    assert scored("index", "vectors", "--output", "j")[0] == 0
    assert scored("index", "others", "--output", "j", "--add")[0] == 0
    assert scored("search", "j", "others", "-k", len(table), "--gallery", "g.html")[0] == 0
    assert len(colours(Path("g.html"))) == (len(table) - 5) * (1 + len(table))


def test_a_gallery_without_the_columns_has_no_pictures(scored: Cli) -> None:
    """Who copies other columns alone is told; the search goes on."""
    assert scored("index", "vectors", "--output", "j", "--copy", "score")[0] == 0
    first = str(Index.open("j").rows["id"][0].as_py())
    code, _, err = scored("search", "j", f"id:{first}", "-k", 2, "--gallery", "g.html")
    assert code == 0
    assert "2 of 2 ids have no picture in" in err
    assert scored("index", "vectors", "--output", "j", "--copy", "image,box")[0] == 0
    code, _, err = scored("search", "j", f"id:{first}", "-k", 2, "--gallery", "g.html")
    assert (code, err) == (0, "g.html shows the pictures\n")


def test_compare_shows_the_objects_of_both_sets(scored: Cli) -> None:
    """Those that are most unlike the other set, each as its spot."""
    Path("more").mkdir()
    for number, pixels in enumerate(several(7, seed=40)):
        Image.fromarray(pixels).save(f"more/{number}.png")
    assert scored("score", "more", "--model", MODEL, "--repository", "models", "--output", "others")[0] == 0
    code, _, err = scored("compare", "vectors", "others", "--page", "c.html")
    assert (code, "no picture" in err) == (0, False), err
    assert len(colours(Path("c.html"))) > 4
    assert 'class="missing"' not in Path("c.html").read_text()


def test_an_explorer_takes_no_detector_for_pictures_that_are_dropped(scored: Cli) -> None:
    """It gives no vector of a picture: said before the map is laid out, and not of every picture."""
    code, _, err = scored("explore", "vectors", "--serve", "--model", MODEL, "--repository", "models")
    expected = "--model: expected a branch artifact, of one image, or one of attributes, got mode detections"
    assert (code, expected in err) == (2, True), err
