"""JSON lines as people have them: what is wrong with a column that is not read, or with one image, ends no job."""

from __future__ import annotations

import base64
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from artifact.errors import DataError
from rows.formats.opening import open_source
from rows.tables import open_table

DIGITS = "7" * 5000


def read(path: Path, **options: Any) -> list[dict[str, Any]]:
    table = open_table(path, **options)
    rows: list[dict[str, Any]] = pa.concat_tables([batch.copied for batch in table.batches(3)]).to_pylist()
    return rows


@pytest.mark.parametrize(
    "odd",
    [
        '"caption": "\\ud83d"',
        '"cap\\uDC00": 1',
        '"caption": [{"\\ud83d": ["\\ud83d"]}]',
        f'"n": {DIGITS}',
        f'"n": [-{DIGITS}]',
        f'"n": {{"m": {DIGITS}}}',
        '"caption": "\\ud83d\\ude00"',
    ],
)
@pytest.mark.parametrize("place", [0, 1500])
def test_columns_that_are_not_read_do_no_harm(odd: str, place: int, tmp_path: Path) -> None:
    """Halves of letters, and numbers of more digits than Python takes, where the types are found and behind."""
    lines = ['{"image": "a", "label": 1}'] * 1600
    lines[place] = f'{{"image": "b", "label": 2, {odd}}}'
    (tmp_path / "t.jsonl").write_text("\n".join(lines))
    rows = read(tmp_path / "t.jsonl")
    assert rows == [{"id": "b" if i == place else "a", "label": 2 if i == place else 1} for i in range(1600)]


@pytest.mark.parametrize("half", [rb"\ud83d", rb"\uDFFF", b"\xed\xa0\xbd"])
def test_half_a_letter_is_shown_as_json_writes_it(half: bytes, tmp_path: Path) -> None:
    """Its row goes on with a path that names no file; whole letters beside it stay what they are."""
    line = b'{"image": "x' + half + b'.jpg", "label": "' + half + rb' \ud83d\ude00", "id": "\u00fc"}'
    (tmp_path / "t.jsonl").write_bytes(line + b'\n{"image": "b.jpg", "label": "y", "id": "2"}\n')
    shown = json.dumps(json.loads(b'"' + half + b'"')).strip('"').lower()
    assert read(tmp_path / "t.jsonl") == [
        {"id": "\u00fc", "label": f"{shown} \U0001f600"},
        {"id": "2", "label": "y"},
    ]
    (batch,) = open_table(tmp_path / "t.jsonl").batches(9)
    assert batch.images["image"][0].path == tmp_path / f"x{shown}.jpg"


def test_numbers_of_thousands_of_digits_are_text_where_they_are_read(tmp_path: Path) -> None:
    """As they are written, and the others of the column with them."""
    (tmp_path / "t.jsonl").write_text(f'{{"image": "a", "id": {DIGITS}}}\n{{"image": "b", "id": 1}}\n')
    assert read(tmp_path / "t.jsonl") == [{"id": DIGITS}, {"id": "1"}]


@pytest.mark.parametrize("damage", ["{", "[1]", '{"image": "\xfc'])
def test_rows_before_a_damage_come_before_the_error(damage: str, tmp_path: Path) -> None:
    """Also where all values of a column are looked at beforehand, for it begins with numbers."""
    lines = [f'{{"image": "{i}", "label": {i}}}' for i in range(1200)]
    (tmp_path / "t.jsonl").write_bytes("\n".join([*lines, damage]).encode("latin-1"))
    found: list[str] = []
    with pytest.raises(DataError, match=r"^line 1201: expected "):
        found.extend(name for batch in open_table(tmp_path / "t.jsonl").batches(100) for name in batch.ids)
    assert found == [str(i) for i in range(1200)]


def test_large_cells_are_read_a_few_at_a_time(tmp_path: Path) -> None:
    """Opening, settling and reading hold some megabytes of 60 MB of images as text, also in structs and unread."""
    text = base64.b64encode(bytes(30_000)).decode()
    with (tmp_path / "t.jsonl").open("w") as stream:
        for row in range(750):
            cells = {"n": row, "image": text, "s": {"bytes": text, "path": None}, "late": text if row > 740 else None}
            stream.write(json.dumps(cells) + "\n")
    tracemalloc.start()
    try:
        source, _ = open_source(tmp_path / "t.jsonl")
        kinds = source.settle(["n", "image", "s", "late"]).types
        seen, held = 0, []
        for table in source.chunks(["n", "image", "s"], start_row=1, max_rows=10**6, max_bytes=10**9):
            seen += table.num_rows
            held.append(table.nbytes)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert kinds[:2] == [pa.int64(), pa.string()]
    assert kinds[3] == pa.string()
    assert seen == 749
    assert max(held) < 5 << 20
    assert peak < 15 << 20


@pytest.mark.parametrize(("max_rows", "max_bytes"), [(1, 10**9), (3, 10**9), (10**6, 100), (10**6, 10**9), (2, 1)])
def test_tables_end_by_rows_or_by_bytes(tmp_path: Path, max_rows: int, max_bytes: int) -> None:
    """Every row comes once, from any row on, and no table holds more than one row beyond its bytes."""
    rows = [{"n": row, "image": "x" * (row % 7 * 20), "v": [0.5] * (row % 3)} for row in range(40)]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    source, _ = open_source(tmp_path / "t.jsonl")
    source.settle(["n", "image", "v"])
    for start in (0, 5, 39):
        tables = list(source.chunks(["n", "image", "v"], start_row=start, max_rows=max_rows, max_bytes=max_bytes))
        assert [row for table in tables for row in table.to_pylist()] == rows[start:]
        for table in tables:
            assert 0 < table.num_rows <= max_rows
            assert sum(len(row["image"]) for row in table.to_pylist()[:-1]) < max_bytes


@pytest.mark.parametrize(
    "values",
    [
        ["x" * 200, "y"],
        [[0.5] * 100, [1.5]],
        [[0.5, 1], [1.5]],
        [[2**62, -1], [1]],
        [[2**70]],
        [[[0.5, 1.5], [2.5]], [[]]],
        [{"bytes": "x" * 200, "path": None}, {"path": "y" * 200}],
        [["x" * 200], [0.5, 1.5]],
        [{"a": [0.5, 2.5]}, {"a": [1]}],
        [None, "x" * 100],
        [True, 1],
    ],
)
def test_types_of_columns_do_not_depend_on_how_much_is_held(values: list[Any], tmp_path: Path) -> None:
    """As Arrow finds them in whole values; text where it finds none."""
    (tmp_path / "t.jsonl").write_text("".join(json.dumps({"n": 1, "v": value}) + "\n" for value in values))
    try:
        expected = pa.array(values).type
    except (pa.ArrowException, OverflowError):
        expected = pa.string()
    assert open_source(tmp_path / "t.jsonl")[0].schema.field("v").type == expected
