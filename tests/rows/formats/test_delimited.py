"""CSV as people have it: Excel's commas and semicolons, quotes out of place, long cells; rows as csv has them."""

from __future__ import annotations

import base64
import csv
import gzip
import io
from pathlib import Path

import pytest

from artifact.errors import DataError
from rows.tables import open_table

ROWS = [["1", "a.png"], ["2", "b.png"]]


def read(path: Path) -> list[list[str]]:
    """[id, image path as it stands] of each row."""
    batches = list(open_table(path, copy=["image"]).batches(3))
    return [[row["id"], row["image"]] for batch in batches for row in batch.copied.to_pylist()]


def refusal(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read(path)
    return str(caught.value)


FORMS = {
    "commas of Excel": b"id,image,,\n1,a.png,,\n2,b.png,,\n",
    "commas of Excel in the rows alone": b"id,image\n1,a.png,,,\n2,b.png\n",
    "commas of Excel in the header alone": b"id,image,,\n1,a.png\n2,b.png,\n",
    "a name twice, not read": b"x,id,image,x\n,1,a.png,\n,2,b.png,\n",
    "semicolons": b"id;image;price\n1;a.png;3,50\n2;b.png;4,00\n",
    "tabs": b"id\timage\n1\ta.png\n2\tb.png\n",
    "the separator named": b"\xef\xbb\xbfsep=;\r\nid;image\r\n1;a.png\r\n2;b.png\r\n",
    "spaces in the header": b" id , image\n1,a.png\n2,b.png\n",
    "quoted header with a mark": b'\xef\xbb\xbf"id","image"\r\n"1","a.png"\r\n"2","b.png"\r\n',
    "lines of old Macs": b"id,image\r1,a.png\r2,b.png\r",
    "blank lines": b"\n\nid,image\n\n1,a.png\n\n2,b.png\n\n",
    "quotes within a line": b'id,image,t\n1,a.png,17" monitor\n2,b.png,"Nike" Air\n',
    "other bytes that are not read": b"id,image,t\n1,a.png," + b"\xe9" * 200_000 + b"\n2,b.png,x\n",
    "a packed file called .csv": gzip.compress(b"id,image\n1,a.png\n2,b.png\n"),
}


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_csv_are_the_same_rows(form: str, tmp_path: Path) -> None:
    """What spreadsheets and scripts write."""
    (tmp_path / "t.csv").write_bytes(FORMS[form])
    assert read(tmp_path / "t.csv") == ROWS


def test_plain_text_called_gz_is_read(tmp_path: Path) -> None:
    """The first bytes tell, and not the name; commas in a .tsv."""
    for name in ("t.csv.gz", "t.tsv"):
        (tmp_path / name).write_text("id,image\n1,a.png\n2,b.png\n")
        assert read(tmp_path / name) == ROWS


REFUSED = {
    "a quote left open": (b'id,image\n1,a.png\n2,"b.png\n3,c.png\n', "line 3: expected quotes in pairs"),
    "a quote left open in the last line": (b'id,image\n1,a.png\n2,"b.png', "line 3: expected quotes in pairs"),
    "a quote closed in another row": (b'id,image\n1,"a.png\n2,"b.png"\n', "line 2: expected quotes in pairs"),
    "a row that is too long": (b"id,image\n1,a.png,x\n", "line 2: expected 2 cells, as in the header, got 3"),
    "a row that is too short": (
        b"id,image,x\n1,a.png,\n2,b.png\n",
        "line 3: expected 3 cells, as in the header, got 2",
    ),
    "zeros in the middle": (b"id,image\n1,a.p\0\0\0\0\0", "zero bytes in line 2"),
    "zeros alone": (bytes(2000), "got zeros"),
    "UTF-16": ("id,image\n1,a.png\n".encode("utf-16"), "got UTF-16"),
    "UTF-16 without a mark": ("id,image\n1,a.png\n".encode("utf-16-be"), "got UTF-16"),
    "a workbook": (b"PK\x03\x04" + bytes(100), "got a zip archive or an Excel workbook"),
    "a packed file cut short": (gzip.compress(b"id,image\n" + b"1,a.png\n" * 999)[:-9], "end-of-stream"),
    "a name twice, that is read": (b"id,image,image\n1,a.png,b.png\n", "expected one column of that name, got several"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_damaged_csv_is_one_line(case: str, tmp_path: Path) -> None:
    """And never fewer rows without a word."""
    content, text = REFUSED[case]
    (tmp_path / "t.csv").write_bytes(content)
    found = refusal(tmp_path / "t.csv")
    assert text in found
    assert "\n" not in found


def test_rows_before_the_damage_are_given(tmp_path: Path) -> None:
    """Then the error."""
    (tmp_path / "t.csv").write_text("id,image\n" + "".join(f"{i},a\n" for i in range(20)) + '20,"a\n21,a\n')
    found = []
    with pytest.raises(DataError, match="line 22: expected quotes in pairs"):
        found.extend(open_table(tmp_path / "t.csv").batches(5))
    assert [name for batch in found for name in batch.ids] == [str(i) for i in range(20)]


def test_csv_with_every_kind_of_cell_is_what_the_csv_module_reads(tmp_path: Path) -> None:
    """Quotes, delimiters, line breaks of every kind, and cells of several megabytes."""
    odd = ["a,b", 'say "x"', "two\nlines", "cr\r\nlf", "\u2028", "\x0b", "x" * 3_000_000, " spaces ", "ü", ";\t"]
    rows = [[str(i), f"{i}{cell}.png"] for i, cell in enumerate(odd * 3)]
    with (tmp_path / "t.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["id", "image"], *rows])
    assert read(tmp_path / "t.csv") == rows
    with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(io.StringIO(file.read(), newline=""), strict=True))[1:] == rows


def test_quoted_cells_without_letters_are_texts_and_others_null(tmp_path: Path) -> None:
    """Which the csv module does not tell apart; a cell of one quote is neither."""
    text = 'id,image,label\n1,"",a\n2,,""\n"3",x,\n4,"""",""\n5,"a,"",b",""\n'
    (tmp_path / "t.csv").write_text(text)
    (batch,) = open_table(tmp_path / "t.csv", copy=["image"]).batches(9)
    assert batch.copied["label"].to_pylist() == ["a", "", None, "", ""]
    assert batch.copied["image"].to_pylist() == ["", None, "x", '"', 'a,",b']


def test_images_written_into_cells_are_read_whole(tmp_path: Path) -> None:
    """Base64 of two megabytes, which is longer than a block of Arrow's reader."""
    data = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8000
    (tmp_path / "t.csv").write_text("image\n" + (base64.b64encode(data).decode() + "\n") * 3)
    (batch,) = open_table(tmp_path / "t.csv").batches(9)
    assert batch.ids == ["row 0", "row 1", "row 2"]
    assert [ref.read() for ref in batch.images["image"]] == [data] * 3


ENDS = {
    "lines of Excel": b",\r\n,\r\n",
    "longer than the header": b",,,\n,,\n",
    "blanks": b"   \n \n",
    "a mark of DOS": b"\x1a",
    "a mark on its own line": b"\x1a\r\n",
    "marks to the end of a block": b"\x1a" * 60,
    "all of them": b"\n,\n  \n,,\n\x1a",
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("last", [b"\n", b"\r\n"])
def test_nothing_at_the_end_is_no_row(end: bytes, last: bytes, tmp_path: Path) -> None:
    """Nor does it end the job."""
    (tmp_path / "t.csv").write_bytes(b"id,image\n1,a.png\n2,b.png" + last + end)
    assert read(tmp_path / "t.csv") == ROWS


def test_empty_lines_between_rows_are_rows_and_told_at_the_end(tmp_path: Path) -> None:
    """Rows keep their numbers; a mark of DOS behind the last cell is no letter of it."""
    (tmp_path / "t.csv").write_text("image,label\na,x\n,\n,\n  \nb,y\n,\n,\n,\n")
    table = open_table(tmp_path / "t.csv")
    (batch,) = table.batches(9)
    assert batch.copied.to_pydict() == {"id": ["a", "row 1", "row 2", "b"], "label": ["x", None, None, "y"]}
    assert table.notes == ["t.csv: 3 lines of empty cells at its end are no rows"]
    (tmp_path / "t.csv").write_text("image,label\na,x\x1ay\nb,y\x1a")
    (batch,) = open_table(tmp_path / "t.csv").batches(9)
    assert batch.copied["label"].to_pylist() == ["x\x1ay", "y"]


def test_damaged_files_say_how_to_mend_them(tmp_path: Path) -> None:
    """Blocks of zeros, and packed files cut off."""
    text = b"id,image\n" + b"1,a.png\n" * 3000
    (tmp_path / "t.csv").write_bytes(text[:500] + bytes(100) + text[600:])
    (tmp_path / "u.csv.gz").write_bytes(gzip.compress(text)[:-9])
    for name in ("t.csv", "u.csv.gz"):
        assert refusal(tmp_path / name).endswith(f"({name}); fetch or write it again")
