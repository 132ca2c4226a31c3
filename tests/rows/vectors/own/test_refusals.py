"""Files that hold no vectors, or damaged ones: each refused in one line that says what to do."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from artifact.errors import DataError
from rows.vectors.table import VectorTable

VECTORS = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)


def npy(array: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def npz(**arrays: Any) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


def arrow(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def huge_header() -> bytes:
    header = ("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1), }" + " " * 30_000 + "\n").encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + b"\0" * 4


EXPECTED = "array of vectors: expected numbers [N, n], got "
UNREADABLE = "array of vectors: expected an array that can be read, got "
TWICE = "e0,e1,e1\n1,2,3\n"

ARRAYS: dict[str, tuple[str, bytes, str]] = {
    "one vector": (
        "v.npy",
        npy(VECTORS[0]),
        EXPECTED + "float32 [4] (FILE); one vector is a table of one row: array[None]",
    ),
    "a single value": ("v.npy", npy(np.float32(3)), EXPECTED + "float32 [] (FILE)"),
    "images": (
        "v.npy",
        npy(np.zeros((3, 2, 2), np.float32)),
        EXPECTED + "float32 [3, 2, 2] (FILE); array.reshape(len(array), -1) makes a vector of each row",
    ),
    "complex numbers": ("v.npy", npy(VECTORS * 1j), EXPECTED + "complex64 [30, 4] (FILE)"),
    "truths": ("v.npy", npy(VECTORS > 0), EXPECTED + "bool [30, 4] (FILE)"),
    "texts": ("v.npy", npy(VECTORS.astype(str)), EXPECTED + "<U32 [30, 4] (FILE)"),
    "records": (
        "v.npy",
        npy(np.zeros(3, [("id", "<i4"), ("v", "<f4", (4,))])),
        EXPECTED + "[('id', '<i4'), ('v', '<f4', (4,))] [3] (FILE)",
    ),
    "vectors of nothing": ("v.npy", npy(np.zeros((3, 0), np.float32)), EXPECTED + "float32 [3, 0] (FILE)"),
    "no rows": ("v.npy", npy(np.zeros((0, 4), np.float32)), "table of vectors: expected rows, got none (FILE)"),
    "a pickle": (
        "v.npy",
        npy(np.array([[1, None]], dtype=object)),
        UNREADABLE + "pickled objects (FILE); save it as numbers, array.astype(np.float32)",
    ),
    "no array": ("v.npy", b"\x80\x04K\x01.....", UNREADABLE + "the magic string is not correct; *"),
    "an empty file": ("v.npy", b"", UNREADABLE + "EOF: reading magic string, expected 8 bytes got 0 (FILE)"),
    "a header without an end": ("v.npy", npy(VECTORS)[:20], UNREADABLE + "EOF: reading array header, *"),
    "a huge header": ("v.npy", huge_header(), UNREADABLE + "Header info length (30060) is large and may not be safe *"),
    "an array that was cut short": (
        "v.npy",
        npy(VECTORS)[:-1],
        UNREADABLE + "607 bytes of 608: it was cut short (FILE)",
    ),
    "an archive without arrays": ("v.npz", npz(), EXPECTED + "no array (FILE)"),
    "an archive of labels": (
        "v.npz",
        npz(label=np.array(["a", "b"]), ids=np.array([{}], dtype=object)),
        EXPECTED + "label (<U1 [2]), ids (pickled) (FILE)",
    ),
    "an archive of several": (
        "v.npz",
        npz(a=VECTORS, b=VECTORS),
        "vector column: expected one column of lists of numbers, all of one length, got a, b (FILE); name one with "
        "--column a",
    ),
    "half an archive": ("v.npz", npz(a=VECTORS)[:200], UNREADABLE + "File is not a zip file (FILE)"),
    "an archive that is none": ("v.npz", npy(VECTORS), UNREADABLE + "File is not a zip file (FILE)"),
}

TABLES: dict[str, tuple[str, bytes, str]] = {
    "a ragged row": (
        "v.csv",
        b"e0,e1\n1,2\n3\n",
        "line 3: expected 2 cells, as in the header, got 1: 3 (v.csv); a cell that holds a delimiter, a quote or a "
        'line break stands in quotes: "a, b"',
    ),
    "text among numbers": (
        "v.csv",
        b"e0,e1\n1,2\n3,x4\n",
        "column \"e1\": expected numbers, got 'x4' in row 1 (FILE)",
    ),
    "decimal commas": (
        "v.csv",
        b"e0;e1\n1;2\n3;-0,5\n",
        "column \"e1\": expected numbers, got '-0,5' in row 1 (FILE); write decimals with a point",
    ),
    "digits in groups": ("v.csv", b"e0,e1\n1_0,2\n", "column \"e0\": expected numbers, got '1_0' in row 0 (FILE)"),
    "two columns of one name": (
        "v.csv",
        TWICE.encode(),
        'columns of the table: expected a name each, got two called "e1" (v.csv)',
    ),
    "two columns of one number": (
        "v.csv",
        b"e0,e1,e01\n1,2,3\n",
        "vector columns: expected numbered columns, such as e0, e1, e2 (or --column NAME for one of JSON lists), got "
        "e0, e1, e01 (FILE)",
    ),
    "a gap in the numbers": (
        "v.csv",
        b"id,e0,e2,e3,a,b,c\nx,1,2,3,4,5,6\n",
        "vector columns: expected numbered columns, such as e0, e1, e2 (or --column NAME for one of JSON lists), got "
        "id, e0, e2, e3, a and 2 more (FILE)",
    ),
    "no header": (
        "v.csv",
        b"0.5,-1e3,2\n1,2,3\n",
        "vector columns: expected numbered columns, such as e0, e1, e2 (or --column NAME for one of JSON lists), got "
        "0.5, -1e3, 2 (FILE); write a header line: these are numbers",
    ),
    "two groups": (
        "v.csv",
        b"x1,x2,y1,y2\n1,2,3,4\n",
        "vector columns: expected one group of numbered columns, got x1 to x2, y1 to y2 (FILE); name one with "
        "--column x",
    ),
    "lists in text that nobody named": (
        "v.csv",
        b'id,embedding\na,"[1, 2]"\n',
        "vector columns: expected numbered columns, such as e0, e1, e2 (or --column NAME for one of JSON lists), got "
        "id, embedding (FILE); say --column embedding, and its text is read as JSON lists",
    ),
    "a header alone": ("v.csv", b"e0,e1\n", "table of vectors: expected rows, got none (FILE)"),
    "an empty table": (
        "v.tsv",
        b"",
        "table: expected delimited text in UTF-8 with a header line, got an empty file (v.tsv)",
    ),
    "text in a list of JSON": (
        "v.jsonl",
        b'{"embedding": [1, 2]}\n{"embedding": [1, "x"]}\n',
        'vector column "embedding": expected a JSON list of numbers in every row, such as [0.1, 0.2], got '
        "'[1, \"x\"]' in row 1 (FILE)",
    ),
    "text among the lists of JSON": (
        "v.jsonl",
        b'{"embedding": [1, 2]}\n{"embedding": null}\n' * 1000 + b'{"embedding": "oops"}\n{"embedding": [3, 4]}\n',
        'vector column "embedding": expected a JSON list of numbers in every row, such as [0.1, 0.2], got '
        "'oops' in row 2000 (FILE)",
    ),
    "text before the lists of JSON, under another name": (
        "v.jsonl",
        b'{"id": 1, "v": "oops", "more": [1, 2]}\n{"id": "a", "v": [1, 2], "more": [1, 2]}\n',
        'vector column "v": expected a JSON list of numbers in every row, such as [0.1, 0.2], got '
        "'oops' in row 0 (FILE); name one with --column more",
    ),
    "a number among the lists of JSON": (
        "v.jsonl",
        b'{"embedding": [1, 2]}\n{"embedding": 5}\n',
        'vector column "embedding": expected a JSON list of numbers in every row, such as [0.1, 0.2], got '
        "'5' in row 1 (FILE)",
    ),
    "text among the numbered columns of JSON": (
        "v.jsonl",
        b'{"e0": 1.5, "e1": 2, "e2": 3}\n' * 1500 + b'{"e0": 1, "e1": 2, "e2": "oops"}\n',
        "column \"e2\": expected numbers, got 'oops' in row 1500 (FILE)",
    ),
    "text in the first of the numbered columns of JSON": (
        "v.jsonl",
        b'{"e0": "oops", "e1": 2, "e2": 3}\n{"e0": 1, "e1": 2, "e2": 3}\n',
        "column \"e0\": expected numbers, got 'oops' in row 0 (FILE)",
    ),
    "text alone in a column of JSON": (
        "v.jsonl",
        b'{"embedding": null}\n' * 1001 + b'{"embedding": "[1, 2]"}\n',
        'vector column "embedding": expected lists of numbers, all of one length, got string (FILE); write the text '
        "as lists of numbers, or say --column embedding: then it is read as JSON lists",
    ),
    "lists of two lengths": (
        "v.jsonl",
        b'{"embedding": [1, 2]}\n{"embedding": null}\n{"embedding": [3]}\n',
        'vector column "embedding": expected 2 numbers in every row, got 1 in row 2 (FILE)',
    ),
    "a line that was cut off": (
        "v.jsonl",
        b'{"embedding": [1, 2]}\n{"embedding": [3',
        "line 2: expected a JSON object, *",
    ),
    "an Arrow file that was cut short": (
        "v.arrow",
        arrow(pa.table({"embedding": VECTORS.tolist()}))[:-50],
        "table: expected an Arrow IPC file, got *",
    ),
    "an Arrow file without vectors": (
        "v.feather",
        arrow(pa.table({"a": ["x"]})),
        "vector column: expected one column of lists of numbers, all of one length, got a (string) (FILE)",
    ),
    "a file of another kind": (
        "v.pkl",
        b"\x80\x04K\x01.",
        "table of vectors: expected a file that ends in .parquet .pq .npy .npz .arrow .feather .csv .csv.gz .tsv "
        ".tsv.gz .jsonl .jsonl.gz .ndjson, got v.pkl (FILE)",
    ),
    "what is no Parquet": ("v.parquet", b"id,e0,e1\n", "table of vectors: expected a Parquet file, got *"),
}


@pytest.mark.parametrize("case", ARRAYS | TABLES)
def test_what_holds_no_vectors_is_refused_in_one_line(case: str, tmp_path: Path) -> None:
    """With the file, and how to mend it where that is known."""
    name, content, text = (ARRAYS | TABLES)[case]
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(DataError) as caught:
        VectorTable.open(file)
    line, expected = str(caught.value), text.replace("FILE", str(file))
    assert "\n" not in line
    if expected.endswith("*"):
        assert line.startswith(expected[:-1])
    else:
        assert line == expected


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ("x", 'column "x": expected one of a, b, got no such column (FILE); name one with --column a'),
        ("label", "array of vectors: expected numbers [N, n], got label (<U1 [30]) (FILE)"),
    ],
)
def test_an_array_that_was_named_has_to_be_one_of_vectors(asked: str, text: str, tmp_path: Path) -> None:
    """Not there, or of another shape."""
    file = tmp_path / "v.npz"
    np.savez(file, a=VECTORS, b=VECTORS, label=np.array(["x"] * 30))
    with pytest.raises(DataError) as caught:
        VectorTable.open(file, asked)
    assert str(caught.value) == text.replace("FILE", str(file))


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("[1, 2", "'[1, 2'"),
        ("1 2", "'1 2'"),
        ('["1", "2"]', '\'["1", "2"]\''),
        ("[true, 1]", "'[true, 1]'"),
        ("[[1], [2]]", "'[[1], [2]]'"),
        ("cat", "'cat'"),
        ("[" * 100_000, f"'{'[' * 100}...'"),
    ],
)
def test_text_that_is_no_list_of_numbers_is_named_by_its_row(cell: str, shown: str, tmp_path: Path) -> None:
    """In CSV and in Parquet, where its column was asked for."""
    texts = ["[1, 2]"] * 20_000 + [cell]
    parquet.write_table(pa.table({"vec": texts}), tmp_path / "v.parquet")
    quoted = [f'"{text.replace(chr(34), chr(34) * 2)}"' for text in texts]
    (tmp_path / "v.csv").write_text("\n".join(["vec", *quoted]) + "\n")
    for file in (tmp_path / "v.parquet", tmp_path / "v.csv"):
        with pytest.raises(DataError) as caught:
            VectorTable.open(file, "vec")
        assert str(caught.value) == (
            'vector column "vec": expected a JSON list of numbers in every row, such as [0.1, 0.2], got '
            f"{shown} in row 20000 ({file})"
        )


def spoil_member(file: Path) -> None:
    """A byte of the packed numbers, which the archive has a checksum of."""
    with zipfile.ZipFile(file) as archive:
        info = archive.getinfo("a.npy")
        at = info.header_offset + 30 + len(info.filename) + info.compress_size // 2
    data = bytearray(file.read_bytes())
    data[at] ^= 0xFF
    file.write_bytes(bytes(data))


def test_damage_behind_the_header_is_told_when_it_is_read(tmp_path: Path) -> None:
    """Of a packed array at once, for its rows are looked at; of a .npy that is cut short while it is used, then."""
    np.savez_compressed(tmp_path / "v.npz", a=VECTORS)
    spoil_member(tmp_path / "v.npz")
    with pytest.raises(DataError, match=r"^array of vectors: expected an array that can be read, got "):
        VectorTable.open(tmp_path / "v.npz")
    np.save(tmp_path / "v.npy", VECTORS)
    table = VectorTable.open(tmp_path / "v.npy")
    (tmp_path / "v.npy").write_bytes((tmp_path / "v.npy").read_bytes()[:-100])
    with pytest.raises(DataError, match=r"got cut short behind row 20 \("):
        list(table.batches(num_rows=10))


def test_a_full_disk_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Text is copied into a file without a name; where there is no place for it, that is said."""
    import tempfile

    from artifact.errors import OutputError

    (tmp_path / "v.csv").write_text("e0,e1\n1,2\n")

    def refuse(**options: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    with pytest.raises(OutputError) as caught:
        VectorTable.open(tmp_path / "v.csv")
    assert str(caught.value) == (
        "copy of the vectors for reading: expected room for it, got No space left on device "
        f"({tempfile.gettempdir()}); name a folder with room by TMPDIR, or write the vectors as .npy or .parquet"
    )


def test_nothing_of_a_reading_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The copy has no name, and the table lives on when the file it came from is gone."""
    import tempfile

    (tmp_path / "spool").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "spool"))
    write: dict[str, Callable[[Path], Any]] = {
        "v.npz": lambda file: np.savez_compressed(file, a=VECTORS),
        "v.jsonl": lambda file: file.write_text("".join(json.dumps({"v": row}) + "\n" for row in VECTORS.tolist())),
    }
    for name, writer in write.items():
        writer(tmp_path / name)
        table = VectorTable.open(tmp_path / name)
        (tmp_path / name).unlink()
        np.testing.assert_array_equal(table.matrix, VECTORS)
    assert list((tmp_path / "spool").iterdir()) == []
