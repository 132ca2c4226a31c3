"""Columns of Arrow tables as the explorer's page has them."""

import datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest

from lookalike.exploring.columns import FEW, page_column
from pages.explorer.data import Categories, Measures, Texts


def _categories(cells: list[object], kind: pa.DataType | None = None, **options: bool) -> tuple[list[str | None], list]:
    """The cells of a column of categories as the page shows them, and its names."""
    column, cut = page_column("c", pa.chunked_array([pa.array(cells, kind)]), **options)
    assert isinstance(column, Categories)
    assert cut is None
    names = [*column.names, None]
    return [names[code] for code in column.codes.tolist()], list(column.names)


def test_texts_that_repeat_are_categories() -> None:
    """Names are sorted, and an empty cell has no name."""
    cells = ["b", "a", None, "b"] * 20
    assert _categories(cells) == (cells, ["a", "b"])


def test_whole_numbers_of_few_values_are_categories_in_the_order_of_numbers() -> None:
    """10 stands after 2."""
    cells = [10, 2, None, -1] * 5
    assert _categories(cells) == ([None if value is None else str(value) for value in cells], ["-1", "2", "10"])


def test_many_whole_numbers_are_numbers_unless_they_are_labels() -> None:
    """More values than FEW make a ramp; as the label column they are classes."""
    cells = list(range(FEW + 1))
    column, _ = page_column("c", pa.chunked_array([pa.array(cells)]))
    assert isinstance(column, Measures)
    np.testing.assert_array_equal(column.values, cells)
    assert _categories(cells, is_label=True)[1] == [str(value) for value in cells]


@pytest.mark.parametrize(
    "kind", [pa.int64(), pa.uint64(), pa.decimal128(25, 0), pa.decimal128(30, 5), pa.dictionary(pa.int32(), pa.int64())]
)
def test_numbers_that_float64_would_change_are_texts(kind: pa.DataType) -> None:
    """Ids beyond 2^53 and decimals of many digits stay what they are, one different from the other."""
    plain = kind.value_type if pa.types.is_dictionary(kind) else kind
    cells = pa.array([2**53 + row for row in range(120)], plain)
    column, _ = page_column("c", pa.chunked_array([cells.cast(kind) if plain is kind else cells.dictionary_encode()]))
    assert isinstance(column, Texts)
    told = column.cells.decode().split("\0")
    assert [int(Decimal(cell)) for cell in told] == [2**53 + row for row in range(120)]


@pytest.mark.parametrize("kind", [pa.int64(), pa.decimal128(20, 0)])
def test_numbers_that_float64_would_change_are_categories_where_they_repeat(kind: pa.DataType) -> None:
    """As texts are, in the order of numbers."""
    cells = [-(2**60) - 1, 5, 2**53 + 1, None, *(2**60 + row for row in range(FEW))] * 3
    names = sorted({value for value in cells if value is not None})
    assert _categories(cells, kind)[1] == [str(value) for value in names]


def test_numbers_up_to_2_53_are_numbers() -> None:
    """The last that float64 tells from their neighbours, and decimals as they are written."""
    for cells in ([2**53 - row for row in range(30)], [-(2**53) + row for row in range(30)]):
        column, _ = page_column("c", pa.chunked_array([pa.array(cells)]))
        assert isinstance(column, Measures)
        assert [int(value) for value in column.values] == cells
    prices = [f"{row}.{row % 100:02d}" for row in range(1, 3000)]
    column, _ = page_column("c", pa.chunked_array([pa.array(map(Decimal, prices), pa.decimal128(12, 2))]))
    assert isinstance(column, Measures)
    assert column.values.tolist() == [float(price) for price in prices]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ([2.0, float("nan"), 1.0, None, float("nan"), 10.0], ["2.0", None, "1.0", None, None, "10.0"]),
        (["b", "", "a", None], ["b", None, "a", None]),
        ([float("nan"), None], [None, None]),
    ],
)
def test_labels_that_name_no_class_are_empty(cells: list[object], expected: list[str | None]) -> None:
    """NaN and an empty text are none of the classes; the others keep their order."""
    found, names = _categories(cells, is_label=True)
    assert found == expected
    assert names == sorted(
        {name for name in expected if name is not None}, key=lambda name: cells[expected.index(name)]
    )


def test_texts_that_are_all_different_are_texts() -> None:
    """They are one string with NUL between the cells, and a mark for an empty one."""
    column, _ = page_column("c", pa.chunked_array([pa.array([f"caption {row}" for row in range(50)] + [None])]))
    assert isinstance(column, Texts)
    assert column.cells.decode().split("\0") == [*(f"caption {row}" for row in range(50)), "\x01"]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ([1.5, None, float("nan"), float("inf")], [1.5, np.nan, np.nan, np.inf]),
        ([Decimal("2.25"), None], [2.25, np.nan]),
        (pa.array([1.5, None], pa.float16()), [1.5, np.nan]),
    ],
)
def test_numbers_are_float64_with_nan_for_nothing(cells: object, expected: list[float]) -> None:
    """Floats of any width and decimals; infinite ones stay."""
    column, _ = page_column("c", pa.chunked_array([pa.array(cells) if isinstance(cells, list) else cells]))
    assert isinstance(column, Measures)
    np.testing.assert_array_equal(column.values, expected)


@pytest.mark.parametrize("kind", [pa.date32(), pa.date64(), pa.timestamp("ns"), pa.timestamp("us", "UTC")])
def test_dates_are_milliseconds_since_1970(kind: pa.DataType) -> None:
    """Of every type of date, with NaN for nothing."""
    day = datetime.datetime(2024, 2, 29, tzinfo=datetime.UTC)
    given = day.date() if kind in (pa.date32(), pa.date64()) else day if kind.tz else day.replace(tzinfo=None)
    column, _ = page_column("c", pa.chunked_array([pa.array([given, None], kind)]))
    assert isinstance(column, Measures)
    assert column.kind == "date"
    np.testing.assert_array_equal(column.values, [day.timestamp() * 1000, np.nan])


def test_booleans_dictionaries_and_lists() -> None:
    """A boolean is a category of false and true, a dictionary what its values are, a list its JSON."""
    assert _categories([True, None, False]) == (["true", None, "false"], ["false", "true"])
    assert _categories(["a", "a", None] * 9, pa.dictionary(pa.int8(), pa.string()))[1] == ["a"]
    column, _ = page_column("c", pa.chunked_array([pa.array([[1, 2], None, ["ü"] and [3]])]))
    assert isinstance(column, Texts)
    assert column.cells.decode().split("\0") == ["[1, 2]", "\x01", "[3]"]
