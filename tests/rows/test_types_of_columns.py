"""Types of the columns that are read, and of no others: of JSON lines further down, and of files that differ."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import feather, parquet

from artifact.errors import DataError
from rows.tables import open_table
from rows.widening import wider


def copied(source: Any, **options: Any) -> pa.Table:
    """The copied columns of all rows."""
    table = open_table(source, **options)
    read = pa.concat_tables([batch.copied for batch in table.batches(300)])
    assert read.schema.equals(table.copied_schema)
    return read


def refusal(source: Any, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        copied(source, **options)
    return str(caught.value)


def json_lines(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


LATER: dict[str, tuple[list[Any], str, list[Any], pa.DataType]] = {
    "ids that get a letter": ([1, 2, 3], '"A17"', ["1", "2", "3", "A17"], pa.string()),
    "null, then text": ([None], '"shoe"', [None, "shoe"], pa.string()),
    "true, then yes": ([True, False], '"yes"', ["true", "false", "yes"], pa.string()),
    "whole numbers, then a fraction": ([1, 2], "2.5", [1.0, 2.0, 2.5], pa.float64()),
    "numbers beyond 64 bits": ([1], "18446744073709551616", ["1", "18446744073709551616"], pa.string()),
    "an object among texts": (["a"], '{"b": [1, "ü"]}', ["a", '{"b": [1, "ü"]}'], pa.string()),
    "objects of another kind": ([{"a": 1}], '{"a": "x"}', ['{"a": 1}', '{"a": "x"}'], pa.string()),
    "NaN among texts": (["a"], "NaN", ["a", None], pa.string()),
    "all of one type": ([7], "8", [7, 8], pa.int64()),
    "an object with one key more": (
        [{"a": 1}],
        '{"a": 2, "b": 3}',
        [{"a": 1, "b": None}, {"a": 2, "b": 3}],
        pa.struct([("a", pa.int64()), ("b", pa.int64())]),
    ),
}


@pytest.mark.parametrize("num_rows", [3, 1200])
@pytest.mark.parametrize("case", LATER)
def test_json_values_of_several_types_get_one_that_holds_all(case: str, num_rows: int, tmp_path: Path) -> None:
    """Within the first thousand rows and behind them; the last row is the odd one."""
    first, last, expected, kind = LATER[case]
    values = [first[row % len(first)] for row in range(num_rows)]
    rows = [{"image": "a", "x": value} for value in values]
    path = json_lines(tmp_path / "t.jsonl", [*rows, f'{{"image": "a", "x": {last}}}'])
    column = copied(path, copy=["x"])["x"]
    assert column.type == kind
    assert column.to_pylist() == [expected[row % len(first)] for row in range(num_rows)] + expected[-1:]


def test_json_columns_that_nobody_reads_may_hold_anything(tmp_path: Path) -> None:
    """Objects and text in turn, numbers of any size, half a surrogate pair, a key twice."""
    odd = ['{"a": 1}', '"text"', "[1, [2]]", "18446744073709551616", "-Infinity", '"\\ud800"', "null", "true"]
    rows = [f'{{"image": "x", "image": "a{place}", "meta": {value}}}' for place, value in enumerate(odd)]
    assert copied(json_lines(tmp_path / "t.jsonl", rows))["id"].to_pylist() == [f"a{i}" for i in range(len(odd))]


def test_a_label_that_comes_late_is_a_column(tmp_path: Path) -> None:
    """As writers leave it that leave out null; not where it is a key within another value."""
    rows: list[Any] = [{"image": "a"}] * 1500
    path = json_lines(tmp_path / "t.jsonl", [*rows, {"image": "b", "label": "x"}])
    assert copied(path)["label"].to_pylist() == [None] * 1500 + ["x"]
    path = json_lines(tmp_path / "t.jsonl", [*rows, {"image": "b", "x": {"label": 1}}, {"image": "label"}])
    assert copied(path).column_names == ["id"]


def test_json_ids_and_images_are_settled_as_well(tmp_path: Path) -> None:
    """Images that are null for a thousand rows, and ids that are numbers; from any start row."""
    rows: list[Any] = [{"image": None, "id": row} for row in range(1001)] + [{"image": "a", "id": "A17"}]
    table = open_table(json_lines(tmp_path / "t.jsonl", rows))
    assert [batch.ids for batch in table.batches(9, 1000)] == [["1000", "A17"]]
    assert table.copied_schema.field("id").type == pa.string()


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b'[\n{"image": "a"}\n]', "jq -c '.[]'"),
        (b'[{"image": "a"}]', "jq -c '.[]'"),
        (b'{\n"image": "a"}', "jq -c '.[]'"),
        ('{"image": "a"}\n'.encode("utf-16"), "got UTF-16"),
        ('{"image": "a"}\n'.encode("utf-16-le"), "got UTF-16"),
    ],
)
def test_json_that_is_no_json_lines_is_named(content: bytes, text: str, tmp_path: Path) -> None:
    """Arrays, objects over several lines, and other encodings; a mark, blank lines and CRLF do not matter."""
    (tmp_path / "t.jsonl").write_bytes(content)
    assert text in refusal(tmp_path / "t.jsonl")
    (tmp_path / "t.jsonl").write_bytes(b'\xef\xbb\xbf{"image": "a"}\r\n\r\n  \n{"image": "b"}')
    assert copied(tmp_path / "t.jsonl")["id"].to_pylist() == ["a", "b"]


def array(*values: Any, kind: pa.DataType | None = None) -> pa.Array[Any]:
    return pa.array(values, kind)


PAIRS: dict[str, tuple[Any, Any, list[Any], pa.DataType]] = {
    "all None of pandas": (array(None), array("x"), [None, "x"], pa.string()),
    "numbers with gaps": (array(3), array(4.0, None), [3.0, 4.0, None], pa.float64()),
    "large strings": (array("a"), array("b", kind=pa.large_string()), ["a", "b"], pa.large_string()),
    "views": (array("a"), array("b", kind=pa.string_view()), ["a", "b"], pa.string()),
    "dictionaries": (array("a").dictionary_encode(), array("b"), ["a", "b"], pa.string()),
    "numbers and names": (array(1), array("A17"), ["1", "A17"], pa.string()),
    "short and long numbers": (array(1, kind=pa.int32()), array(2**40), [1, 2**40], pa.int64()),
    "truth values and numbers": (array(True), array(2), ["true", "2"], pa.string()),
    "units of time": (
        array(1, kind=pa.timestamp("ms")),
        array(5, kind=pa.timestamp("us")),
        [pd.Timestamp(1, unit="ms"), pd.Timestamp(5, unit="us")],
        pa.timestamp("us"),
    ),
}


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("suffix", ["parquet", "feather"])
@pytest.mark.parametrize("case", PAIRS)
def test_files_of_other_types_are_one_table(case: str, suffix: str, order: int, tmp_path: Path) -> None:
    """Both ways round; columns that are not read differ in type and order, or are in one file alone."""
    first, second, expected, kind = PAIRS[case]
    write: Any = (
        parquet.write_table if suffix == "parquet" else lambda table, path: feather.write_feather(table, str(path))
    )
    names = ["p", "q"][::order]
    write(
        pa.table({"image": ["a"] * len(first), "x": first, "unused": [1] * len(first)}),
        tmp_path / f"{names[0]}.{suffix}",
    )
    write(
        pa.table({"unused": ["u"] * len(second), "x": second, "image": ["b"] * len(second), "more": second}),
        tmp_path / f"{names[1]}.{suffix}",
    )
    column = copied(tmp_path, copy=["x"])["x"]
    assert column.type == kind
    wanted = expected if order == 1 else expected[len(first) :] + expected[: len(first)]
    assert [
        pd.Timestamp(value) if isinstance(wanted[0], pd.Timestamp) else value for value in column.to_pylist()
    ] == wanted


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_columns_that_are_read_are_needed_in_every_file(suffix: str, tmp_path: Path) -> None:
    """One line that names the file; keys of JSON lines may be missing in any line."""
    frames = [pd.DataFrame({"image": ["a"], "kind": ["x"]}), pd.DataFrame({"image": ["b"]})]
    for name, frame in zip("pq", frames, strict=True):
        path = tmp_path / f"{name}.{suffix}"
        if suffix == "csv":
            frame.to_csv(path, index=False)
        elif suffix == "jsonl":
            frame.to_json(path, orient="records", lines=True)
        else:
            frame.to_parquet(path)
    if suffix == "jsonl":
        assert copied(tmp_path, copy=["kind"])["kind"].to_pylist() == ["x", None]
    else:
        expected = f'column "kind": expected one in every file, as in p.{suffix}, got none among image (q.{suffix})'
        assert refusal(tmp_path, copy=["kind"]) == expected


def test_structs_of_other_layouts_hold_the_same_images(tmp_path: Path) -> None:
    """As polars and pandas write them: fields in another order, large, or of nulls alone."""
    large = pa.struct([("path", pa.large_string()), ("bytes", pa.large_binary())])
    parquet.write_table(pa.table({"image": [{"bytes": b"1", "path": None}]}), tmp_path / "a.parquet")
    parquet.write_table(pa.table({"image": pa.array([{"bytes": b"2", "path": "x"}], large)}), tmp_path / "b.parquet")
    (batch,) = open_table(tmp_path).batches(9)
    assert [ref.read() for ref in batch.images["image"]] == [b"1", b"2"]


def test_types_without_a_common_one_are_named_with_the_file(tmp_path: Path) -> None:
    """Lists beside text, and paths beside bytes."""
    parquet.write_table(pa.table({"image": ["a"], "x": [[1]]}), tmp_path / "a.parquet")
    parquet.write_table(pa.table({"image": ["a"], "x": ["t"]}), tmp_path / "b.parquet")
    assert copied(tmp_path).num_rows == 2
    assert refusal(tmp_path, copy=["x"]) == (
        'column "x": expected list<element: int64>, as in the files before, got string (b.parquet); '
        "write the column with one type in all files"
    )
    assert wider(pa.string(), pa.binary()) is None
    assert wider(pa.timestamp("s"), pa.timestamp("s", tz="UTC")) == pa.string()


@pytest.mark.parametrize(
    ("first", "second", "expected", "kind"),
    [
        (pa.array([2**60 + 1]), pa.array([None, None], pa.float64()), [2**60 + 1, None, None], pa.int64()),
        (pa.array([[1, 2]]), pa.array([None], pa.float64()), [[1, 2], None], pa.list_(pa.int64())),
        (pa.array([None], pa.string()), pa.array([[1]]), [None, [1]], pa.list_(pa.int64())),
        (pa.array([None], pa.int8()), pa.array([None], pa.float64()), [None, None], pa.float64()),
        (pa.array([-1]), pa.array([2**63 + 5], pa.uint64()), ["-1", str(2**63 + 5)], pa.string()),
        (pa.array([-1]), pa.array([5], pa.uint64()), [-1, 5], pa.int64()),
        (pa.array([2**60 + 1]), pa.array([1.5]), [str(2**60 + 1), "1.5"], pa.string()),
        (pa.array([2**52 + 1]), pa.array([1.5, None]), [2**52 + 1, 1.5, None], pa.float64()),
        (pa.array([7], pa.int16()), pa.array([0.5], pa.float32()), [7, 0.5], pa.float32()),
        (pa.array([2**60], pa.timestamp("ms")), pa.array([1], pa.timestamp("ns")), None, pa.string()),
    ],
)
@pytest.mark.parametrize("order", [1, -1])
def test_values_of_no_file_are_lost_in_the_type_of_all(
    first: Any, second: Any, expected: list[Any] | None, kind: pa.DataType, order: int, tmp_path: Path
) -> None:
    """Columns without a value give way, whatever their type; what no number holds exactly is text."""
    for name, cells in zip("pq"[::order], (first, second), strict=True):
        parquet.write_table(pa.table({"image": ["i"] * len(cells), "x": cells}), tmp_path / f"{name}.parquet")
    column = copied(tmp_path, copy=["x"])["x"]
    assert column.type == kind
    wanted = [*expected[len(first) :], *expected[: len(first)]] if expected and order < 0 else expected
    assert wanted is None or column.to_pylist() == wanted


def test_whole_ids_stay_whole_where_a_gap_or_a_writer_made_fractions_of_them(tmp_path: Path) -> None:
    """In JSON lines, in one file of several, and in a table of pandas."""
    lines = json_lines(tmp_path / "t.jsonl", [{"image": "a", "id": 1}, {"image": "b", "id": 2.0}])
    for number, ids in enumerate(([1, 2], [3.0, 2**40])):
        parquet.write_table(pa.table({"image": ["a", "b"], "id": ids}), tmp_path / f"{number}.parquet")
    frame = pa.Table.from_pandas(pd.DataFrame({"image": ["a", "b"], "id": [7.0, -8.0]}))
    shards = [tmp_path / "0.parquet", tmp_path / "1.parquet"]
    for source, expected in ((lines, [1, 2]), (shards, [1, 2, 3, 2**40]), (frame, [7, -8])):
        column = copied(source)["id"]
        assert column.type == pa.int64()
        assert column.to_pylist() == expected


@pytest.mark.parametrize(
    ("value", "got"), [(2.5, "2.5 in row 1"), (float("inf"), "inf in row 1"), (float("nan"), "none in row 1")]
)
def test_ids_with_a_fraction_are_refused_by_row(value: float, got: str) -> None:
    """And those that are missing, as they are among whole numbers."""
    assert got in refusal(pa.table({"image": ["a", "b"], "id": [1.0, value]}))


def test_numbers_that_become_text_have_no_fraction_that_was_not_theirs(tmp_path: Path) -> None:
    """3 and 3.0 are one name beside "A17", and NaN is none."""
    rows = [{"image": "a", "x": value} for value in ("A17", 3, 3.0, 2.5, float("nan"))]
    expected = ["A17", "3", "3", "2.5", None]
    assert copied(json_lines(tmp_path / "t.jsonl", rows), copy=["x"])["x"].to_pylist() == expected
    files = []
    for number, values in enumerate((["A17"], [3], [3.0, 2.5, float("nan")])):
        files.append(tmp_path / f"{number}.parquet")
        parquet.write_table(pa.table({"image": ["a"] * len(values), "x": values}), files[-1])
    assert copied(files, copy=["x"])["x"].to_pylist() == expected
