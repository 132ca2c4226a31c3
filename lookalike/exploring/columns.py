"""Columns of an Arrow table as the explorer has them: categories, numbers, dates, texts.

Decisions a reader would question:
- A text column is one of categories up to MAX_CATEGORIES different values that are half as many as its rows at most;
  others are texts, which can be searched and read but not coloured by.
- Whole numbers of up to FEW different values are categories: classes and clusters are numbered as often as named.
  Names of numbers keep the order of numbers.
- The page's numbers are float64. Numbers that it would change (ids beyond 2^53, decimals of many digits) are told from
  each other as texts are.
- What names no class (analysis/neighbours/labels.py) is an empty cell: NaN, an empty text.
- What the page cannot show as one of these (lists, structs) is its JSON.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from analysis.neighbours.labels import has_label
from artifact.arrays import Numbers
from pages.explorer.data import Categories, Codes, Column, Measures, Texts, code_type, texts
from rows.widening import retyped

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
    if pa.types.is_float16(kind) or pa.types.is_float32(kind):
        cells, kind = shortest(cells), pa.float64()
    if pa.types.is_boolean(kind):
        return _booleans(name, cells), None
    if is_label and not pa.types.is_nested(kind):
        return _categories(name, cells), None
    if pa.types.is_integer(kind) and pc.count_distinct(cells).as_py() <= FEW:
        return _categories(name, cells), None
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        numbers = _numbers(cells)
        if numbers is not None:
            return Measures(name=name, values=numbers), None
        is_text = True
    if pa.types.is_temporal(kind) and not (pa.types.is_duration(kind) or pa.types.is_time(kind)):
        return _dates(name, cells), None
    if is_text:
        num_values = pc.count_distinct(cells, mode="only_valid").as_py()
        if num_values <= min(MAX_CATEGORIES, max(FEW, len(cells) // 2)):
            return _categories(name, cells), None
    told, is_cut = texts(text_cells(cells))
    return Texts(name=name, cells=told), f"long cells of {name!r} are cut" if is_cut else None


def set_column(name: str, names: Sequence[str], counts: Sequence[int]) -> Categories:
    """Which of several tables each row is of, the rows of one after those of the other."""
    codes: Codes = np.repeat(np.arange(len(names)), counts).astype(code_type(len(names)))
    return Categories(name=name, codes=codes, names=list(names), is_set=True)


def shortest(cells: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
    """Narrow floats as the shortest float64 that are they: 0.1 of a float32 is 0.1, not 0.10000000149011612."""
    if pa.types.is_float32(cells.type):
        return pc.cast(pc.cast(cells, pa.string()), pa.float64())
    halves: Any = cells.to_numpy()  # NaN where null; Arrow writes their digits in float64
    return pa.chunked_array([pa.array(halves.astype(np.float16).astype(str).astype(np.float64), from_pandas=True)])


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
    order = sorted((at for at, value in enumerate(values) if has_label(value)), key=lambda at: values[at])
    places: Codes = np.full(len(values) + 1, len(order), code_type(len(order)))
    places[order] = np.arange(len(order))
    indices: Any = pc.fill_null(encoded.indices, len(values))
    codes = np.asarray(indices.to_numpy(zero_copy_only=False), np.int64)
    return Categories(name=name, codes=places[codes], names=[_plain(values[at]) for at in order])


def _numbers(cells: pa.ChunkedArray[Any]) -> Numbers | None:
    """float64 [N], NaN where there is none; None where that would change any."""
    try:
        return np.asarray(retyped(cells, pa.float64()).to_numpy(), np.float64)
    except (pa.ArrowException, ValueError):
        return None


def _dates(name: str, cells: pa.ChunkedArray[Any]) -> Measures:
    instants = pc.cast(pc.cast(cells, pa.timestamp("ms"), safe=False), pa.int64())
    values: Any = pc.cast(instants, pa.float64(), safe=False)
    return Measures(name=name, values=np.asarray(values.to_numpy(), np.float64), kind="date")


def text_cells(cells: pa.ChunkedArray[Any]) -> list[str | None]:
    """Cells of any type as the page writes them."""
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
