"""Reasons for files that are not there: what lies beside them, and how it is meant."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from artifact.images.image_error import ImageError
from rows import nearby
from rows.tables import open_table

DECOMPOSED = unicodedata.normalize("NFD", "é.png")


@pytest.fixture(autouse=True)
def fresh_looks() -> Iterator[None]:
    """As at the start of a process."""
    nearby._listed.cache_clear()
    nearby._looks[:] = [0.0, 0.0]
    yield
    nearby._looks[:] = [0.0, 0.0]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    images = ("0001.jpg", "train/0002.png", "IMG_7.JPG", "a b.png", DECOMPOSED, "9.webp")
    for name in ("0001.xml", "a/0002.xml", *images):
        (tmp_path / "n" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "n" / name).write_bytes(b"1")
    return tmp_path / "n"


def reason(folder: Path, cell: str) -> str:
    """Why the image of a cell is not there."""
    table = folder / "t.jsonl"
    table.write_text(pa.table({"image": [cell]}).to_pandas().to_json(orient="records", lines=True))
    (batch,) = open_table(table).batches(9)
    with pytest.raises(ImageError) as caught:
        batch.images["image"][0].read()
    return str(caught.value)


HINTS = {
    "0001": "\"0001.jpg\" is there: --columns image='{COLUMN}.jpg' adds the suffix",
    "img_7": '"IMG_7.JPG" is there: the name is written in another way',
    "img_7.jpg": '"IMG_7.JPG" is there: the name is written in another way',
    "0001.jpeg": '"0001.jpg" is there: the name is written in another way',
    "0002.png": "\"train/0002.png\" is there: --columns image='train/{COLUMN}' builds paths",
    "0002": "\"train/0002.png\" is there: --columns image='train/{COLUMN}.png' builds paths",
    "1": "\"0001.jpg\" is there: --columns image='{COLUMN:04}.jpg' adds zeros and the suffix",
    "2": "\"train/0002.png\" is there: --columns image='train/{COLUMN:04}.png' adds zeros and the suffix",
    "01": "--columns image='{COLUMN:04}.jpg'",
    "1.jpg": '"0001.jpg" is there: its number has more zeros',
    "00001.jpg": '"0001.jpg" is there: its number has fewer zeros',
    "009": '"9.webp" is there: its number has fewer zeros',
    "a%20b.png": "written as in a URL",
    " a b.png": "the cell has spaces around the name",
    "'0001.jpg'": "the cell has quotes around the name",
    "é.png": "Unicode NFC and NFD",
    "train\\0002.png": "write / where Windows writes a backslash",
    "n/0001.jpg": "paths are relative to the table's own folder, without n/",
    "C:\\pics\\a.png": "it is a path of Windows",
    "~/a.png": "~ stands for a folder in a shell only",
    "foo://a/b.png": "foo:// is no protocol that is known here",
    "lost/sub/a.png": "there is no folder ",
}


@pytest.mark.parametrize("cell", HINTS)
def test_reason_names_what_may_have_been_meant(cell: str, folder: Path) -> None:
    """Suffixes, case, folders, and ways to write a name."""
    if (folder / cell).exists():
        pytest.skip("this file system takes both names for one")
    found = reason(folder, cell)
    assert found.startswith("no such file: ")
    assert HINTS[cell] in found


def test_reason_says_no_more_where_nothing_is_near(folder: Path) -> None:
    """A name that is like no other."""
    assert reason(folder, "gone.png") == f"no such file: {folder}/gone.png"


def test_files_that_are_no_images_are_not_named(folder: Path) -> None:
    """As annotations that are called as the images are."""
    (folder / "labels").mkdir()
    for name in ("7.xml", "labels/7.txt", "labels/7.xml"):
        (folder / name).write_bytes(b"1")
    for cell in ("7", "7.jpg", "7.xmlx"):
        assert reason(folder, cell) == f"no such file: {folder}/{cell}"


def test_paths_from_the_working_folder_are_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The most common way to write a table."""
    monkeypatch.chdir(folder.parent)
    assert '"n/train/0002.png" is there in the working folder' in reason(folder, "n/train/0002.png")


def test_only_some_of_many_missing_files_are_looked_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within a minute; a folder is listed once."""
    listed: list[str] = []
    scan = os.scandir

    def counted(path: str) -> object:
        listed.append(path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", counted)
    (folder / "0099.jpg").write_bytes(b"1")
    (folder / "t.csv").write_text("image\n" + "0099\n" * 1000)
    found = []
    for batch in open_table(folder / "t.csv").batches(100):
        for ref in batch.images["image"]:
            with pytest.raises(ImageError) as caught:
                ref.read()
            found.append(str(caught.value))
    assert sum("is there" in text for text in found) == nearby._LOOKS_PER_MINUTE
    assert len(listed) < 10


def test_reasons_and_names_in_them_are_short(folder: Path) -> None:
    """However long what stands in the table is."""
    for cell in ("/".join(["folder"] * 500), "a" * 250 + ".png", "\x00" * 3000):
        assert len(reason(folder, cell)) < 700
