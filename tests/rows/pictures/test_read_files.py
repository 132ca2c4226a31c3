"""Files that a table of images is read from, or would be read from once they are there."""

from __future__ import annotations

from pathlib import Path

import pytest

from rows.pictures.read_files import is_read


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table, a folder of parts, a folder of images with a folder in it, and links to each."""
    monkeypatch.chdir(tmp_path)
    for name in ("t.csv", "parts/0.parquet", "parts/1.parquet", "images/a/1.png", "images/notes.txt"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("x")
    Path("link.csv").symlink_to("t.csv")
    Path("pictures").symlink_to("images")


@pytest.mark.parametrize(
    ("file", "images"),
    [
        ("t.csv", "t.csv"),
        ("./parts/../t.csv", "t.csv"),
        ("link.csv", "t.csv"),
        ("t.csv", "link.csv"),
        ("t.csv", "*.csv"),
        ("parts/1.parquet", "parts/{0..1}.parquet"),
        ("parts/0.parquet", "parts"),
        ("parts/new.parquet", "parts"),
        ("images/a/1.png", "images"),
        ("images/new.png", "images"),
        ("pictures/a/new.PNG", "images"),
        ("images/a/1.png", "pictures"),
    ],
)
def test_what_is_read_is_found_by_every_name(file: str, images: str) -> None:
    """Links, patterns and folders; a new file of a folder is read the next time."""
    assert is_read(Path(file), images)


@pytest.mark.parametrize(
    ("file", "images"),
    [
        ("u.csv", "t.csv"),
        ("new.csv", "*.csv"),
        ("parts/list.txt", "parts"),
        ("parts/deep/new.parquet", "parts"),
        ("parts/page.html", "parts"),
        ("images/notes.txt", "images"),
        ("images/a/duplicates.parquet", "images"),
        ("images", "images"),
        ("t.csv", "nothing.csv"),
        ("t.csv", "nothing*.csv"),
        ("t.csv", "https://example.org/t.csv"),
        ("t.csv", "s3://bucket/t.csv"),
    ],
)
def test_other_files_are_not_read(file: str, images: str) -> None:
    """What a folder passes over, what is not there, and what is elsewhere."""
    assert not is_read(Path(file), images)
