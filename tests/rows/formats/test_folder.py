"""Image folders as tables, and reading the images they name."""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path

import pytest

from artifact.errors import DataError
from artifact.images.image_error import ImageError
from rows.images import ImageRef
from rows.tables import open_table


def fill(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder


def test_folder_rows_are_sorted_paths_with_first_level_labels(tmp_path: Path) -> None:
    """Nested folders, images at the root, capitals; hidden things and other files left out; paths sorted as text."""
    fill(
        tmp_path,
        "b/2.png",
        "b/10.JPG",
        "a-b/x.webp",
        "a/deep/er/z.jpeg",
        "root.png",
        "a/.hidden.png",
        ".cache/c.png",
        "notes.txt",
        "b/Thumbs.db",
    )
    table = open_table(tmp_path)
    assert table.num_rows == 5
    (batch,) = table.batches(100)
    assert batch.copied.to_pydict() == {
        "id": ["a-b/x.webp", "a/deep/er/z.jpeg", "b/10.JPG", "b/2.png", "root.png"],
        "label": ["a-b", "a", "b", "b", ""],
    }
    assert [ref.read().decode() for ref in batch.images["image"]] == batch.ids
    for size in range(1, 7):
        for start in range(7):
            found = [name for part in table.batches(size, start) for name in part.ids]
            assert found == batch.ids[start:]


def test_links_are_followed_but_never_in_a_circle(tmp_path: Path) -> None:
    """A linked file, a linked class folder, a link to the folder itself, and a broken link that stays a row."""
    data = fill(tmp_path / "data", "cat/1.png")
    fill(tmp_path / "other", "2.png")
    (data / "dog").symlink_to(tmp_path / "other")
    (data / "cat" / "up").symlink_to(data)
    (data / "cat" / "linked.png").symlink_to(tmp_path / "other" / "2.png")
    (data / "cat" / "broken.png").symlink_to(tmp_path / "gone.png")
    (batch,) = open_table(data).batches(100)
    assert batch.ids == ["cat/1.png", "cat/broken.png", "cat/linked.png", "dog/2.png"]
    assert [ref.read() for ref in batch.images["image"][2:]] == [b"2.png", b"2.png"]
    with pytest.raises(ImageError) as caught:
        batch.images["image"][1].read()
    assert str(caught.value) == f"no such file: {data / 'cat' / 'broken.png'}"


@pytest.mark.skipif(sys.platform == "darwin", reason="APFS refuses names that are not UTF-8")
def test_names_that_are_not_utf8_are_read(tmp_path: Path) -> None:
    """The id shows the bytes escaped, the image is still found, messages can be printed."""
    folder = tmp_path / "caf\udce9"  # the latin-1 byte 0xE9
    folder.mkdir()
    (folder / "\udcff.png").write_bytes(b"!")
    (batch,) = open_table(tmp_path).batches(10)
    assert batch.copied.to_pydict() == {"id": [r"caf\xe9/\xff.png"], "label": [r"caf\xe9"]}
    assert batch.images["image"][0].read() == b"!"
    (folder / "\udcff.png").unlink()
    with pytest.raises(ImageError) as caught:
        batch.images["image"][0].read()
    assert str(caught.value).encode().endswith(rb"caf\xe9/\xff.png")


def test_fingerprint_follows_every_file(tmp_path: Path) -> None:
    """Another size, another time, another name, one more: each changes it; opening again does not."""
    fill(tmp_path, "a/1.png", "a/2.png")
    seen = {open_table(tmp_path).fingerprint, open_table(tmp_path).fingerprint}
    assert len(seen) == 1
    (tmp_path / "a/1.png").write_bytes(b"longer than before")
    seen.add(open_table(tmp_path).fingerprint)
    os.utime(tmp_path / "a/1.png", ns=(1, 1))
    seen.add(open_table(tmp_path).fingerprint)
    (tmp_path / "a/1.png").rename(tmp_path / "a/3.png")
    seen.add(open_table(tmp_path).fingerprint)
    fill(tmp_path, "b/1.png")
    seen.add(open_table(tmp_path).fingerprint)
    assert len(seen) == 5


def test_folder_without_images_and_with_several_streams_is_refused(tmp_path: Path) -> None:
    """Each in one line."""
    fill(tmp_path, "notes.txt")
    with pytest.raises(DataError) as caught:
        open_table(tmp_path)
    assert str(caught.value) == (
        "image folder: expected files that end in .apng .avif .avifs .bmp .gif .jfif .jpe .jpeg .jpg .mpo .pbm .pgm"
        f" .png .pnm .ppm .tif .tiff .webp, got none; passed over: 1 .txt ({tmp_path})"
    )
    fill(tmp_path, "a.png")
    with pytest.raises(DataError) as caught:
        open_table(tmp_path, streams=("left", "right"))
    assert str(caught.value) == (
        "table of images: expected a table with an image column for each of left, right, got an image folder "
        f"({tmp_path.name})"
    )


def test_reading_says_why_not(tmp_path: Path) -> None:
    """Missing, folder, pipe, too large, forbidden, impossible name: a short reason each, and never a hang."""
    (tmp_path / "folder.png").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "big.png").write_bytes(b"12345")
    reasons = {
        "gone.png": "no such file: {}",
        "folder.png": "a folder, not a file: {}",
        "pipe.png": "a device or pipe, not a file: {}",
        "big.png": "over the limit of 4 bytes; raise it with --max-image-mb: {}",
        "big.png/x": "cannot be read (Not a directory): {}",
    }
    for name, reason in reasons.items():
        with pytest.raises(ImageError) as caught:
            ImageRef(path=tmp_path / name).read(max_bytes=4)
        assert str(caught.value) == reason.format(tmp_path / name)
    with pytest.raises(ImageError, match=r"^not a file name: "):
        ImageRef(path=tmp_path / "nul\0.png").read()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_reading_a_forbidden_file_says_so(tmp_path: Path) -> None:
    """The operating system's own words."""
    (tmp_path / "a.png").write_bytes(b"x")
    (tmp_path / "a.png").chmod(0)
    with pytest.raises(ImageError) as caught:
        ImageRef(path=tmp_path / "a.png").read()
    assert str(caught.value) == f"cannot be read (Permission denied): {tmp_path / 'a.png'}"


def test_refs_are_values(tmp_path: Path) -> None:
    """Equal refs are one member of a set, and refs travel to another process."""
    refs = {ImageRef(path=tmp_path), ImageRef(path=Path(str(tmp_path))), ImageRef(data=b"x"), ImageRef(data=b"x")}
    assert len(refs) == 2
    assert pickle.loads(pickle.dumps(ImageRef(data=b"x"))).read() == b"x"


def test_a_link_in_a_circle_is_a_bad_row(tmp_path: Path) -> None:
    """As any other broken link: the user is told of it in its row, and the other images are read."""
    fill(tmp_path, "a.png")
    (tmp_path / "loop.png").symlink_to("loop.png")
    (tmp_path / "loop").symlink_to("loop")
    [batch] = open_table(tmp_path).batches(10)
    assert batch.ids == ["a.png", "loop.png"]
    with pytest.raises(ImageError, match="Too many levels of symbolic links"):
        batch.images["image"][1].read()
