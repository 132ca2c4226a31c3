"""Which members of a tar are images: by the rules of folders, and told by the same counts."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from artifact.errors import DataError
from rows.formats.source import files_fingerprint
from rows.formats.tar import TarSource
from rows.tables import ImageTable, open_table
from tests.shared.row_tables import write_members

JPEG = b"\xff\xd8\xff"
MEMBERS = {
    "a.jpg": JPEG + b"1",
    "b.HEIC": JPEG + b"2" * 20_000,
    "c.heic": b"\0\0\0\x18ftypheic" + bytes(90),
    "d.dng": b"II*\0" + bytes(90),
    "e.jpg_large": JPEG + b"3",
    "e.txt": b"text",
    "f/@eaDir/a.jpg": JPEG,
    "f/@eaDir/b.jpg": JPEG,
    "g\\__MACOSX\\h.jpg": JPEG,
    "x/.hidden/q.jpg": JPEG,
    "._a.jpg": b"x",
    "Thumbs.db": b"x",
    "../up/z.jpg": JPEG + b"4",
    "README": b"x",
    "empty.heic": b"",
    "k.anchor.Heif": b"\x89PNG\r\n\x1a\n",
}
IMAGES = {"a": "1", "b": "2" * 20_000, "e": "3", "../up/z": "4"}
COUNTS = {
    ".heic": 2,
    ".dng": 1,
    "without a suffix": 1,
    "hidden": 2,
    "@eaDir": 1,
    "__MACOSX": 1,
    "Thumbs.db": 1,
}


def read(table: ImageTable) -> dict[str, str]:
    """Id -> what stands in the image behind the mark of a JPEG, of rows that have one."""
    return {
        name: ref.read()[3:].decode()
        for batch in table.batches(3)
        for name, ref in zip(batch.ids, batch.images["image"], strict=True)
        if ref != type(ref)()
    }


@pytest.mark.parametrize("name", ["t.tar", "t.tar.gz", "t.tar.xz"])
def test_pictures_of_other_names_are_images_and_junk_is_none(name: str, tmp_path: Path) -> None:
    """The first bytes decide, and the rest of an archive that is read once is not lost for them."""
    table = open_table(write_members(tmp_path / name, MEMBERS), copy=["txt"])
    assert read(table) == IMAGES
    assert table.passed_over == COUNTS
    assert len(table.notes) == 1
    assert table.notes[0].startswith("passed over: 2 .heic, 1 .dng, ")


def test_plain_archives_tell_before_and_packed_ones_behind_their_rows(tmp_path: Path) -> None:
    """More rows than are looked at for the columns."""
    members = {f"{i:03d}.jpg": JPEG for i in range(150)} | {"x.cr2": b"x", "y.npy": b"y"}
    assert open_table(write_members(tmp_path / "t.tar", members)).passed_over == {".cr2": 1, ".npy": 1}
    packed = open_table(write_members(tmp_path / "t.tgz", members))
    assert packed.passed_over == {}
    assert len(read(packed)) == 150
    assert packed.passed_over == {".cr2": 1, ".npy": 1}


def test_shards_tell_in_one_line(tmp_path: Path) -> None:
    """The counts of all of them together."""
    for number in range(5):
        write_members(tmp_path / f"{number}.tar", {f"{number}.jpg": JPEG, f"{number}.dng": b"x"})
    assert open_table(tmp_path).notes == [
        "passed over: 5 .dng; .dng: pictures of formats that are not read, convert them to JPEG or PNG"
    ]


def test_archive_of_nothing_but_junk_says_so(tmp_path: Path) -> None:
    """And not only that there is no row."""
    with pytest.raises(DataError, match=r"^table: expected rows, got none, but 1 \.dng, 1 @eaDir \(t\.tar\)$"):
        open_table(write_members(tmp_path / "t.tar", {"@eaDir/a.jpg": JPEG, "b.dng": b"x"}))


@pytest.mark.parametrize("name", ["t.tar", "t.tar.gz"])
def test_jobs_of_before_go_on_where_the_rows_are_the_same(name: str, tmp_path: Path) -> None:
    """The fingerprint is the old one, but for archives whose rows are others now."""
    path = write_members(tmp_path / name, {"a.jpg": JPEG, "b.jpg": JPEG, "README": b"x", "._a.jpg": b"x"})
    assert TarSource(path).fingerprint() == files_fingerprint([path])
    for member in ("b.heic", "@eaDir/b.jpg"):
        path = write_members(tmp_path / name, {"a.jpg": JPEG, member: JPEG})
        assert TarSource(path).fingerprint() != files_fingerprint([path])


def test_shards_out_of_order_are_another_job(tmp_path: Path) -> None:
    """As one archive out of order is: a half-done job that did not join its rows would go on at the wrong one."""
    ordered = {"a.cls": b"x", "a.jpg": b"1", "b.cls": b"y", "b.jpg": b"2"}
    apart = {name: ordered[name] for name in ("a.cls", "b.cls", "a.jpg", "b.jpg")}
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    for number, members in enumerate((ordered, ordered)):
        write_members(tmp_path / f"one/{number}.tar", members)
    for number, members in enumerate((ordered, apart)):
        write_members(tmp_path / f"two/{number}.tar", members)
    files = [sorted((tmp_path / name).iterdir()) for name in ("one", "two")]
    found = [open_table(list(each))._source.fingerprint() for each in files]
    assert found[0] == files_fingerprint(files[0])
    assert found[1] != files_fingerprint(files[1])
    single = hashlib.sha256(files_fingerprint(files[1][1:]).encode()).hexdigest()
    assert TarSource(files[1][1]).fingerprint() == single


def test_index_is_made_once_for_a_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening looks at the first rows twice."""
    made: list[Path] = []
    index = TarSource._index
    monkeypatch.setattr(TarSource, "_index", lambda self, *given: (made.append(self.path), index(self, *given))[1])
    members = {f"{i:03d}.{end}": end.encode() for end in ("jpg", "cls") for i in range(250)}
    table = open_table(write_members(tmp_path / "t.tar", members))
    assert sum(map(len, table.batches(100))) == 250
    assert len(made) == 1
