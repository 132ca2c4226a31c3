"""Tar shards in WebDataset's naming: rows by key, spans instead of bytes, and archives that are broken."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import pytest

from artifact.errors import DataError
from artifact.images.image_error import ImageError
from rows.images import ImageRef
from rows.tables import RowBatch, open_table
from tests.shared.row_tables import write_members


def test_members_of_one_key_are_one_row(tmp_path: Path) -> None:
    """Folders belong to the key, case does not matter, hidden files and unknown extensions are passed over."""
    path = write_members(
        tmp_path / "t.tar",
        {
            "a/0.anchor.JPG": b"A0",
            "a/0.positive.png": b"P0",
            "a/0.negative.webp": b"N0",
            "a/0.json": b'{"x": 1}',
            "a/0.cls": b"7\n",
            "a/._0.anchor.jpg": b"resource fork",
            "README": b"no extension",
            "a/0.mp4": b"film",
            "a/1.cls": b"8",
            "a/1.negative.png": b"N1",
            "a/1.anchor.png": b"A1",
        },
    )
    table = open_table(path, streams=("anchor", "positive", "negative"), copy=["json"])
    (batch,) = table.batches(9)
    assert batch.copied.to_pydict() == {"id": ["a/0", "a/1"], "label": ["7", "8"], "json": ['{"x": 1}', None]}
    refs = batch.images
    assert [refs["anchor"][0].read(), refs["positive"][0].read(), refs["negative"][0].read()] == [b"A0", b"P0", b"N0"]
    assert (refs["anchor"][1].read(), refs["negative"][1].read()) == (b"A1", b"N1")
    with pytest.raises(ImageError, match="cell is empty"):
        refs["positive"][1].read()


def test_plain_tar_gives_spans_and_compressed_ones_bytes(tmp_path: Path) -> None:
    """A span is compared with tarfile's own reading; it refuses what is too large or has been cut off since."""
    members = {f"{i}.png": bytes([i]) * (i * 700 + 1) for i in range(5)}
    (batch,) = open_table(write_members(tmp_path / "t.tar", members)).batches(9)
    with tarfile.open(tmp_path / "t.tar") as tar:
        expected = [tar.extractfile(name).read() for name in members]  # type: ignore[union-attr]
    assert [ref.read() for ref in batch.images["image"]] == expected == list(members.values())
    assert all(ref.data is None and ref.path == tmp_path / "t.tar" for ref in batch.images["image"])
    assert len(set(batch.images["image"])) == 5
    with pytest.raises(
        ImageError, match=r"^2801 bytes, over the limit of 9 bytes; raise it with --max-image-mb: .*t\.tar, byte \d+$"
    ):
        batch.images["image"][4].read(max_bytes=9)
    (tmp_path / "t.tar").write_bytes((tmp_path / "t.tar").read_bytes()[:8000])
    with pytest.raises(ImageError, match="cut short"):
        batch.images["image"][4].read()
    (batch,) = open_table(write_members(tmp_path / "t.tgz", members)).batches(9)
    assert batch.images["image"] == [ImageRef(data=data) for data in members.values()]


@pytest.mark.parametrize("name", ["t.tar", "t.tar.gz"])
def test_rows_before_the_break_are_given(name: str, tmp_path: Path) -> None:
    """Cut off in the middle: the rows that are whole come first, then one line."""
    path = write_members(tmp_path / name, {f"{i:03d}.png": bytes(range(256)) * 40 for i in range(50)})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    found: list[RowBatch] = []
    with pytest.raises(DataError) as caught:
        found.extend(open_table(path).batches(1))
    assert str(caught.value).startswith("table: expected a tar that can be read to its end, got ")
    assert str(caught.value).endswith(f"({name}); fetch or pack it again")
    ids = [batch.ids[0] for batch in found]
    assert len(ids) > 10
    assert ids == [f"{i:03d}" for i in range(len(ids))]
    assert all(batch.images["image"][0].read() == bytes(range(256)) * 40 for batch in found)


def test_damaged_header_is_not_the_end(tmp_path: Path) -> None:
    """Where tarfile itself would stop without a word."""
    path = write_members(tmp_path / "t.tar", {f"{i}.png": b"x" for i in range(4)})
    data = bytearray(path.read_bytes())
    data[2 * 1024 : 2 * 1024 + 5] = b"wrong"
    path.write_bytes(data)
    with tarfile.open(path) as tar:
        assert len(tar.getnames()) == 2
    with pytest.raises(DataError, match="bad checksum at byte 2048"):
        list(open_table(path).batches(9))
    path.write_bytes(b"no tar at all" * 100)
    with pytest.raises(DataError, match=r"^table: expected a tar that can be read to its end, got "):
        open_table(path)


@pytest.mark.parametrize("name", ["t.tar", "t.tar.gz"])
@pytest.mark.parametrize(("num_bytes", "fault"), [(2048, "no end of the archive"), (2048 + 99, "truncated header")])
def test_a_tar_cut_off_at_a_header_is_not_its_end(name: str, num_bytes: int, fault: str, tmp_path: Path) -> None:
    """Where tarfile itself would stop without a word, too; the whole rows before it are given."""
    plain = write_members(tmp_path / "whole.tar", {f"{i}.png": b"x" for i in range(4)}).read_bytes()[:num_bytes]
    path = tmp_path / name
    path.write_bytes(gzip.compress(plain) if name.endswith(".gz") else plain)
    with tarfile.open(path) as tar:
        assert len(tar.getnames()) == 2
    found: list[RowBatch] = []
    with pytest.raises(DataError, match=f"{fault} at byte 2048"):
        found.extend(open_table(path).batches(1))
    assert [batch.ids for batch in found][:1] == [["0"]]


def test_one_block_of_zeros_is_an_end(tmp_path: Path) -> None:
    """The second, and the padding of tar programs, are not needed."""
    path = write_members(tmp_path / "t.tar", {"0.png": b"x", "1.png": b"y"})
    path.write_bytes(path.read_bytes()[: 2 * 1024 + 512])
    (batch,) = open_table(path).batches(9)
    assert batch.ids == ["0", "1"]


def test_names_that_are_not_utf8_and_links(tmp_path: Path) -> None:
    """The bytes show in the id; a link is the member that it means, and one that means none is a bad row."""
    path = tmp_path / "t.tar"
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT, encoding="latin-1") as tar:
        member = tarfile.TarInfo("caf\xe9.png")
        member.size = 2
        tar.addfile(member, io.BytesIO(b"ok"))
        link = tarfile.TarInfo("link.png")
        link.type, link.linkname = tarfile.SYMTYPE, "caf\xe9.png"
        tar.addfile(link)
        link.name, link.linkname = "lost.png", "gone.png"
        tar.addfile(link)
    (batch,) = open_table(path).batches(9)
    assert batch.ids == [r"caf\xe9", "link", "lost"]
    assert [ref.read() for ref in batch.images["image"][:2]] == [b"ok", b"ok"]
    with pytest.raises(ImageError, match=r"^no image: a link to what is not there: gone\.png$"):
        batch.images["image"][2].read()


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ({"a.jpg": b"1", "a.png": b"2"}, 'row "a": expected one image, got another, a.png (t.tar)'),
        ({"README": b"1"}, "table: expected rows, got none, but 1 without a suffix (t.tar)"),
        ({}, "table: expected rows, got none (t.tar)"),
        (
            {"a.jpg": b"1", "a.label.jpg": b"1", "a.cls": b"2", "a.depth.png": b"3"},
            'image column "image2": expected one of id, image, label.jpg, label, depth, got no such column, the '
            'nearest is "image" (t.tar); name the right column with --columns image=...',
        ),
    ],
)
def test_tars_without_the_rows_are_one_line(members: dict[str, bytes], text: str, tmp_path: Path) -> None:
    """Two images of one row, no members, and a column that is not there among those that are."""
    columns = {"image": "image2"} if len(members) == 4 else {}
    with pytest.raises(DataError) as caught:
        open_table(write_members(tmp_path / "t.tar", members), columns=columns)
    assert str(caught.value) == text


def test_images_of_a_compressed_tar_have_the_callers_limit(tmp_path: Path) -> None:
    """What travels as bytes is read up to the limit that is asked for, and one byte more, which is refused."""
    members = {"a.png": bytes(3000), "b.png": bytes(50_000)}
    for names in ("t.tar.gz", "t.tar.xz"):
        table = open_table(write_members(tmp_path / names, members))
        table.allow_images(20_000)
        (batch,) = table.batches(9)
        assert [len(ref.read()) for ref in batch.images["image"]] == [3000, 20_001]
        table.allow_images(60_000)
        (batch,) = table.batches(9)
        assert [len(ref.read()) for ref in batch.images["image"]] == [3000, 50_000]
    table = open_table([write_members(tmp_path / f"{number}.tar.gz", {f"{number}.png": bytes(50)}) for number in "ab"])
    table.allow_images(9)
    assert [len(ref.read()) for batch in table.batches(9) for ref in batch.images["image"]] == [10, 10]


def test_limit_reaches_a_tar_behind_other_tables(tmp_path: Path) -> None:
    """Through paths that are built of its cells, and through several files."""
    columns = {"image": "{id}.png", "other": "image"}
    files = [write_members(tmp_path / f"{name}.tar.gz", {f"{name}.png": bytes(50)}) for name in "ab"]
    for place, sizes in ((files[0], [10]), (files, [10, 10])):
        table = open_table(place, streams=("image", "other"), columns=columns)
        table.allow_images(9)
        assert [len(ref.read()) for batch in table.batches(9) for ref in batch.images["other"]] == sizes


def test_long_texts_are_whole_or_refused(tmp_path: Path) -> None:
    """A text of more than a megabyte is not cut off in silence; one beyond the limit names the option."""
    long = "\u00fc" * 700_000
    path = write_members(tmp_path / "t.tar", {"a.png": b"x", "a.json": long.encode(), "b.png": b"y", "b.json": b"{}"})
    table = open_table(path, copy=["json"])
    assert [text for batch in table.batches(9) for text in batch.copied["json"].to_pylist()] == [long, "{}"]
    table.allow_images(2**20)
    with pytest.raises(DataError) as caught:
        list(table.batches(9))
    assert str(caught.value) == (
        'row "a": expected json of at most 1 MB, got 1.3 MB (t.tar); raise it with --max-image-mb'
    )
