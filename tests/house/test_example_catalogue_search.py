"""examples/catalogue_search: as it stands, in a process of its own, from a folder of pictures to a page."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.shared.places import ROOT
from tests.shared.shapes_run import SHAPES, write_shapes

SCRIPT = ROOT / "examples" / "catalogue_search" / "catalogue_search.py"


def _run(*words: object, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *map(str, words)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=120, cwd=folder, env=environment
    )


@pytest.mark.slow
def test_a_folder_of_pictures_becomes_a_page_of_the_nearest(tmp_path: Path) -> None:
    """Each command can be pasted; every query is on the page beside pictures of the catalogue; one is left out."""
    write_shapes(tmp_path / "catalogue", per_class=8)
    (tmp_path / "catalogue" / SHAPES[0] / "broken.png").write_bytes(b"no picture")
    queries = write_shapes(tmp_path / "queries", per_class=1, seed=5)
    done = _run("catalogue", "queries", "found", "--count", "64", "--length", "--epochs 1", folder=tmp_path)
    assert done.returncode == 3, done.stderr
    *commands, page = done.stdout.splitlines()
    assert [command.split()[1] for command in commands] == ["triplets", "train", "score", "index", "search"]
    html = (tmp_path / page).read_text(encoding="utf-8")
    assert len(re.findall(r"<img ", html)) == len(SHAPES) * 6
    for path in queries.rglob("*.png"):
        assert path.relative_to(queries).as_posix() in html
    (part,) = (tmp_path / "found" / "vectors").glob("part-*.parquet")
    assert pq.read_table(part).num_rows == 8 * len(SHAPES)


def test_a_folder_that_is_not_there_ends_with_its_command(tmp_path: Path) -> None:
    """Nothing is run after it."""
    done = _run("nothing", "queries", "found", folder=tmp_path)
    assert done.returncode != 0
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr.startswith("lookalike: ")
