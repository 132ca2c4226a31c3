"""Columns of an Arrow table as the explorer has them: categories, numbers, dates, texts.

Decisions a reader would question:
- A text column is one of categories up to MAX_CATEGORIES different values that are half as many as its rows at most;
  others are texts, which can be searched and read but not coloured by.
- Whole numbers of up to FEW different values are categories: classes and clusters are numbered as often as named.
  Names of numbers keep the order of numbers.
- What the page cannot show as one of these (lists, structs) is its JSON.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pages.explorer.data import Categories, Codes, Column, Measures, Texts, code_type, texts

MAX_CATEGORIES = 5000
FEW = 20


def page_column(name: str, cells: pa.ChunkedArray[Any], *, is_label: bool = False) -> tuple[Column, str | None]:
    """A column as the page has it, and what was cut of it, or None.

    Args:
        name: of the column.
        cells: of N rows.
        is_label: these are classes, whatever their type and number.
    """
    kind = cells.type
    if pa.types.is_dictionary(kind):
        cells = pc.cast(cells, kind.value_type)
        kind = kind.value_type
    if pa.types.is_boolean(kind):
        return _booleans(name, cells), None
    if is_label and not pa.types.is_nested(kind):
        return _categories(name, cells), None
    if pa.types.is_integer(kind) and pc.count_distinct(cells).as_py() <= FEW:
        return _categories(name, cells), None
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return Measures(name=name, values=_floats(cells)), None
    if pa.types.is_temporal(kind) and not (pa.types.is_duration(kind) or pa.types.is_time(kind)):
        return _dates(name, cells), None
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        num_values = pc.count_distinct(cells, mode="only_valid").as_py()
        if num_values <= min(MAX_CATEGORIES, max(FEW, len(cells) // 2)):
            return _categories(name, cells), None
    told, is_cut = texts(_text_cells(cells))
    return Texts(name=name, cells=told), f"long cells of {name!r} are cut" if is_cut else None


def set_column(name: str, names: Sequence[str], counts: Sequence[int]) -> Categories:
    """Which of several tables each row is of, the rows of one after those of the other."""
    codes: Codes = np.repeat(np.arange(len(names)), counts).astype(code_type(len(names)))
    return Categories(name=name, codes=codes, names=list(names), is_set=True)


def _booleans(name: str, cells: pa.ChunkedArray[Any]) -> Categories:
    codes: Any = pc.cast(cells, pa.uint8())
    numbers: Any = pc.fill_null(codes, 2)
    return Categories(
        name=name, codes=np.asarray(numbers.to_numpy(), np.uint8), names=["false", "true"], kind="boolean"
    )


def _categories(name: str, cells: pa.ChunkedArray[Any]) -> Categories:
    encoded: Any = pc.dictionary_encode(cells).combine_chunks()
    encoded = encoded.chunk(0) if isinstance(encoded, pa.ChunkedArray) else encoded
    values = encoded.dictionary.to_pylist()
    order = sorted(range(len(values)), key=lambda at: (isinstance(values[at], str), values[at]))
    places: Codes = np.empty(len(values) + 1, code_type(len(values)))
    places[order] = np.arange(len(values))
    places[-1] = len(values)
    indices: Any = pc.fill_null(encoded.indices, len(values))
    codes = np.asarray(indices.to_numpy(zero_copy_only=False), np.int64)
    return Categories(name=name, codes=places[codes], names=[_plain(values[at]) for at in order])


def _floats(cells: pa.ChunkedArray[Any]) -> np.ndarray[Any, np.dtype[np.float64]]:
    numbers: Any = pc.cast(cells, pa.float64(), safe=False)
    return np.asarray(numbers.to_numpy(), np.float64)


def _dates(name: str, cells: pa.ChunkedArray[Any]) -> Measures:
    instants = pc.cast(pc.cast(cells, pa.timestamp("ms"), safe=False), pa.int64())
    return Measures(name=name, values=_floats(instants), kind="date")


def _text_cells(cells: pa.ChunkedArray[Any]) -> list[str | None]:
    if pa.types.is_string(cells.type) or pa.types.is_large_string(cells.type):
        return [value for chunk in cells.chunks for value in chunk.to_pylist()]
    return [None if value is None else _plain(value) for value in cells.to_pylist()]


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    if isinstance(value, bytes):
        return value[:64].hex()
    return str(value)
