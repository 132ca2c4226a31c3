"""The column `label`, which is read wherever it is: in any file of a table, and however late."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from rows.tables import open_table
from tests.shared.row_tables import write_members

FRAMES = {"a": pd.DataFrame({"image": ["1", "2"]}), "b": pd.DataFrame({"image": ["3"], "label": ["x"]})}
LATE = {f"{i:03d}.{end}": end.encode() for i in range(130) for end in ("cls", "jpg") if end == "jpg" or i >= 120}


def labels(source: Any) -> list[Any]:
    """Of all rows; one is in no column unless the schema says so."""
    table = open_table(source)
    read = pa.concat_tables([batch.copied for batch in table.batches(50)])
    assert read.schema == table.copied_schema
    found: list[Any] = read["label"].to_pylist()
    return found


def write(frame: pd.DataFrame, path: Path) -> None:
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    elif path.suffix == ".jsonl":
        frame.to_json(path, orient="records", lines=True)
    elif path.suffix == ".parquet":
        frame.to_parquet(path)
    elif path.suffix == ".feather":
        frame.to_feather(path)
    elif path.suffix == ".npz":
        arrays = {name: frame[name].to_numpy(str) for name in frame if name != "image"}
        np.savez(path, image=np.zeros((len(frame), 2, 2, 3), np.uint8), **arrays)
    else:
        texts = {"image": "jpg", "label": "cls"}
        rows = [(number, name, value) for number, row in frame.iterrows() for name, value in sorted(row.items())]
        write_members(path, {f"{path.stem}{number}.{texts[name]}": value.encode() for number, name, value in rows})


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet", "feather", "npz", "tar"])
def test_label_of_one_file_is_the_tables(suffix: str, order: tuple[str, str], tmp_path: Path) -> None:
    """Empty where a file has none."""
    for place, name in enumerate(order):
        write(FRAMES[name], tmp_path / f"{place}.{suffix}")
    assert labels(tmp_path) == ([None, None, "x"] if order[0] == "a" else ["x", None, None])


def test_numbers_as_labels_of_a_later_file_of_json_lines_stay_numbers(tmp_path: Path) -> None:
    """Their type is found by looking at all rows of all files."""
    for name, rows in (("0", [{"image": "a"}]), ("1", [{"image": "b"}] * 3 + [{"image": "c", "label": 7}])):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert labels(tmp_path) == [None, None, None, None, 7]


def test_late_labels_of_a_plain_tar_are_a_column(tmp_path: Path) -> None:
    """Behind the rows that are looked at for the columns; its headers are all read anyway."""
    assert labels(write_members(tmp_path / "t.tar", LATE)) == [None] * 120 + ["cls"] * 10


def test_late_labels_of_packed_tars_are_told(tmp_path: Path) -> None:
    """They are read once, and rows before have gone their way; how many there are does not depend on the start."""
    table = open_table(write_members(tmp_path / "t.tar.gz", LATE))
    assert table.notes == []
    assert sum(len(batch) for batch in table.batches(50)) == 130
    told = [
        "t.tar.gz: 10 labels are in no column, for none of the first 100 rows of the table has one; of plain tars on "
        "this machine all are looked at"
    ]
    assert table.notes == told
    assert sum(len(batch) for batch in table.batches(50, 125)) == 5
    assert table.notes == told
    (tmp_path / "shards").mkdir()
    for number in range(6):
        ends = ("jpg", "cls") if number else ("jpg",)
        write_members(tmp_path / f"shards/{number}.tgz", {f"{number}.{end}": b"x" for end in ends})
    table = open_table(tmp_path / "shards")
    assert sum(len(batch) for batch in table.batches(50)) == 6
    assert [note.partition(":")[0] for note in table.notes] == ["1.tgz", "2.tgz", "3.tgz", "so it is in 2 more files"]
