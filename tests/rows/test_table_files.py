"""The files that a table is made of: folders, patterns, lists of files, file lists, and files that change meanwhile."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from artifact.errors import DataError
from rows.tables import ImageTable, open_table
from tests.shared.row_tables import tar_members, write_members


def write(path: Path, first: int, end: int) -> Path:
    """Rows [first, end) in the format of the suffix; each file's images lie beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = [{"id": f"{i:03d}", "image": f"{i}.png"} for i in range(first, end)]
    if path.suffix == ".parquet":
        parquet.write_table(pa.Table.from_pylist(values, pa.schema({"id": pa.string(), "image": pa.string()})), path)
    elif path.suffix == ".csv":
        path.write_text("id,image\n" + "".join(f"{row['id']},{row['image']}\n" for row in values))
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in values))
    else:
        write_members(path, {name: data for name, data in tar_members(first, end).items() if name.endswith("jpg")})
    return path


def ids(table: ImageTable, size: int = 4, start: int = 0) -> list[str]:
    return [name for batch in table.batches(size, start) for name in batch.ids]


def refusal(*arguments: Any, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        list(open_table(*arguments, **options).batches(4))
    return str(caught.value)


EXPECTED = [f"{i:03d}" for i in range(10)]


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl", "tar"])
def test_folder_pattern_and_list_are_one_table(suffix: str, tmp_path: Path) -> None:
    """Files in order of name, or as they are listed; one of them without rows; from every row on, before and after
    the lengths of the files are known."""
    ranges = {"00": (0, 3), "01": (3, 3), "02": (3, 10)}
    files = [write(tmp_path / f"{name}.{suffix}", *rows) for name, rows in ranges.items()]
    (tmp_path / "_SUCCESS").touch()
    (tmp_path / f".hidden.{suffix}").write_text("x")
    (tmp_path / "notes.txt").write_text("x")
    sources: list[Any] = [
        tmp_path,
        f"{tmp_path}/*.{suffix}",
        f"{tmp_path}/0[0-2].{suffix}",
        f"{tmp_path}/{{00..02}}.{suffix}",
        f"{tmp_path}/{{00,01,02}}.{suffix}",
        files,
        tuple(map(str, files)),
    ]
    for source in sources:
        table = open_table(source)
        for start in (0, 2, 3, 9, 10, 11):
            assert ids(table, 4, start) == EXPECTED[start:]
        assert table.num_rows == (10 if suffix == "parquet" else None)
    assert len({open_table(source).fingerprint for source in sources}) == 1
    assert ids(open_table(files[::-1])) == EXPECTED[3:] + EXPECTED[:3]
    assert open_table(files[::-1]).fingerprint != open_table(files).fingerprint


def test_images_are_relative_to_their_own_file(tmp_path: Path) -> None:
    """Files of two folders, merged into one batch."""
    files = [write(tmp_path / "a/t.csv", 0, 2), write(tmp_path / "b/t.csv", 2, 4), write(tmp_path / "a/u.csv", 4, 5)]
    (batch,) = open_table(files).batches(9)
    expected = [tmp_path / name for name in ("a/0.png", "a/1.png", "b/2.png", "b/3.png", "a/4.png")]
    assert [ref.path for ref in batch.images["image"]] == expected
    (batch,) = open_table(f"{tmp_path}/**/t.csv").batches(9)
    assert batch.ids == EXPECTED[:4]


def test_files_that_do_not_fit_together_are_named(tmp_path: Path) -> None:
    """A column that one lacks, another format, no match, a gap in a sequence."""
    first = write(tmp_path / "a.parquet", 0, 2)
    parquet.write_table(pa.table({"image": ["a"], "x": [1]}), tmp_path / "b.parquet")
    assert refusal(tmp_path) == (
        'column "id": expected one in every file, as in a.parquet, got none among image, x (b.parquet)'
    )
    table = write(tmp_path / "c.csv", 0, 2)
    assert refusal(tmp_path) == (
        f"table of images: expected files of one format, got .csv and .parquet ({tmp_path.name}); "
        'name those that are meant, for example "FOLDER/*.parquet"'
    )
    assert refusal([first, table]).startswith("table of images: expected files of one format, got .csv and .parquet")
    assert refusal(f"{tmp_path}/*.tar") == f"table of images: expected files that match, got none ({tmp_path}/*.tar)"
    write(tmp_path / "t-1.csv", 0, 2)
    assert refusal(f"{tmp_path}/t-{{1..2}}.csv") == (
        f"table of images: expected a file or a folder, got nothing there ({tmp_path}/t-2.csv)"
    )
    assert refusal([]) == "table of images: expected files, got an empty list"
    write(tmp_path / "a.jsonl", 0, 2)
    (tmp_path / "b.jsonl").write_text('{"photo": "x"}\n')
    assert refusal(f"{tmp_path}/*.jsonl") == "line 1: expected one of id, image, got photo (b.jsonl)"


def test_names_with_brackets_are_names(tmp_path: Path) -> None:
    """What is there is not taken for a pattern."""
    assert ids(open_table(str(write(tmp_path / "t[1].csv", 0, 2)))) == EXPECTED[:2]


def test_folder_of_tables_beside_images_is_an_image_folder(tmp_path: Path) -> None:
    """As data sets with a metadata.csv are."""
    write(tmp_path / "metadata.csv", 0, 2)
    (tmp_path / "0.png").touch()
    assert ids(open_table(tmp_path)) == ["0.png"]


@pytest.mark.skipif(sys.platform == "darwin", reason="APFS refuses names that are not UTF-8")
def test_file_list_finds_names_of_any_bytes(tmp_path: Path) -> None:
    """Relative and absolute, with spaces; a missing file is a bad row of its own."""
    (tmp_path / "a b.png").write_bytes(b"1")
    (tmp_path / os.fsdecode(b"\xe9.png")).write_bytes(b"2")
    lines = [b"a b.png", b"", b"\xe9.png", os.fsencode(tmp_path / "a b.png"), b"gone.png"]
    (tmp_path / "list.txt").write_bytes(b"\r\n".join(lines))
    (batch,) = open_table(tmp_path / "list.txt").batches(9)
    assert batch.ids == ["a b.png", r"\xe9.png", str(tmp_path / "a b.png"), "gone.png"]
    assert [ref.read() for ref in batch.images["image"][:3]] == [b"1", b"2", b"1"]
    (tmp_path / "list.txt").write_text("\n\n")
    assert refusal(tmp_path / "list.txt") == "table: expected rows, got none (list.txt)"


@pytest.mark.parametrize("change", ["longer", "touched", "gone"])
def test_table_that_changes_is_named(change: str, tmp_path: Path) -> None:
    """The one file of several that is not as it was when the table was opened; the others may be read on."""
    files = [write(tmp_path / f"{i}.csv", i, i + 1) for i in range(3)]
    table = open_table(tmp_path)
    table.require_unchanged()
    if change == "longer":
        files[1].write_text(files[1].read_text() + "9,9.png\n")
    elif change == "touched":
        os.utime(files[1], ns=(1, 1))
    else:
        files[1].unlink()
    with pytest.raises(DataError) as caught:
        table.require_unchanged()
    assert str(caught.value) == (
        "table that is being read: expected the file as it was when it was opened, "
        f"got {'nothing there' if change == 'gone' else 'another size or time'} ({files[1]}); "
        "write tables under another name first, then start again"
    )


def test_what_has_no_table_file_does_not_change(tmp_path: Path) -> None:
    """Image folders and tables in memory."""
    (tmp_path / "a.png").write_bytes(b"1")
    for source in (tmp_path, pa.table({"image": ["a.png"]})):
        table = open_table(source)
        (tmp_path / "a.png").write_bytes(b"another")
        table.require_unchanged()
