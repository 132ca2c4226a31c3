"""Tables of images: every format gives the same rows for every batch size, and every misuse one line of text."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from artifact.errors import DataError, UsageError
from artifact.images.image_error import ImageError
from rows.formats.opening import FORMATS
from rows.tables import ImageTable, open_table
from tests.shared.row_tables import NUM_ROWS, WRITERS, number, rows, write_images, write_text


def read_all(table: ImageTable, size: int, start: int = 0) -> list[tuple[Any, ...]]:
    found, expected_first = [], start
    batches = list(table.batches(size, start))
    for place, batch in enumerate(batches):
        assert batch.first_row == expected_first
        assert len(batch) == size or place == len(batches) - 1
        assert len(batch) == len(batch.ids) == batch.copied.num_rows
        assert batch.copied.schema.equals(table.copied_schema)
        expected_first += len(batch)
        found += list(zip(batch.ids, *batch.images.values(), *batch.copied.to_pydict().values(), strict=True))
    return found


def error_text(*arguments: Any, **options: Any) -> str:
    with pytest.raises((DataError, UsageError)) as caught:
        list(open_table(*arguments, **options).batches(4))
    return str(caught.value)


def test_every_format_is_tested() -> None:
    """WRITERS names each suffix of FORMATS; those of objects have tests of their own (test_coco.py, test_yolo.py)."""
    assert {suffix.lower() for suffix in WRITERS} | {".json", ".yaml", ".yml"} == set(FORMATS)


@pytest.mark.parametrize("suffix", WRITERS)
def test_batches_are_the_same_rows_for_every_size_and_start(suffix: str, tmp_path: Path) -> None:
    """Any batch size from any start row gives exactly the rows of the file, in order, text as written."""
    write_images(tmp_path)
    path = WRITERS[suffix](tmp_path)
    copied = {"label": [row["label"] for row in rows()], "x": [row["x"] for row in rows()]}
    if suffix in (".txt", ".lst", ".npy"):
        copied = {}
    elif ".t" in suffix and "sv" not in suffix.lower():
        copied["txt"] = copied.pop("x")
    elif suffix == ".npz":
        copied["x"] = [int(value) for value in copied["x"]]
    ids = [row["image"] if suffix in (".txt", ".lst") else row["id"] for row in rows()]
    if suffix.startswith(".np"):
        ids = [str(i) for i in range(NUM_ROWS)]
    table = open_table(path, copy=[name for name in copied if name != "label"])
    assert table.copied_schema.names == ["id", *copied]
    for size, start in itertools.product((1, 2, 3, 5, 7, 22, 23, 24, 1000), (0, 1, 4, 5, 6, 22, 23, 30)):
        found = read_all(table, size, start)
        assert [row[0] for row in found] == ids[start:]
        assert [number(row[1]) for row in found] == list(range(NUM_ROWS))[start:]
        assert [row[3:] for row in found] == [
            tuple(values[i] for values in copied.values()) for i in range(start, NUM_ROWS)
        ]
    assert table.num_rows in (None, NUM_ROWS)


def test_csv_larger_than_a_block_is_streamed_in_order(tmp_path: Path) -> None:
    """Several blocks of 1 MiB, line breaks inside cells, a batch size that no block is a multiple of."""
    path = tmp_path / "big.csv"
    filler = '"' + "\n" * 200 + '"'
    path.write_text("path,filler\n" + "".join(f"{i}.png,{filler}\n" for i in range(20_000)))
    table = open_table(path)
    assert [row[0] for row in read_all(table, 777, 6001)] == [f"{i}.png" for i in range(6001, 20_000)]


def test_csv_keeps_text_as_written(tmp_path: Path) -> None:
    """A byte-order mark, quotes, line breaks, NA and leading zeros; empty cells are null and bad images, not errors."""
    path = tmp_path / "t.csv"
    path.write_bytes('\ufefffile,label\r\n"a, 1.png",007\r\n"b\n2.png",NA\r\n,\r\nc,x\r\n'.encode())
    table = open_table(path, streams=("left", "right"), columns={"left": "file", "right": "label"})
    (batch,) = table.batches(9)
    assert batch.copied.to_pydict() == {"id": [0, 1, 2, 3], "label": ["007", "NA", None, "x"]}
    assert [ref.path for ref in batch.images["left"]][:3] == [tmp_path / "a, 1.png", tmp_path / "b\n2.png", None]
    with pytest.raises(ImageError, match=r"^no image: the cell is empty$"):
        batch.images["left"][2].read()


def test_ids_are_the_id_column_else_the_path_else_the_row_number(tmp_path: Path) -> None:
    """Each rule in turn; a path that is missing is called by its row, so it ends as a bad image."""
    path = tmp_path / "t.csv"
    path.write_text("sku,path,label\n5,a.png,x\n6,,y\n")
    (batch,) = open_table(path).batches(9)
    assert batch.ids == ["a.png", "row 1"] == batch.copied["id"].to_pylist()
    (batch,) = open_table(path, id_column="sku", copy=["sku", "label"]).batches(9)
    assert batch.copied.to_pydict() == {"id": ["5", "6"], "label": ["x", "y"], "sku": ["5", "6"]}
    table = open_table(path, streams=("left", "right"), columns={"left": "path", "right": "sku"})
    assert [batch.ids for batch in table.batches(1, 1)] == [["1"]]
    assert table.id_type == pa.int64()


@pytest.mark.parametrize("name", ["image", "path", "file", "filename", "file_name"])
def test_default_column_of_a_single_stream(name: str, tmp_path: Path) -> None:
    """The stream's own name, then the usual names of a path column."""
    (tmp_path / "t.csv").write_text(f"other,{name}\n1,a.png\n")
    assert open_table(tmp_path / "t.csv").streams == {"image": name}


@pytest.mark.parametrize(
    "kind", ["string", "large", "dictionary", "binary", "struct", "struct without path", "path struct"]
)
def test_parquet_image_columns_of_every_kind(kind: str, tmp_path: Path) -> None:
    """Paths, bytes and structs all read the same bytes; absolute paths stay as they are."""
    (tmp_path / "a.png").write_bytes(b"A")
    (tmp_path / "b.png").write_bytes(b"B")
    names = ["a.png", str(tmp_path / "b.png"), None]
    data = [b"A", b"B", None]
    both = [{"bytes": b"A", "path": "gone.png"}, {"bytes": None, "path": "b.png"}, None]
    columns: dict[str, Any] = {
        "string": pa.array(names),
        "large": pa.array(names, pa.large_string()),
        "dictionary": pa.array(names).dictionary_encode(),
        "binary": pa.array(data),
        "struct": pa.array(both),
        "struct without path": pa.array([value and {"bytes": value} for value in data]),
        "path struct": pa.array([value and {"path": value} for value in names]),
    }
    parquet.write_table(pa.table({"image": columns[kind]}), tmp_path / "t.parquet")
    (batch,) = open_table(tmp_path / "t.parquet").batches(9)
    assert [ref.read() for ref in batch.images["image"][:2]] == [b"A", b"B"]
    with pytest.raises(ImageError, match="cell is empty"):
        batch.images["image"][2].read()
    expected = ["a.png", names[1], "row 2"] if kind in ("string", "large", "dictionary") else ["0", "1", "2"]
    assert batch.ids == expected


def test_several_streams_give_one_ref_each(tmp_path: Path) -> None:
    """Columns by the stream's name, or by the mapping."""
    (tmp_path / "t.csv").write_text("anchor,pos,negative\na,b,c\n")
    table = open_table(tmp_path / "t.csv", streams=("anchor", "positive", "negative"), columns={"positive": "pos"})
    (batch,) = table.batches(5)
    assert {stream: refs[0].path for stream, refs in batch.images.items()} == {
        "anchor": tmp_path / "a",
        "positive": tmp_path / "b",
        "negative": tmp_path / "c",
    }


def test_dictionary_columns_are_copied_as_plain_values(tmp_path: Path) -> None:
    """Dictionaries of two row groups can differ, and the parts of one job must have one schema."""
    label = pa.array(["x", "y"]).dictionary_encode()
    parquet.write_table(pa.table({"image": ["a", "b"], "label": label}), tmp_path / "t.parquet")
    table = open_table(tmp_path / "t.parquet")
    assert table.copied_schema.field("label").type == pa.string()
    assert [batch.copied["label"].to_pylist() for batch in table.batches(1)] == [["x"], ["y"]]


def test_fingerprint_follows_the_file_and_the_columns(tmp_path: Path) -> None:
    """Equal for the same table opened twice; other after a change of the file, the mapping or what is copied."""
    path = write_text(tmp_path, "t.csv")
    first = open_table(path).fingerprint
    assert open_table(path).fingerprint == first
    assert open_table(path, copy=["x"]).fingerprint != first
    assert open_table(path, columns={"image": "x"}).fingerprint != first
    assert open_table(path, id_column="x").fingerprint != first
    path.write_text(path.read_text() + "z,z,z,z\n")
    assert open_table(path).fingerprint != first


CSV = "id,photo,label,n\n1,a.png,x,1\n"
MISUSES: dict[str, tuple[dict[str, Any], str]] = {
    "no column of the stream": (
        {},
        'image column "image": expected one of id, photo, label, n, got no such column (t.csv); '
        "name the right column with --columns image=...",
    ),
    "a column that is nearly there": (
        {"columns": {"image": "foto"}},
        'image column "foto": expected one of id, photo, label, n, got no such column, the nearest is "photo" (t.csv); '
        "name the right column with --columns image=...",
    ),
    "an unknown stream": (
        {"columns": {"anchor": "photo"}},
        'stream "anchor": expected one of image, got anchor=photo; write --columns STREAM=COLUMN',
    ),
    "one column for two streams": (
        {"streams": ("left", "right"), "columns": {"left": "photo", "right": "photo"}},
        'column "photo": expected one stream, got left and right',
    ),
    "a column that another stream has by its name": (
        {"streams": ("photo", "left"), "columns": {"left": "photo"}},
        'column "photo": expected one stream, got photo and left',
    ),
    "an unknown column to copy": (
        {"columns": {"image": "photo"}, "copy": ["lable"]},
        'copied column "lable": expected one of id, photo, label, n, got no such column, the nearest is "label" '
        "(t.csv)",
    ),
    "an unknown id column": (
        {"columns": {"image": "photo"}, "id_column": "sku"},
        'id column "sku": expected one of id, photo, label, n, got no such column (t.csv)',
    ),
}


@pytest.mark.parametrize("case", MISUSES)
def test_misuse_of_columns_is_one_line(case: str, tmp_path: Path) -> None:
    """What, expected, got, where, how to mend."""
    (tmp_path / "t.csv").write_text(CSV)
    options, text = MISUSES[case]
    assert error_text(tmp_path / "t.csv", **options) == text


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("t.csv", "", "table: expected delimited text in UTF-8 with a header line, got an empty file (t.csv)"),
        ("t.csv", "id,image\n", "table: expected rows, got none (t.csv)"),
        ("t.csv", "image,image\na,b\n", 'image column "image": expected one column of that name, got several (t.csv)'),
        (
            "t.csv",
            "image,x\na,b\na,b,c\n",
            "line 3: expected 2 cells, as in the header, got 3: a,b,c (t.csv); "
            'a cell that holds a delimiter, a quote or a line break stands in quotes: "a, b"',
        ),
        (
            "t.csv",
            "id,image\n1,a\n,b\n",
            'id column "id": expected a value in every row, got none in row 1 (t.csv); '
            "fill it, or name another column as the id",
        ),
        ("t.jsonl", "\n", "table: expected a JSON object on every line, got an empty file (t.jsonl)"),
        ("t.jsonl", '{"image": "a"}\n[1]\n', "line 2: expected a JSON object, got list (t.jsonl)"),
        (
            "t.xlsx",
            "x",
            "table of images: expected an image folder or a file that ends in " + " ".join(FORMATS) + ", got t.xlsx",
        ),
    ],
)
def test_broken_files_are_one_line(name: str, content: str, text: str, tmp_path: Path) -> None:
    """Empty, ragged and foreign files."""
    (tmp_path / name).write_text(content)
    assert error_text(tmp_path / name) == text


def test_parquet_misuse_is_one_line(tmp_path: Path) -> None:
    """A wrong type, no rows, not Parquet, a column twice, an id that is no id."""
    path = tmp_path / "t.parquet"
    parquet.write_table(pa.table({"image": [1, 2]}), path)
    assert error_text(path) == (
        'image column "image": expected string paths, binary, {bytes, path} or uint8 [h, w, 3], got int64 (t.parquet); '
        "name the right column with --columns image=..."
    )
    parquet.write_table(pa.table({"image": pa.array([], pa.string())}), path)
    assert error_text(path) == "table: expected rows, got none (t.parquet)"
    parquet.write_table(pa.table([["a"], ["b"]], names=["image", "image"]), path)
    assert error_text(path) == 'image column "image": expected one column of that name, got several (t.parquet)'
    parquet.write_table(pa.table({"image": ["a"], "id": [1.5]}), path)
    assert error_text(path) == 'id column "id": expected strings or whole numbers, got 1.5 in row 0 (t.parquet)'
    path.write_text("not parquet at all")
    assert error_text(path).startswith("table: expected a Parquet file, got Parquet magic bytes not found in footer")


def test_missing_source_is_named(tmp_path: Path) -> None:
    """The path as it was given."""
    path = tmp_path / "gone.csv"
    assert error_text(path) == f"table of images: expected a file or a folder, got nothing there ({path})"
