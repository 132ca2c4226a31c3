"""Damaged tables of every format: all rows that are there, or one line; never fewer rows without a word."""

from __future__ import annotations

import bz2
import contextlib
import csv
import gzip
import io
import lzma
import random
import tarfile
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from artifact.errors import DataError
from artifact.images.image_error import ImageError
from rows.tables import open_table
from tests.shared.row_tables import NUM_ROWS, WRITERS, write_images, write_members

TRIES = 40


def spoiled(data: bytes, rnd: random.Random) -> bytes:
    """A cut, a flipped bit, zeros, a zeroed tail, or some bytes left out."""
    found, at = bytearray(data), rnd.randrange(len(data))
    kind = rnd.choice(["cut", "flip", "zeros", "tail", "gap"])
    if kind == "cut":
        del found[at:]
    elif kind == "flip":
        found[at] ^= 1 << rnd.randrange(8)
    elif kind == "zeros":
        size = min(rnd.choice([1, 8, 64, 512]), len(data) - at)
        found[at : at + size] = bytes(size)
    elif kind == "tail":
        found[at:] = bytes(len(data) - at)
    else:
        del found[at : at + rnd.choice([1, 3, 100])]
    return bytes(found)


def rows_of(path: Path) -> int:
    """Rows that are read to the end, each image with them."""
    num_rows = 0
    for batch in open_table(path).batches(4):
        num_rows += len(batch)
        for ref in batch.images["image"]:
            with contextlib.suppress(ImageError):
                ref.read()
    return num_rows


def true_rows(path: Path) -> int | None:
    """By another reader of the same bytes; None where it refuses them, or the format has no such reader."""
    data = path.read_bytes()
    if path.suffix.lower() in (".csv", ".tsv"):
        text = io.StringIO(data.decode(errors="replace"), newline="")
        try:
            delimiter = "," if path.suffix == ".csv" else "\t"
            return sum(bool(row) for row in csv.reader(text, delimiter=delimiter, strict=True)) - 1
        except csv.Error:
            return None
    if path.suffix == ".jsonl":
        return sum(bool(line.strip()) for line in data.split(b"\n"))
    if path.suffix == ".tar":  # cut between two members, with the zeros that follow: nothing is missing there
        with tarfile.open(path) as tar:
            return len({name.partition(".")[0] for name in tar.getnames()})
    return NUM_ROWS


FORMATS = [suffix for suffix in WRITERS if suffix not in (".txt", ".lst", ".ndjson", ".pq", ".tsv.gz", ".tgz")]


@pytest.mark.parametrize("suffix", FORMATS)
def test_damage_never_loses_rows_without_a_word(suffix: str, tmp_path: Path) -> None:
    """Where the table is read to its end, its rows are those that another reader finds."""
    write_images(tmp_path)
    path = WRITERS[suffix](tmp_path)
    data, rnd = path.read_bytes(), random.Random(suffix)
    lines: list[str] = []
    for _ in range(TRIES):
        path.unlink()
        path.write_bytes(spoiled(data, rnd))
        try:
            num_rows = rows_of(path)
        except DataError as error:
            lines.append(str(error))
        else:
            assert num_rows == true_rows(path)
    assert lines
    assert all(len(line) < 1000 and len(line.splitlines()) == 1 for line in lines)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.tar"])
def test_packed_tables_are_known_by_their_bytes(name: str, pack: object, tmp_path: Path) -> None:
    """Whatever they are called; cut short they are one line."""
    write_images(tmp_path)
    plain = WRITERS[f".{name.partition('.')[2]}"](tmp_path)
    data = pack(plain.read_bytes())  # type: ignore[operator]
    plain.unlink()
    (tmp_path / name).write_bytes(data)
    assert rows_of(tmp_path / name) == NUM_ROWS
    for end in (len(data) - 1, len(data) // 2, 20):
        (tmp_path / name).write_bytes(data[:end])
        with pytest.raises(DataError):
            rows_of(tmp_path / name)


@pytest.mark.parametrize("name", ["t.csv", "t.tar", "t.jsonl"])
def test_files_of_another_kind_are_named(name: str, tmp_path: Path) -> None:
    """Zstandard, and a Parquet file that is called a CSV."""
    (tmp_path / name).write_bytes(b"\x28\xb5\x2f\xfd" + bytes(100))
    with pytest.raises(DataError, match=r"got a file packed with Zstandard .*zstd -d"):
        open_table(tmp_path / name)
    parquet.write_table(pa.table({"image": ["a"]}), tmp_path / name)
    with pytest.raises(DataError, match="got a Parquet file"):
        open_table(tmp_path / name)


def test_a_stream_of_arrow_without_its_end_is_refused_behind_its_rows(tmp_path: Path) -> None:
    """Arrow itself ends where the file does."""
    table = pa.table({"image": ["a", "b", "c"]})
    with pa.ipc.new_stream(str(tmp_path / "t.arrow"), table.schema) as writer:
        writer.write_table(table, max_chunksize=1)
    data = (tmp_path / "t.arrow").read_bytes()
    assert rows_of(tmp_path / "t.arrow") == 3
    (tmp_path / "u.arrow").write_bytes(data[:-8])
    with pa.ipc.open_stream(str(tmp_path / "u.arrow")) as reader:
        assert reader.read_all().num_rows == 3
    with pytest.raises(DataError, match="no end of the stream"):
        rows_of(tmp_path / "u.arrow")


def test_what_lies_behind_the_end_of_a_tar_is_told(tmp_path: Path) -> None:
    """Another archive, other bytes, and zeros as of half a download; the zeros that writers put there are none."""
    for name in "ab":
        write_members(tmp_path / f"{name}.tar", {f"{name}.jpg": b"1"})
    whole = (tmp_path / "a.tar").read_bytes()
    faults = {
        "another archive behind the end": whole + (tmp_path / "b.tar").read_bytes(),
        "data behind the end": whole + b"x" * 512,
        "nothing but zeros from byte 1024 on": whole + bytes(3 * 10240),
    }
    for fault, data in faults.items():
        (tmp_path / "t.tar").write_bytes(data)
        with pytest.raises(DataError, match=fault):
            rows_of(tmp_path / "t.tar")
    for data in (whole[:1536], whole[:2048], whole, whole[:1024] + bytes(511 * 1024), whole + b"\n"):
        (tmp_path / "t.tar").write_bytes(data)
        assert rows_of(tmp_path / "t.tar") == 1
