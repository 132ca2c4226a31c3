"""Text that is not UTF-8, in every format that holds text: one line with the place and how to mend it."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from artifact.errors import DataError
from rows.tables import open_table

MEND = "save it as UTF-8, for example with iconv -f latin1 -t utf-8"


def refusal(source: Any, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        list(open_table(source, **options).batches(2))
    return str(caught.value)


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
def test_csv_in_latin_1_is_named_by_its_line(name: str, tmp_path: Path) -> None:
    """In the header, in a row, and behind a cell with a line break."""
    pack = gzip.compress if name.endswith(".gz") else bytes
    rows = 'image,x\na.png,1\n"b\n.png",2\nüb.png,3\n'
    (tmp_path / name).write_bytes(pack(rows.encode("latin-1")))
    assert refusal(tmp_path / name) == (
        f"table: expected delimited text in UTF-8, got '\\\\xfcb.png' in line 5 ({name}); {MEND}"
    )
    (tmp_path / name).write_bytes(pack("image,größe\na.png,1\n".encode("latin-1")))
    assert refusal(tmp_path / name) == (
        f"table: expected delimited text in UTF-8, got 'gr\\\\xf6\\\\xdfe' in line 1 ({name}); {MEND}"
    )


def test_json_lines_in_latin_1_are_named_by_their_line(tmp_path: Path) -> None:
    """Bytes that are not UTF-8."""
    path = tmp_path / "t.jsonl"
    path.write_bytes(b'{"image": "a"}\n' + '{"image": "ü"}\n'.encode("latin-1"))
    assert refusal(path) == (
        f"line 2: expected UTF-8, got 'utf-8' codec can't decode byte 0xfc in position 11: invalid start byte "
        f"(t.jsonl); {MEND}"
    )
    path.write_text("[" * 100_000)
    assert refusal(path).startswith("line 1: expected a JSON object, got ")


@pytest.mark.parametrize("column", ["image", "label"])
def test_text_of_parquet_that_is_none_is_named_by_its_row(column: str, tmp_path: Path) -> None:
    """Parquet's writers do not check; the row counts from the start of the table."""
    bad = pa.array([b"a", b"b", b"c", b"\xe9"]).view(pa.string())
    good = pa.array(["a", "b", "c", "d"])
    table = pa.table({"image": good, "label": good} | {column: bad})
    parquet.write_table(table, tmp_path / "t.parquet")
    options: dict[str, Any] = {"id_column": "label"} if column == "label" else {}
    assert refusal(tmp_path / "t.parquet", **options) == (
        f'column "{column}", row 3: expected text in UTF-8, got \\xe9 (t.parquet); write the column as UTF-8'
    )


def test_names_of_any_script_are_kept(tmp_path: Path) -> None:
    """Right-to-left, emoji, and a name in decomposed letters stay as they are written."""
    names = ["תמונה.png", "👟.png", "e\u0301.png"]
    (tmp_path / "t.jsonl").write_text("\n".join(json.dumps({"image": name}) for name in names))
    (batch,) = open_table(tmp_path / "t.jsonl").batches(9)
    assert batch.ids == names
    assert [ref.path for ref in batch.images["image"]] == [tmp_path / name for name in names]
