"""Paths built of cells: `--columns image='train/{id}.jpg'`, in every format that has text or numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from artifact.errors import DataError, UsageError
from rows.tables import open_table
from tests.shared.row_tables import write_members

FRAME = {"n": ["1", "2", None], "split": ["a", "b", "a"], "label": ["x", "y", "z"]}


def write(folder: Path, suffix: str) -> Path:
    path = folder / f"t.{suffix}"
    if suffix == "csv":
        path.write_text("n,split,label\n1,a,x\n2,b,y\n,a,z\n")
    elif suffix == "jsonl":
        path.write_text(
            '{"n": 1, "split": "a", "label": "x"}\n{"n": 2, "split": "b", "label": "y"}\n{"split": "a", "label": "z"}'
        )
    else:
        parquet.write_table(pa.table(FRAME), path)
    return path


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_paths_are_built_of_several_columns(suffix: str, tmp_path: Path) -> None:
    """With zeros in front, from any row; an empty cell gives an empty path, which is called by its row."""
    table = open_table(write(tmp_path, suffix), columns={"image": "{split}/{n:03}.png"})
    assert table.streams == {"image": "{split}/{n:03}.png"}
    for start in (0, 1, 2):
        batches = list(table.batches(2, start))
        paths = [ref.path for batch in batches for ref in batch.images["image"]]
        assert paths == [tmp_path / "a/001.png", tmp_path / "b/002.png", None][start:]
        assert [name for batch in batches for name in batch.ids] == ["a/001.png", "b/002.png", "row 2"][start:]
        labels = [value for batch in batches for value in batch.copied["label"].to_pylist()]
        assert labels == ["x", "y", "z"][start:]


def test_other_paths_are_another_table(tmp_path: Path) -> None:
    """The template is a part of a job's identity; the same one again is the same job."""
    path = write(tmp_path, "csv")
    prints = [
        open_table(path, columns={"image": text}, id_column="label").fingerprint for text in ("{n}", "{n}.a", "{n}")
    ]
    assert prints[0] == prints[2] != prints[1]


def test_numbers_are_written_as_they_stand(tmp_path: Path) -> None:
    """Whole ones of a column with gaps without a fraction; texts of dictionaries; each file's own folder."""
    columns = {
        "1": pa.array([1, 2]),
        "1.0": pa.array([1.0, None]),
        "1.5": pa.array([1.5, None]),
        "0001": pa.array(["0001", None]).dictionary_encode(),
    }
    for written, column in columns.items():
        parquet.write_table(pa.table({"n": column}), tmp_path / "t.parquet")
        (batch,) = open_table(tmp_path / "t.parquet", columns={"image": "{n}.jpg"}).batches(9)
        assert batch.images["image"][0].path == tmp_path / f"{written.removesuffix('.0')}.jpg"
    (tmp_path / "sub").mkdir()
    files = [write(tmp_path, "csv"), write(tmp_path / "sub", "csv")]
    (batch,) = open_table(files, columns={"image": "{n}.jpg"}).batches(9)
    assert [ref.path for ref in batch.images["image"]][::3] == [tmp_path / "1.jpg", tmp_path / "sub/1.jpg"]


def test_lists_and_tars_name_files_beside_them(tmp_path: Path) -> None:
    """A list of bare ids, and an archive of labels."""
    (tmp_path / "t.txt").write_text("0001\n0002\n")
    (batch,) = open_table(tmp_path / "t.txt", columns={"image": "{id}.jpg"}).batches(9)
    assert [ref.path for ref in batch.images["image"]] == [tmp_path / "0001.jpg", tmp_path / "0002.jpg"]
    write_members(tmp_path / "t.tar", {"a.cls": b"x"})
    (batch,) = open_table(tmp_path / "t.tar", columns={"image": "p/{id}.jpg"}).batches(9)
    assert [ref.path for ref in batch.images["image"]] == [tmp_path / "p/a.jpg"]


def test_braces_can_be_written_and_columns_called_so_come_first(tmp_path: Path) -> None:
    """`{{` and `}}`; a column of the template's own name; URLs and absolute paths."""
    parquet.write_table(pa.table({"n": ["1"], "{n}.png": ["own.png"]}), tmp_path / "t.parquet")
    expected: dict[str, Any] = {
        "{n}.png": tmp_path / "own.png",
        "{{{n}}}.png": tmp_path / "{1}.png",
        "file:///d/{n}.png": Path("/d/1.png"),
        "/d/{n}.png": Path("/d/1.png"),
    }
    for text, path in expected.items():
        (batch,) = open_table(tmp_path / "t.parquet", columns={"image": text}).batches(9)
        assert batch.images["image"][0].path == path


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("{id}.png", 'column "id" of the path "{id}.png": expected one of n, split, label, got no such column (t.csv)'),
        ("{n.png", 'path "{n.png": expected {COLUMN}, or {{ and }} for braces, got { (--columns)'),
        ("{}.png", 'path "{}.png": expected {COLUMN}, or {{ and }} for braces, got {} (--columns)'),
    ],
)
def test_templates_that_make_no_sense_are_one_line(text: str, line: str, tmp_path: Path) -> None:
    """Columns that are not there, and braces that do not fit."""
    with pytest.raises((DataError, UsageError)) as caught:
        open_table(write(tmp_path, "csv"), columns={"image": text})
    assert str(caught.value) == line


def test_cells_that_are_no_names_are_refused(tmp_path: Path) -> None:
    """Binary, dates and truth values."""
    for column in (pa.array([b"a"]), pa.array([True]), pa.array([1], pa.timestamp("s"))):
        parquet.write_table(pa.table({"n": column}), tmp_path / "t.parquet")
        with pytest.raises(DataError, match=r'^column "n" of a path: expected text or numbers, got .* \(t.parquet\)$'):
            open_table(tmp_path / "t.parquet", columns={"image": "{n}.png"})
