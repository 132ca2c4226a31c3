"""The one walk through folders: what is passed over and told, and what does not end it."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from PIL import Image
from upath import UPath

from artifact.errors import DataError
from rows.formats.folder import list_images
from rows.formats.passed_over import HIDDEN, REPEATED, UNLISTED, passed_over_facts, passed_over_line
from rows.formats.walk import JUNK, MAX_WAYS
from rows.location import Location
from rows.tables import open_table

HEADS = {
    "heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
    "cr2": b"II*\0\x10\0\0\0CR\x02\0",
    "nef": b"MM\0*\0\0\0\x08",
    "jxl": b"\xff\x0a\xfa\x7f",
    "jp2": b"\0\0\0\x0cjP  \r\n\x87\n",
    "psd": b"8BPS\0\x01",
    "svg": b"<svg xmlns=",
}
"""How files of formats that are not read begin."""


def encoded(form: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.arange(300, dtype=np.uint8).reshape(10, 10, 3)).save(buffer, form)
    return buffer.getvalue()


def fill(folder: Any, **contents: bytes) -> None:
    """Write files; a name is the key with / for __ and . for its first _."""
    for key, content in contents.items():
        path = folder / key.replace("__", "/").replace("_", ".", 1)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


@pytest.fixture(params=["here", "remote"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Location]:
    """An empty folder on the disk, or in fsspec's memory."""
    if request.param == "here":
        yield tmp_path
        return
    store = fsspec.filesystem("memory")
    store.makedirs("/walk", exist_ok=True)
    yield UPath("memory://walk")
    store.rm("/walk", recursive=True)


@pytest.mark.parametrize("suffix", ["HEIC", "heif", "dng", "jxl", "jp2", "psd", "ico", "tga", "pjpeg", "jpg_large"])
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF"])
def test_renamed_images_are_read(folder: Location, suffix: str, form: str) -> None:
    """A picture's suffix is looked behind, in any case: phones and chat programs rename."""
    fill(folder, cat__a_jpg=encoded("JPEG"), **{f"cat__b_{suffix}": encoded(form)})
    [batch] = open_table(folder).batches(10)
    assert batch.ids == ["cat/a.jpg", f"cat/b.{suffix}"]
    assert batch.images["image"][1].read() == encoded(form)
    assert list_images(folder).passed_over == {}


@pytest.mark.parametrize("suffix", HEADS)
def test_pictures_that_are_not_read_are_told_by_suffix(folder: Location, suffix: str) -> None:
    """Real HEIC, raws (which begin as TIFF does) and drawings: counted, with what to do."""
    fill(
        folder, cat__a_jpg=encoded("JPEG"), cat__notes_txt=b"x", **{f"cat__b{i}_{suffix}": HEADS[suffix] for i in "01"}
    )
    table = open_table(folder)
    assert table.num_rows == 1
    assert table.passed_over == {f".{suffix}": 2, ".txt": 1}
    assert table.notes == [
        f"passed over: 2 .{suffix}, 1 .txt; .{suffix}: pictures of formats that are not read, convert them to JPEG or"
        " PNG"
    ]


def test_passed_over_files_are_told_where_paths_are_built(folder: Location) -> None:
    """The column that a template makes hides none of what the folder tells."""
    fill(folder, cat__a_jpg=encoded("JPEG"), cat__notes_txt=b"x")
    table = open_table(folder, columns={"image": "{id}"})
    assert table.passed_over == open_table(folder).passed_over == {".txt": 1}
    assert table.notes == open_table(folder).notes == ["passed over: 1 .txt"]


def test_junk_of_systems_is_passed_over_like_hidden_files(folder: Location) -> None:
    """Synology, QNAP, macOS, Windows, Linux; in any case, at any depth, a folder counted once."""
    fill(folder, cat__a_jpg=encoded("JPEG"))
    for place in ("", "cat/"):
        for name in JUNK.values():
            if "." in name and not name.startswith("$"):
                fill(folder / place if place else folder, **{name.replace(".", "_"): b"x"})
            else:
                for inner in ("t.jpg", "deep/u.jpg"):
                    path = folder / f"{place}{name}/{inner}"
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(encoded("JPEG"))
    (folder / "cat" / "._a.jpg").write_bytes(b"fork")
    (folder / "@EADIR").mkdir()
    (folder / "@EADIR" / "a.jpg").write_bytes(b"x")
    images = list_images(folder)
    assert list(images.names) == ["cat/a.jpg"]
    counts = dict.fromkeys(JUNK.values(), 2) | {HIDDEN: 1}
    assert images.passed_over == counts | {"@eaDir": 3}


def test_class_folders_that_sound_like_junk_are_classes(folder: Location) -> None:
    """Only whole names count, and no word that somebody may sort by."""
    names = ["trash", "recycle", "thumbs", "desktop", "lost", "@user", "#tag", "System"]
    for name in names:
        path = folder / name / "a.jpg"
        path.parent.mkdir(parents=True)
        path.write_bytes(encoded("JPEG"))
    assert sorted(name.split("/")[0] for name in list_images(folder).names) == sorted(names)


def test_other_names_are_told(folder: Location) -> None:
    """Unfinished downloads, no suffix, and what follows a dot but is no suffix; a real image among them or not."""
    for name in ("a.jpg.part", "b.JPG.crdownload", "Dr. Who", "noext", "x.jpg?w=400", "c.tar.gz", "v.mp4"):
        (folder / name).write_bytes(encoded("JPEG"))
    (folder / "a.jpg").write_bytes(encoded("JPEG"))
    assert open_table(folder).passed_over == {
        "without a suffix": 3,
        ".crdownload": 1,
        ".gz": 1,
        ".mp4": 1,
        ".part": 1,
    }


def test_folders_that_cannot_be_listed_do_not_end_a_walk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forbidden, vanished meanwhile, a disk that fails: told with their names; the named folder itself is an error."""
    fill(tmp_path, cat__a_jpg=b"x", dog__b_jpg=b"x", eel__deep__c_jpg=b"x", fox__d_jpg=b"x")
    failing = {
        "dog": PermissionError(13, "Permission denied"),
        "deep": FileNotFoundError(2, "No such file or directory"),
    }
    failing["fox"] = OSError(5, "Input/output error")
    scandir = os.scandir

    def fail(path: Any) -> Any:
        if Path(path).name in failing:
            raise failing[Path(path).name]
        return scandir(path)

    monkeypatch.setattr(os, "scandir", fail)
    table = open_table(tmp_path)
    assert (table.num_rows, table.passed_over) == (1, {UNLISTED: 3})
    reasons = ["dog (Permission denied)", "eel/deep (No such file or directory)", "fox (Input/output error)"]
    [note] = table.notes
    assert note.startswith("passed over: 3 folders that cannot be listed; cannot be listed: ")
    assert sorted(note.partition("listed: ")[2].split(", ")) == reasons
    assert {name: dict(counts) for name, counts in list_images(tmp_path).by_folder.items()} == {
        "cat": {},
        "dog": {UNLISTED: 1},
        "eel": {UNLISTED: 1},
        "fox": {UNLISTED: 1},
    }
    failing[tmp_path.name] = PermissionError(13, "Permission denied")
    with pytest.raises(DataError, match=r"^folder: expected one that can be listed, got Permission denied \("):
        open_table(tmp_path)
    with pytest.raises(DataError, match=r"^image folder: expected a folder that can be listed, got Permission denied"):
        list_images(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list everything")
def test_a_forbidden_folder_is_told(tmp_path: Path) -> None:
    """The operating system's own refusal."""
    fill(tmp_path, cat__a_jpg=b"x", dog__b_jpg=b"x")
    (tmp_path / "dog").chmod(0)
    try:
        assert open_table(tmp_path).passed_over == {UNLISTED: 1}
    finally:
        (tmp_path / "dog").chmod(0o700)


def test_deep_folders_are_walked(tmp_path: Path) -> None:
    """Deeper than Python calls itself."""
    place = os.getcwd()
    try:
        os.chdir(tmp_path)
        for _ in range(1200):
            os.mkdir("d")
            os.chdir("d")
        Path("a.jpg").write_bytes(b"x")
        os.chdir(tmp_path)
        [name] = list_images(tmp_path).names
        assert name == "d/" * 1200 + "a.jpg"
    finally:  # pytest cannot remove it
        os.chdir(tmp_path)
        while os.path.isdir("d"):
            os.chdir("d")
        Path("a.jpg").unlink()
        while os.getcwd() != str(tmp_path):
            os.chdir("..")
            os.rmdir("d")
        os.chdir(place)


def test_folders_that_are_all_linked_from_each_other_end(tmp_path: Path) -> None:
    """Nine of them have a million ways; the short ones are walked, and the others told."""
    for name in "abcdefghi":
        fill(tmp_path, **{f"{name}__x_jpg": b"x"})
        for other in "abcdefghi".replace(name, ""):
            (tmp_path / name / f"to_{other}").symlink_to(f"../{other}")
    images = list_images(tmp_path)
    linked = [sum(each.endswith(f"/to_{name}/x.jpg") for each in images.names) for name in "abcdefghi"]
    assert linked == [MAX_WAYS] * 9
    assert {f"{name}/to_{other}/x.jpg" for name in "ab" for other in "cde"} < set(images.names)
    assert images.passed_over[REPEATED] > 0
    assert "links to folders that are linked too often" in images.notes[0]


@pytest.mark.skipif(sys.platform == "darwin", reason="APFS refuses names that are not UTF-8")
def test_names_that_are_not_utf8_can_be_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As suffixes, and as folders that cannot be listed."""
    for name in ("a.\udcff\udcfe", "caf\udce9/b.jpg", "c.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    scandir = os.scandir

    def fail(path: Any) -> Any:
        if "\udce9" in str(path):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", fail)
    [note] = open_table(tmp_path).notes
    assert note.encode() == (
        rb"passed over: 1 folder that cannot be listed, 1 without a suffix; "
        rb"cannot be listed: caf\xe9 (Permission denied)"
    )


def test_pipes_called_as_pictures_do_not_hang_a_walk(tmp_path: Path) -> None:
    """They cannot be looked into."""
    fill(tmp_path, a_jpg=b"x")
    os.mkfifo(tmp_path / "pipe.heic")
    (tmp_path / "broken.heic").symlink_to("nowhere")
    assert open_table(tmp_path).passed_over == {".heic": 2}


def test_line_is_short_however_much_there_is() -> None:
    """Pictures first, then the most; a thousand suffixes are a number."""
    assert passed_over_line({}) is None
    counts = {f".x{number}": 1 for number in range(1000)} | {".dng": 1, ".txt": 5000, HIDDEN: 3, "@eaDir": 2}
    line = str(passed_over_line(counts))
    assert line.startswith("passed over: 1 .dng, 5,000 .txt, 1 .x0, 1 .x1, ")
    assert ", 995 of other kinds; .dng: pictures" in line
    assert sum(passed_over_facts(counts).values()) == 6006


def test_folder_without_images_says_what_it_holds(folder: Location) -> None:
    """The first question of whoever has a thousand HEIC photographs."""
    fill(folder, a_heic=HEADS["heic"], b_heic=HEADS["heic"], c_txt=b"")
    with pytest.raises(DataError, match=r", got none; passed over: 2 \.heic, 1 \.txt \("):
        open_table(folder)


def test_folder_of_tables_may_hold_junk(tmp_path: Path) -> None:
    """As it may hold hidden folders."""
    for name in ("@eaDir", "lost+found"):
        (tmp_path / name).mkdir()
    (tmp_path / "t.csv").write_text("image\na.png\n")
    assert open_table(tmp_path).num_rows is None
