"""Conditions on rows, beside a plain loop in Python with the logic of three values."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.search.conditions.matching import matching_rows
from artifact.errors import UsageError

Truth = bool | None
"""None is unknown."""

COLUMNS: dict[str, tuple[Any, Any]] = {
    "label": (pa.string(), st.text("aAbé_%\\", max_size=3)),
    "kind": (pa.dictionary(pa.int8(), pa.string()), st.sampled_from(["x", "y", "é"])),
    "count": (pa.int64(), st.sampled_from([0, -1, 5, 2**53, 2**53 + 1, -(2**63), 2**63 - 1])),
    "small": (pa.uint8(), st.integers(0, 255)),
    "price": (pa.float64(), st.floats(width=64)),
    "weight": (pa.float32(), st.one_of(st.floats(width=32), st.sampled_from([float(np.float32(0.1)), 0.5]))),
    "flag": (pa.bool_(), st.booleans()),
    "born on": (pa.date32(), st.dates(date(1999, 1, 1), date(2001, 1, 1))),
    "seen": (pa.timestamp("ms"), st.datetimes(datetime(1999, 1, 1), datetime(2001, 1, 1)).map(
        lambda each: each.replace(microsecond=each.microsecond // 1000 * 1000)
    )),
}  # fmt: skip
OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "<>": lambda a, b: a != b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
Row = dict[str, Any]
Condition = tuple[str, Callable[[Row], Truth]]


def written(name: str) -> str:
    return f'"{name}"' if " " in name else name


def literals(name: str) -> st.SearchStrategy[tuple[str, Any]]:
    """(text of a plain value, its value) that a column can be compared with."""
    if name in ("label", "kind"):
        return st.text("aAbéx'", max_size=3).map(lambda text: ("'" + text.replace("'", "''") + "'", text))
    if name in ("count", "small"):
        near = ["0", "-1", "5", "2.5", "9007199254740992", "9007199254740993", "9223372036854775808", "1e30", "256"]
        return st.sampled_from(near).map(lambda text: (text, float(text) if "." in text or "e" in text else int(text)))
    if name in ("price", "weight"):
        texts = ["0.1", "0.5", "-3", "0", "1e38", "123456.789"]
        of_column = np.float32 if name == "weight" else np.float64
        return st.sampled_from(texts).map(lambda text: (text, float(of_column(text))))
    if name == "born on":
        return st.dates(date(1999, 6, 1), date(2000, 6, 1)).map(lambda each: (f"'{each}'", each))
    return st.datetimes(datetime(1999, 6, 1), datetime(2000, 6, 1)).map(lambda each: (f"'{each}'", each))


@st.composite
def comparisons(draw: Any) -> Condition:
    """One comparison of a column with a plain value, a list or a range, as text and as a plain function of a row."""
    name = draw(st.sampled_from([each for each in COLUMNS if each != "flag"]))
    form = draw(st.sampled_from(["compare", "turned", "in", "not in", "between", "null", "flag"]))
    text, value = draw(literals(name))
    if form == "null":
        return f"{written(name)} is not null", lambda row: row[name] is not None
    if form == "flag":
        return draw(
            st.sampled_from([
                ("flag", lambda row: row["flag"]),
                ("flag is true", lambda row: row["flag"] is True),
                ("flag is not false", lambda row: row["flag"] is not False),
                ("flag = false", lambda row: None if row["flag"] is None else not row["flag"]),
            ])
        )  # fmt: skip
    if form in ("compare", "turned"):
        sign = draw(st.sampled_from(list(OPERATORS)))
        apply = OPERATORS[sign]
        if form == "turned":
            return f"{text} {sign} {written(name)}", lambda row: None if row[name] is None else apply(value, row[name])
        return f"{written(name)} {sign} {text}", lambda row: None if row[name] is None else apply(row[name], value)
    if form == "between":
        other_text, other = draw(literals(name))
        return (
            f"{written(name)} between {text} and {other_text}",
            lambda row: None if row[name] is None else value <= row[name] <= other,
        )
    members = [(text, value), *draw(st.lists(literals(name), max_size=12))]
    listed = ", ".join(each for each, _ in members)

    def is_in(row: Row) -> Truth:
        return None if row[name] is None else any(row[name] == each for _, each in members)

    return f"{written(name)} {form} ({listed})", is_in if form == "in" else lambda row: negated(is_in(row))


def negated(truth: Truth) -> Truth:
    return None if truth is None else not truth


def both(a: Truth, b: Truth) -> Truth:
    if a is False or b is False:
        return False
    return None if a is None or b is None else True


def either(a: Truth, b: Truth) -> Truth:
    return negated(both(negated(a), negated(b)))


def joined(parts: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    def pair(two: tuple[Condition, Condition, bool]) -> Condition:
        (left, is_left), (right, is_right), is_and = two
        combine = both if is_and else either
        return f"({left} {'AND' if is_and else 'or'} {right})", lambda row: combine(is_left(row), is_right(row))

    def opposite(one: Condition) -> Condition:
        return f"not ({one[0]})", lambda row: negated(one[1](row))

    return st.one_of(st.tuples(parts, parts, st.booleans()).map(pair), parts.map(opposite))


@settings(max_examples=150, deadline=None)
@given(
    condition=st.recursive(comparisons(), joined, max_leaves=6),
    rows=st.lists(
        st.fixed_dictionaries({name: st.none() | values for name, (_, values) in COLUMNS.items()}), max_size=12
    ),
)
def test_rows_match_as_a_plain_loop_says(condition: Condition, rows: list[Row]) -> None:
    """Every kind of column, nulls, NaN, whole numbers beyond float64, and conditions within conditions."""
    text, is_true = condition
    table = pa.table({name: pa.array([row[name] for row in rows], kind) for name, (kind, _) in COLUMNS.items()})
    assert matching_rows(table, text).tolist() == [number for number, row in enumerate(rows) if is_true(row) is True]


@settings(max_examples=150, deadline=None)
@given(
    values=st.lists(st.none() | st.text("aAé_%.\n", max_size=5), max_size=9),
    pattern=st.lists(st.sampled_from(["a", "A", "é", "%", "_", "\\%", "\\_", "."]), max_size=5),
    name=st.sampled_from(["like", "ilike", "not like", "not ilike"]),
)
def test_patterns_match_as_a_regular_expression_does(values: list[Any], pattern: list[str], name: str) -> None:
    """% is any text, _ one character, a backslash takes either as it is; case counts but for ILIKE."""
    plain = {"%": ".*", "_": ".", "\\%": "%", "\\_": "_"}
    expression = "".join(plain[each] if each in plain else re.escape(each) for each in pattern)
    flags = re.DOTALL | (re.IGNORECASE if "ilike" in name else 0)
    expected = [
        number
        for number, value in enumerate(values)
        if value is not None and bool(re.fullmatch(expression, value, flags)) is not name.startswith("not")
    ]
    table = pa.table({"a": pa.array(values, pa.string())})
    assert matching_rows(table, f"a {name} '{''.join(pattern)}'").tolist() == expected


@settings(max_examples=100, deadline=None)
@given(
    rows=st.lists(st.tuples(*[st.none() | st.integers(-3, 3)] * 2), max_size=9),
    signs=st.tuples(st.sampled_from("+-*/"), st.sampled_from("+-*/")),
)
def test_arithmetic_is_that_of_floats_and_nothing_is_divided_by_zero(rows: list[Any], signs: tuple[str, str]) -> None:
    """Multiplication before addition; what is divided by 0 is unknown."""
    text = f"a {signs[0]} b {signs[1]} 2 > -b"

    def value(a: Any, b: Any) -> Any:
        try:
            return None if a is None or b is None else eval(text, {"a": float(a), "b": float(b)})
        except ZeroDivisionError:
            return None

    table = pa.table({name: pa.array([row[at] for row in rows], pa.int8()) for at, name in enumerate("ab")})
    assert matching_rows(table, text).tolist() == [at for at, row in enumerate(rows) if value(*row) is True]


def example() -> pa.Table:
    return pa.table({
        "id": ["a", "b", "c"],
        "label": ["shoe", "hat", None],
        "price": [10, 60, 5],
        "date": [date(2020, 1, 1), date(2020, 1, 2), None],
        "when": pa.array([datetime(2020, 7, 1, 10, tzinfo=UTC), None, None], pa.timestamp("s", "Europe/Berlin")),
        "fine": pa.array([datetime(2020, 1, 1), None, None], pa.timestamp("ns")),
        "none": pa.nulls(3),
        "tags": [["x"], [], None],
        "cost": pa.array(["1.10", "2.20", None]).cast(pa.decimal128(9, 2)),
        "half": pa.array([0.1, 0.2, None], pa.float16()),
    })  # fmt: skip


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("label = 'shoe' and price < 50", [0]),
        ("not price < 50 or id = 'c' and price = 5", [1, 2]),
        ("label <> 'shoe'", [1]),
        ("label is null", [2]),
        ("date >= '2020-01-02'", [1]),  # a name that SQL keeps for itself
        ("date < DATE '2020-01-02'", [0]),
        ("date = TIMESTAMP '2020-01-02 00:00:00'", [1]),
        ("date > '2020-01-01 12:00'", [1]),
        ("\"when\" = '2020-07-01 12:00'", [0]),  # in the zone of the column
        ("\"when\" = '2020-07-01T10:00+00:00'", [0]),
        ("fine <= '9999-12-31' and fine > '0001-01-01'", [0]),  # beyond what nanoseconds reach
        ("none = 1 or none like 'a' or none in (1, 2)", []),
        ("none is null and tags is not null", [0, 1]),
        ("cost = 1.1", [0]),
        ("half = 0.1", [0]),
        ("1 = 1", [0, 1, 2]),
        ("'a' = 'b' or 2 < 1.5", []),
        ("price * 2 - 1 > 18", [0, 1]),
        ("price / 0 = 1 or - price > -6", [2]),
        ("price in (" + ", ".join(map(str, range(5000))) + ")", [0, 1, 2]),
        ("id not in ('a', 'z')", [1, 2]),
        ("FALSE", []),
    ],
)
def test_condition_finds_these_rows(condition: str, expected: list[int]) -> None:
    """By hand."""
    assert matching_rows(example(), condition).tolist() == expected


@pytest.mark.parametrize(
    ("condition", "line"),
    [
        ("lable = 'x'", r'got "lable"; did you mean "label"\?$'),
        ('label = "shoe"', r"got \"shoe\"; text stands in single quotes: 'shoe'$"),
        (
            "label = 7",
            r'expected text to compare column "label" \(large_string\) with, got a number \(7\); write \'7\'$',
        ),
        ("price = 'x'", r"expected a number to compare column \"price\" \(int64\) with, got the text 'x'$"),
        ("price = label", r"expected a number to compare .* got column \"label\" "),
        ("date = 'soon'", r"expected a date as YYYY-MM-DD, got 'soon'$"),
        ("fine = '2020-01-01T00:00Z'", r"expected a time without a zone"),
        ("tags = 'x'", r"expected text, numbers, dates, .* got column \"tags\" \(list<"),
        ("label = null", r"got NULL; a missing value is asked for with IS NULL$"),
        ("label", r"by itself it is no condition"),
        ("price", r"by itself it is no condition"),
        ("7", r"it is no condition on columns"),
        ("", r"got nothing$"),
        ("  ", r"got nothing$"),
        ("price >", r"it cannot be read at '>'$"),
        ("(price = 1", r"it cannot be read at '1'$"),
        ("price = 1) or (1 = 1", r"it cannot be read at '\)'$"),
        ("price 1", r"it cannot be read at '1'$"),
        ("label = 'x", r"a quote is not closed$"),
        ("label = 'a' 'b'", r"got CONCAT\('a', 'b'\)$"),
        ("lower(label) = 'x'", r"got the function lower; functions are not taken$"),
        ("count(*) > 1", r"got the function count; "),
        ("date(label) = 'x'", r"got the function date; "),
        ("__import__('os').system('true') = 1", r"got the function __import__; "),
        ("exists (select 1)", r"got the function exists; "),
        ("price in (select price)", r"got select$"),
        ("price = 1; drop table x", r"got ;$"),
        ("price = 1 -- x", r"got a comment$"),
        ("price /* x */ = 1", r"got a comment$"),
        ("--", r"got a comment$"),
        ("case when true then false end", r"got case$"),
        ("price::int = 1", r"got ::$"),
        ("cast(price as int) = 1", r"got the function cast; "),
        ("price = 1 union select 1", r"got union$"),
        ("label like price", r"expected a text behind LIKE"),
        ("price like '1'", r"expected a column of text before LIKE"),
        ("price in ()", r"expected a list of plain values behind IN"),
        ("price in (price)", r"expected a list of plain values behind IN"),
        ("price = ?", r"got \?$"),
        ("price = .5", r"a number begins with a digit$"),
        ("a.price = 1", r"expected columns of the index .* got \"a\""),
        ("price % 2 = 0", r'got "price" % 2$'),
        ("price = 1e999999999999", r"expected numbers within float64"),
        ("label collate x = 'a'", r"got collate$"),
        ("price = *", r"got \*$"),
        ("price is distinct from 1", r"got distinct$"),
        ("price is 5", r"expected IS NULL, IS TRUE or IS FALSE"),
        ("\x00", r"got \\x00$"),
    ],
)
def test_what_is_no_condition_is_one_line(condition: str, line: str) -> None:
    """Every other word of SQL, values that cannot be compared, and what is half written."""
    with pytest.raises(UsageError, match=r"^where: [^\n]*" + line.removesuffix("$") + ("$" if line[-1] == "$" else "")):
        matching_rows(example(), condition)


@pytest.mark.parametrize(
    "condition",
    [
        "(" * 10_000 + "price = 1" + ")" * 10_000,
        "not " * 10_000 + "price = 1",
        "- " * 10_000 + "1 = 1",
        "1" + " + 1" * 10_000 + " = 1",
        " and ".join(["price = 1"] * 6_000),
        " or ".join(["(price = 1 and id = 'a')"] * 2_500),
        "price in (" * 3_000,
        "'" * 60_001,
        "a" * 60_000,
        "label = '" + "x" * (1 << 20) + "'",
        "price = " + "9" * 60_000,
        "x(" * 20_000,
        "case " * 10_000,
        "[" * 60_000,
        "label like '" + "%a" * 30_000 + "'",
    ],
)
def test_hostile_text_is_refused_at_once(condition: str) -> None:
    """In one line of bounded length, without a way to run out of stack or to go on for ever."""
    with pytest.raises(UsageError, match=r"^where: ") as caught:
        matching_rows(example(), condition)
    assert len(str(caught.value)) < 2000
    assert "\n" not in str(caught.value)


@settings(max_examples=150, deadline=None)
@given(text=st.text("abid()'\"=<>!,;.*-+/ \n%_0169\\eE", max_size=40) | st.text(max_size=20))
def test_any_text_gives_rows_or_one_line(text: str) -> None:
    """No other error, whatever is written."""
    with contextlib.suppress(UsageError):
        assert set(matching_rows(example(), text).tolist()) <= {0, 1, 2}


def test_nan_is_a_number_that_equals_nothing() -> None:
    """And no null."""
    table = pa.table({"x": [math.nan, 1.0, None]})
    assert matching_rows(table, "x is null").tolist() == [2]
    assert matching_rows(table, "x = x").tolist() == [1]
    assert matching_rows(table, "not x < 5").tolist() == [0]
