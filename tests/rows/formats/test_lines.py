"""Lines of rows: where who opens a text finds each of them, whatever stands in between; other formats have rows."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rows.formats.opening import open_source
from rows.formats.source import Source

TEXTS = {
    "plain.csv": "id,n\na,1\nb,2\nc,3\n",
    "quoted.csv": 'id,"two\nlines"\na,1\nb,"2\r\n2\n2"\nc,"3\r3"\nd,4',
    "blank.csv": "id,n\n\na,1\n   \nb,2\n\n\nc,3\n",
    "emptied.csv": "id,n\na,1\n,\n\n,\nb,2\n,\n",
    "separator.csv": "sep=;\nid;n\na;1\nb;2\n",
    "dos.tsv": "id\tn\r\na\t1\r\nb\t2\r\n",
    "old_mac.csv": "id,n\ra,1\rb,2\r",
    "rows.jsonl": '{"id": "a", "n": 1}\n\n{"id": "b", "n": 2}\n   \n{"id": "c\\nd", "n": 3}\n',
    "list.txt": "a.png\n\nb.png\nc.png\n",
}


def opened(path: Path, text: str) -> Source:
    path.write_bytes(text.encode())
    return open_source(path)[0]


def ids(source: Source) -> list[str | None]:
    tables = source.chunks(["id"], start_row=0, max_rows=2, max_bytes=1 << 20)
    return [value for table in tables for value in table["id"].to_pylist()]


@pytest.mark.parametrize("name", list(TEXTS))
def test_rows_begin_on_their_lines(tmp_path: Path, name: str) -> None:
    """The line that the editor shows begins with what the row begins with."""
    source = opened(tmp_path / name, TEXTS[name])
    shown = TEXTS[name].replace("\r\n", "\n").replace("\r", "\n").split("\n")
    values = ids(source)
    assert len(values) > 1
    lines = source.lines(range(len(values)))
    assert lines is not None
    assert lines == sorted(set(lines))
    for value, line in zip(values, lines, strict=True):
        expected = json.loads(shown[line - 1])["id"] if name == "rows.jsonl" else shown[line - 1].split(",")[0]
        assert (value or "") == (expected.split("\t")[0].split(";")[0])
    assert source.lines([1, 0, 1]) == [lines[1], lines[0], lines[1]]
    assert source.lines([]) == []


def test_places_are_lines_of_the_file_or_rows_of_the_table(tmp_path: Path) -> None:
    """Packed texts have lines as well; of several files the file is named, and Parquet has rows from 0."""
    plain = opened(tmp_path / "plain.csv", TEXTS["plain.csv"])
    assert plain.places([0, 2]) == ["line 2", "line 4"]
    with gzip.open(tmp_path / "packed.csv.gz", "wt", newline="") as stream:
        csv.writer(stream).writerows([["id"], ["a"], ["b\nb"], ["c"]])
    assert open_source(tmp_path / "packed.csv.gz")[0].places([2]) == ["line 5"]
    pq.write_table(pa.table({"id": ["a", "b"]}), tmp_path / "t.parquet")
    assert open_source(tmp_path / "t.parquet")[0].places([1]) == ["row 1"]
    for part in "xyz":
        (tmp_path / "parts").mkdir(exist_ok=True)
        opened(tmp_path / "parts" / f"{part}.csv", TEXTS["blank.csv"])
    several, _ = open_source(tmp_path / "parts")
    assert several.places([1, 5, 6]) == ["line 5 of x.csv", "line 8 of y.csv", "line 3 of z.csv"]
    assert open_source([tmp_path / "t.parquet"] * 2)[0].places([3]) == ["row 3"]
