"""Tars whose members lie apart, as `tar cf` without --sort=name packs them: joined where headers can be read first."""

from __future__ import annotations

import gzip
import random
import tarfile
from pathlib import Path
from typing import Any

import pytest

from artifact.errors import DataError
from artifact.images.image_error import ImageError
from rows.formats import tar_keys
from rows.images import ImageRef
from rows.tables import open_table
from tests.shared.row_tables import write_members

MEMBERS = {
    f"{folder}/{i:02d}.{end}": f"{end}{i % 3}".encode()
    for folder in "ab"
    for i in range(7)
    for end in ("cls", "jpg", "txt")
}


def shuffled(seed: int) -> dict[str, bytes]:
    names = sorted(MEMBERS)
    random.Random(seed).shuffle(names)
    return {name: MEMBERS[name] for name in names}


def read(path: Path, start: int = 0) -> list[tuple[Any, ...]]:
    found = []
    for batch in open_table(path, copy=["txt"]).batches(4, start):
        columns = [batch.copied[name].to_pylist() for name in ("label", "txt")]
        found += list(zip(batch.ids, *columns, [bytes_of(ref) for ref in batch.images["image"]], strict=True))
    return found


def bytes_of(ref: ImageRef) -> bytes | str:
    try:
        return ref.read()
    except ImageError as error:
        return str(error)


def expected(members: dict[str, bytes]) -> list[tuple[Any, ...]]:
    """Rows in the order of the first member of each, by a plain loop."""
    keys = dict.fromkeys(name.partition(".")[0] for name in members)
    return [
        (key, members[f"{key}.cls"].decode(), members[f"{key}.txt"].decode(), members[f"{key}.jpg"]) for key in keys
    ]


@pytest.mark.parametrize("seed", range(3))
def test_members_apart_are_joined_from_every_row(seed: int, tmp_path: Path) -> None:
    """A row stands where its first member does; a job that goes on reads the rest of them."""
    path = write_members(tmp_path / "t.tar", shuffled(seed))
    rows = expected(shuffled(seed))
    for start in (0, 1, 5, 13, 14):
        assert read(path, start) == rows[start:]
    (tmp_path / "shards").mkdir()
    write_members(tmp_path / "shards/0.tar", dict(sorted(MEMBERS.items())))
    write_members(tmp_path / "shards/1.tar", shuffled(seed))
    assert read(tmp_path / "shards") == expected(dict(sorted(MEMBERS.items()))) + rows


def test_archives_by_kind_of_member_have_all_columns(tmp_path: Path) -> None:
    """All images first and all labels behind them, more than are looked at for the columns."""
    names = [f"{i:03d}.{end}" for end in ("jpg", "cls", "txt") for i in range(150)]
    members = {name: name.encode() for name in names}
    assert read(write_members(tmp_path / "t.tar", members)) == expected(members)


@pytest.mark.parametrize("name", ["t.tar.gz", "t.tgz", "t.tar.xz"])
def test_archives_that_are_read_once_refuse_members_apart(name: str, tmp_path: Path) -> None:
    """With the remedy; in order they are read, and rows that are there twice as a whole are two rows."""
    with pytest.raises(DataError) as caught:
        read(write_members(tmp_path / name, shuffled(1)))
    assert "expected its members one behind the other, got " in str(caught.value)
    assert "tar --sort=name" in str(caught.value)
    ordered = dict(sorted(MEMBERS.items()))
    assert read(write_members(tmp_path / name, ordered)) == expected(ordered)


@pytest.mark.parametrize("name", ["t.tar", "t.tar.gz"])
def test_rows_that_come_twice_are_two_rows(name: str, tmp_path: Path) -> None:
    """As `tar -r` leaves them; ids need not be unique."""
    once = write_members(tmp_path / "once.tar", {"0.jpg": b"a", "0.cls": b"x", "1.jpg": b"b", "1.cls": b"y"})
    with tarfile.open(once, "a") as tar:
        for end in ("jpg", "cls"):
            (tmp_path / f"0.{end}").write_bytes(b"2")
            tar.add(tmp_path / f"0.{end}", f"0.{end}")
    if name.endswith("gz"):
        (tmp_path / name).write_bytes(gzip.compress(once.read_bytes()))
    else:
        once.rename(tmp_path / name)
    (batch,) = open_table(tmp_path / name).batches(9)
    assert batch.copied.to_pydict() == {"id": ["0", "1", "0"], "label": ["x", "y", "2"]}
    assert [ref.read() for ref in batch.images["image"]] == [b"a", b"b", b"2"]


def test_an_index_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the remedy; archives in order have no index."""
    monkeypatch.setattr(tar_keys, "MAX_INDEXED_ROWS", 3)
    with pytest.raises(DataError, match=r"^tar out of order: expected at most 3 rows, .*tar --sort=name$"):
        read(write_members(tmp_path / "t.tar", shuffled(2)))
    assert len(read(write_members(tmp_path / "s.tar", dict(sorted(MEMBERS.items()))))) == 14


def test_keys_are_known_again_beyond_what_is_kept_as_a_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Against a set of Python's."""
    monkeypatch.setattr(tar_keys, "_KEYS_AS_SET", 10)
    sketch, seen = tar_keys.KeySketch(), set[int]()
    for number in [random.Random(place).randrange(200) for place in range(500)]:
        assert sketch.add(number) == (number not in seen)
        seen.add(number)


@pytest.mark.parametrize("prefix", ["./", "", "/", "/data/", "../", "a/./", "a\\"])
def test_names_with_steps_that_lead_nowhere(prefix: str, tmp_path: Path) -> None:
    """`tar cf x.tar -C folder .` writes `./` in front of each; ids are without."""
    path = write_members(tmp_path / "t.tar", {f"{prefix}0.jpg": b"a", f"{prefix}0.cls": b"x", f"{prefix}.1.jpg": b"b"})
    (batch,) = open_table(path).batches(9)
    shown = {"./": "", "/": "", "a/./": "a/"}.get(prefix, prefix)
    assert batch.copied.to_pydict() == {"id": [f"{shown}0"], "label": ["x"]}
    assert batch.images["image"][0].read() == b"a"


def test_links_are_the_members_they_mean(tmp_path: Path) -> None:
    """Hard and symbolic ones, one behind the other, in sub-folders; labels too. Others are bad rows with the reason."""
    folder = tmp_path / "f"
    (folder / "s").mkdir(parents=True)
    (folder / "a.jpg").write_bytes(b"A")
    (folder / "a.cls").write_text("7")
    for end in ("jpg", "cls"):
        (folder / f"b.{end}").hardlink_to(folder / f"a.{end}")
    for name, target in (("c.jpg", "b.jpg"), ("d.jpg", "gone.jpg"), ("e.jpg", "e.jpg"), ("s/f.jpg", "../c.jpg")):
        (folder / name).symlink_to(target)
    with tarfile.open(tmp_path / "t.tar", "w") as tar:
        tar.add(folder, ".")
    (batch,) = open_table(tmp_path / "t.tar").batches(9)
    found = {name: bytes_of(ref) for name, ref in zip(batch.ids, batch.images["image"], strict=True)}
    assert {name: found[name] for name in ("a", "b", "c", "s/f")} == dict.fromkeys(("a", "b", "c", "s/f"), b"A")
    assert found["d"] == "no image: a link to what is not there: gone.jpg"
    assert found["e"] == "no image: a link to what is not there: e.jpg"
    assert dict(zip(batch.ids, batch.copied["label"].to_pylist(), strict=True))["b"] == "7"
    with tarfile.open(tmp_path / "t.tar.gz", "w:gz") as tar:
        tar.add(folder / "a.jpg", "a.jpg")
        tar.add(folder / "b.jpg", "b.jpg")
    (batch,) = open_table(tmp_path / "t.tar.gz").batches(9)
    assert (
        bytes_of(batch.images["image"][1])
        == "no image: a link to a.jpg: pack it with tar --dereference --hard-dereference"
    )
