"""What points are coloured by: classes, numbers, dates, and rows without a value."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from artifact.errors import DataError
from pages.colouring import Colouring, by_class, by_column
from pages.palette import ABSENT, CLASSES, MORE, STEPS

_AT_THREE = datetime.datetime(2020, 1, 2, 3)


def _column(values: list[Any], kind: pa.DataType | None = None) -> Colouring:
    return by_column(pa.chunked_array([pa.array(values[:1], kind), pa.array(values[1:], kind)]), "c")


def _colours(found: Colouring) -> list[str]:
    return [found.colours[code] for code in found.codes]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
def test_text_is_classes_in_the_order_of_names(kind: pa.DataType) -> None:
    """Whatever Arrow calls it; a null has no value, an empty text is a class."""
    values = ["b", "ä", "b", None, "", "a"]
    array: Any = pa.array(values, pa.string())
    column = pa.chunked_array([array.dictionary_encode() if pa.types.is_dictionary(kind) else array.cast(kind)])
    found = by_column(column, "c")
    assert found.legend == (
        ("c1", "(empty)", "1"),
        ("c2", "a", "1"),
        ("c3", "b", "2"),
        ("c4", "ä", "1"),
        (ABSENT, "no value", "1"),
    )
    assert _colours(found) == ["c3", "c4", "c3", ABSENT, "c1", "c2"]
    assert found.words == ((2, "(empty)"), (3, "a"), (4, "b"), (5, "ä"))


def test_the_ten_largest_classes_are_coloured() -> None:
    """The others are grey, counted, and drawn below; colours follow names, not sizes."""
    sizes = np.array([3, 1, 5, 2, 9, 9, 9, 9, 9, 9, 9, 9])
    found = by_class(np.repeat(np.arange(12), sizes), [f"n{row:02}" for row in range(12)], is_counted=True)
    assert [name for _, name, _ in found.legend] == [
        "n00",
        "n02",
        *(f"n{row:02}" for row in range(4, 12)),
        "2 more classes",
    ]
    assert found.legend[-1] == (MORE, "2 more classes", "3")
    assert [colour for colour, _, _ in found.legend[:-1]] == list(CLASSES)
    assert np.bincount(found.codes).tolist() == [0, 3, 3, 5, *[9] * 8]


def test_few_whole_numbers_are_classes_and_many_are_numbers() -> None:
    """Digits are classes in the order of numbers; a thousand prices are on the ramp."""
    assert [name for _, name, _ in _column([10, 9, 2, 9]).legend] == ["2", "9", "10"]
    found = _column(list(range(1000)))
    assert found.ends == ("10 or less", "989 or more")
    assert _colours(found)[0] == STEPS[0]
    assert _colours(found)[-1] == STEPS[-1]
    assert (np.diff(found.codes) >= 0).all()


def test_truth_is_two_classes() -> None:
    """false before true."""
    assert [name for _, name, _ in _column([True, False, None]).legend] == ["false", "true", "no value"]


@pytest.mark.parametrize("kind", [pa.float32(), pa.float64(), pa.float16(), pa.decimal128(6, 2)])
def test_numbers_go_along_the_ramp_and_what_is_none_is_grey(kind: pa.DataType) -> None:
    """Ends, middle, null; of floats NaN and infinity too."""
    values: list[Any] = [0, 5, 10, None]
    found = by_column(pa.chunked_array([pa.array(values, pa.float64()).cast(kind)]), "c")
    assert _colours(found) == [STEPS[0], STEPS[16], STEPS[-1], ABSENT]
    assert found.ends == ("0", "10")
    assert found.legend == ((ABSENT, "no value", "1"),)
    if kind == pa.float64():
        assert _colours(_column([1.0, float("nan"), float("inf"), 3.0])) == [STEPS[0], ABSENT, ABSENT, STEPS[-1]]


def test_one_value_far_out_takes_no_colours_from_the_others() -> None:
    """Of a hundred and more numbers the ends are percentiles."""
    found = _column([*np.linspace(0, 1, 300).tolist(), 1e6])
    assert found.ends is not None
    assert found.ends[1].endswith(" or more")
    assert len(set(found.codes.tolist())) == len(STEPS)


def test_equal_numbers_and_none_at_all_are_drawn() -> None:
    """One colour; or grey for all."""
    assert set(_colours(_column([2.5, 2.5]))) == {STEPS[0]}
    assert set(_colours(_column([None, None], pa.float64()))) == {ABSENT}
    assert set(_colours(_column([None, None], pa.null()))) == {ABSENT}
    assert set(_colours(_column([None, None], pa.string()))) == {ABSENT}


@pytest.mark.parametrize(
    ("values", "ends"),
    [
        ([datetime.date(2020, 1, 2), datetime.date(2024, 5, 6)], ("2020-01-02", "2024-05-06")),
        (
            [_AT_THREE, datetime.datetime(2020, 1, 3)],
            ("2020-01-02 03:00:00", "2020-01-03 00:00:00"),
        ),
        ([datetime.time(1), datetime.time(2)], ("01:00:00", "02:00:00")),
    ],
)
def test_dates_go_along_the_ramp(values: list[Any], ends: tuple[str, str]) -> None:
    """The legend says them as dates."""
    found = _column(values)
    assert found.ends == ends
    assert _colours(found) == [STEPS[0], STEPS[-1]]


@pytest.mark.parametrize("values", [[[1.0], [2.0]], [b"a", b"b"], [{"a": 1}, {"a": 2}]])
def test_other_columns_are_no_colours(values: list[Any]) -> None:
    """One line that names the column and its type."""
    with pytest.raises(DataError, match='column "c": expected text, numbers, dates, or true and false, got'):
        _column(values)
