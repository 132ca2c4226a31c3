"""JSON lines as people have them: what is wrong with a column that is not read, or with one image, ends no job."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from artifact.errors import DataError
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
