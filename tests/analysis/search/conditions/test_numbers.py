"""Numbers in columns of text, as a CSV has them: read by CAST, and told of where they are compared without."""

from __future__ import annotations

import contextlib

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.search.conditions.matching import matching_rows
from artifact.errors import UsageError


def texts() -> pa.Table:
    return pa.table({
        "price": ["9", "50", "100", " 7.5 ", "", None, "+1e3"],
        "unit price": ["5", "6.0", "+7", "-8", "009", "1.", " "],
        "odd": ["1", "n/a", "3", "1_0", "0x10", "4,5", ""],
        "huge": ["1", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "1e400", "inf", "nan"],
        "kind": pa.array(["1", "2", "1", "2", "1", "2", "1"]).dictionary_encode(),
        "width": [1.0, 2.5, None, float("nan"), 1e300, -3.0, 0.0],
        "day": ["2020-01-02", "2020-01-10", "2019-12-31", "", None, "2021-01-01", "2020-01-01"],
        "double": [1, 2, 3, 4, 5, 6, 7],
        "none": pa.nulls(7),
    })  # fmt: skip


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("CAST(price AS DOUBLE) < 50", [0, 3]),
        ("50 >= cast(price as double)", [0, 1, 3]),
        ("CAST(price AS DOUBLE) between 9 and 100", [0, 1, 2]),
        ("not CAST(price AS DOUBLE) < 50", [1, 2, 6]),
        ("CAST(price AS DOUBLE) is null", [4, 5]),
        ("CAST(price AS DOUBLE) * 2 > CAST(\"unit price\" AS BIGINT) + 90", [1, 2]),
        ('CAST("unit price" AS BIGINT) in (5, 6, -8)', [0, 1, 3]),
        ('cast("unit price" as Integer) = 7 or CAST("unit price" AS INTEGER) = 9', [2, 4]),
        ('CAST("unit price" AS BIGINT) = 1 or CAST("unit price" AS BIGINT) is null', [5, 6]),
        ("TRY_CAST(odd AS DOUBLE) >= 1", [0, 2]),
        ("TRY_CAST(odd AS DOUBLE) is null", [1, 3, 4, 5, 6]),
        ("TRY_CAST(huge AS BIGINT) = 9223372036854775807", [1]),
        ("TRY_CAST(huge AS BIGINT) < 0 or TRY_CAST(huge AS BIGINT) = 1", [0, 3]),
        ("CAST(huge AS DOUBLE) > 1e308", [4, 5]),
        ("CAST(kind AS BIGINT) = 2", [1, 3, 5]),
        ("TRY_CAST(width AS BIGINT) <= 1", [0, 5, 6]),
        ("CAST(width AS DOUBLE) > 2 and CAST(double AS DOUBLE) < 3", [1]),  # a column that is called as a type
        ("CAST(none AS DOUBLE) < 3", []),
        ("price < '50'", [2, 3, 4, 6]),  # letters, as they are written
        ("day < '2020-01-05'", [0, 2, 3, 6]),
    ],
)  # fmt: skip
def test_cast_reads_numbers_out_of_text(condition: str, expected: list[int]) -> None:
    """By hand; an empty cell is missing, and text beside text is compared by its letters as before."""
    assert matching_rows(texts(), condition).tolist() == expected


@pytest.mark.parametrize(
    ("condition", "line"),
    [
        ("price < 50", "price is text; write CAST(price AS DOUBLE) < 50"),
        ("50 > price", "price is text; write CAST(price AS DOUBLE) < 50"),
        ("price >= 1.5", "price is text; write CAST(price AS DOUBLE) >= 1.5"),
        ("price not between 5 and -1", "price is text; write CAST(price AS DOUBLE) BETWEEN 5 AND -1"),
        ('"unit price" <= 5', '"unit price" is text; write CAST("unit price" AS DOUBLE) <= 5'),
        ("kind > 1", "kind is text; write CAST(kind AS DOUBLE) > 1"),
        ("price < width", "price is text; write CAST(price AS DOUBLE)"),
        ("width = price", "price is text; write CAST(price AS DOUBLE)"),
        ("price * 2 > 3", "price is text; write CAST(price AS DOUBLE)"),
        ("price = 7", "write '7'"),
        ("price <> 7", "write '7'"),
        ("price in (7, 8)", "write '7'"),
    ],
)
def test_text_beside_a_number_is_told_what_to_write(condition: str, line: str) -> None:
    """Quotes where the same is asked for; never where an order is, for they would compare letters."""
    with pytest.raises(UsageError) as caught:
        matching_rows(texts(), condition)
    assert str(caught.value).endswith(f"; {line}")


@pytest.mark.parametrize(
    ("condition", "line"),
    [
        (
            "CAST(odd AS DOUBLE) < 5",
            "where: expected a number in every cell of odd, got 'n/a' in row 1; "
            "TRY_CAST(odd AS DOUBLE) takes such cells for missing",
        ),
        (
            "CAST(price AS BIGINT) < 5",
            "where: expected a whole number in every cell of price, got ' 7.5 ' in row 3; "
            "TRY_CAST(price AS BIGINT) takes such cells for missing",
        ),
        (
            "CAST(huge AS INTEGER) < 5",
            "where: expected a whole number in every cell of huge, got '9223372036854775808' in row 2; "
            "TRY_CAST(huge AS INTEGER) takes such cells for missing",
        ),
        (
            "CAST(width AS BIGINT) < 5",
            "where: expected a whole number in every cell of width, got 2.5 in row 1; "
            "TRY_CAST(width AS BIGINT) takes such cells for missing",
        ),
        (
            "CAST(price AS DATE) < 5",
            "where: expected a condition such as label = 'shoe' and price < 50, got the function CAST; "
            "it is CAST(column AS TYPE), with DOUBLE, BIGINT, INTEGER for TYPE",
        ),
        ("CAST('5' AS DOUBLE) < 5", None),
        ("CAST(CAST(price AS DOUBLE) AS BIGINT) < 5", None),
        ("CAST(price AS DOUBLE(3)) < 5", None),
        ("CAST(price AS DOUBLE", None),
        ("CAST(price AS DOUBLE)", None),
        ("CAST(nothing AS DOUBLE) < 5", None),
        ('"CAST"(price AS DOUBLE) < 5', None),
        ("price < 1e", None),
        ("price < 1e-", None),
        ("width < 1e-999999999", None),  # as a fraction of whole numbers it would fill the memory
        ("width < 1e9999999999999999999", None),
        ("width < -1e", None),
        ("width + 1e < 3", None),
        ("width between 1e and 2", None),
        ("width in (1e)", None),
    ],
)
def test_what_is_no_number_is_one_line(condition: str, line: str | None) -> None:
    """A cell with its row, and numbers and casts that are half written."""
    with pytest.raises(UsageError, match=r"^where: [^\n]*$") as caught:
        matching_rows(texts(), condition)
    assert line is None or str(caught.value) == line


@settings(max_examples=150, deadline=None)
@given(cells=st.lists(st.floats(allow_nan=False) | st.integers() | st.text("0123456789.eE+- ", max_size=6), min_size=1))
def test_numbers_are_those_that_python_reads(cells: list[object]) -> None:
    """Beside float() of each cell, with what float() takes besides (underscores, nan) left out."""
    written = [str(each) for each in cells]
    expected = []
    for row, text in enumerate(written):
        with contextlib.suppress(ValueError):
            if float(text) > 3:
                expected.append(row)
    table = pa.table({"x": written})
    assert matching_rows(table, "TRY_CAST(x AS DOUBLE) > 3").tolist() == expected
    assert matching_rows(pa.table({"x": np.zeros(0, str)}), "CAST(x AS DOUBLE) > 3").tolist() == []
