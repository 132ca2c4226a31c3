"""Pages of search and compare that take the thumbnails which the jobs left."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from analysis.search.index import Index
from tests.shared.command_line import Cli
from tests.shared.scored_folder import MODEL


def pictures(page: str) -> list[str]:
    """Every picture of a page, as its address."""
    return re.findall(r'src="(data:image/[^"]+)"', page)


@pytest.mark.parametrize(("px", "is_gone"), [(16, True), (128, True), (128, False)])
@pytest.mark.parametrize("is_table", [False, True])
def test_pictures_are_the_thumbnails_of_the_jobs(px: int, is_gone: bool, is_table: bool, scored_cli: Cli) -> None:
    """Search, also of an index that grew, and compare: where the images are gone, and where they are large enough."""
    first, second = ["images/c0", "images/c1"]
    if is_table:
        for number, folder in enumerate([first, second]):
            files = sorted(map(str, Path(folder).iterdir()))
            parquet.write_table(pa.table({"id": [f"{number}{each}" for each in files], "image": files}), f"{number}.pq")
        first, second = "0.pq", "1.pq"
    for number, images in enumerate(["images" if not is_table else first, second]):
        assert scored_cli("score", images, *MODEL, "--output", f"w{number}", "--thumbnails", px)[0] == 0
    assert scored_cli("index", "w0", "--output", "j")[0] == 0
    count = Index.open("j").num_rows
    if is_gone:
        shutil.move("images", "moved")
    else:
        for file in Path("images").rglob("*.png"):
            file.write_bytes(b"never read")
    code, _, err = scored_cli("search", "j", "w0", "-k", 2, "--gallery", "g.html")
    assert (code, err) == (0, "g.html shows the pictures\n")
    assert len(pictures(Path("g.html").read_text())) == count * 3
    code, _, err = scored_cli("compare", "w0", "w1", "--page", "c.html")
    assert (code, "no picture" in err) == (0, False), err
    page = Path("c.html").read_text()
    assert "data:image/" in page
    assert 'class="missing"' not in page


def test_an_index_that_grew_takes_the_thumbnails_of_every_job(scored_cli: Cli) -> None:
    """Two jobs over one folder, which is moved away; another job of the same folder is asked with."""
    for name, pattern in (("w0", "c0/*"), ("w1", "c1/*"), ("w2", "*/*")):
        assert scored_cli("score", "images", *MODEL, "--output", name, "--thumbnails", 64)[0] == 0
        part = Path(name) / "part-00000.parquet"
        table = parquet.read_table(part)
        kept = [Path(each).match(pattern) for each in table["id"].to_pylist()]
        parquet.write_table(table.filter(pa.array(kept)), part)
        small = Path(name) / "thumbnails-00000.parquet"
        parquet.write_table(parquet.read_table(small).filter(pa.array(kept)), small)
    assert scored_cli("index", "w0", "--output", "j")[0] == 0
    assert scored_cli("index", "w1", "--output", "j", "--add")[0] == 0
    shutil.move("images", "moved")
    assert scored_cli("search", "j", "w2", "-k", 9, "--gallery", "g.html")[2] == "g.html shows the pictures\n"
    assert len(pictures(Path("g.html").read_text())) == 9 * 10
    shutil.rmtree("w0")
    code, _, err = scored_cli("search", "j", "w1", "-k", 9, "--gallery", "g.html")
    assert (code, err.startswith("no pictures: table of images: expected a file or a folder")) == (0, True), err
