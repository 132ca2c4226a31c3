"""Attributes: what a column is, the numbers of a row, and what is no value of an attribute."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from artifact.attributes import CATEGORY, FLAG, NUMBER, Attribute, Attributes
from artifact.errors import DataError, UsageError

COLUMNS: dict[str, list[Any]] = {
    "striped": ["1", "0", None, "yes"],
    "size": [1.0, 2.0, float("nan"), 6.0],
    "color": ["red", "größer", "", "blue"],
}
NAMES = ["color", "striped", "size"]


@pytest.fixture
def fitted() -> Attributes:
    return Attributes.fit(COLUMNS, NAMES)


def test_fit_finds_types_categories_means_and_missing_shares(fitted: Attributes) -> None:
    """In the order that was asked for, with the population's mean and deviation of the values that are there."""
    color, striped, size = fitted.attributes
    assert (color.type, color.categories, color.missing) == (CATEGORY, ("blue", "größer", "red"), 0.25)
    assert (striped.type, striped.missing) == (FLAG, 0.25)
    assert (size.type, size.missing) == (NUMBER, 0.25)
    np.testing.assert_allclose(np.array([size.mean, size.scale]), np.array([3.0, np.std([1, 2, 6])]))
    assert (fitted.names, fitted.width) == (("color", "striped", "size"), 6)
    assert fitted.slices == {"color": slice(0, 3), "striped": slice(3, 4), "size": slice(4, 6)}


def test_encode_gives_what_a_plain_loop_gives(fitted: Attributes) -> None:
    """Flags are -1 or 1, numbers standardised, categories one column each, and missing values 0 in all of theirs."""
    rows, bad = fitted.encode(COLUMNS, 4)
    expected = np.zeros((4, 6))
    for row in range(4):
        color, striped, size = COLUMNS["color"][row], COLUMNS["striped"][row], COLUMNS["size"][row]
        for column, category in enumerate(("blue", "größer", "red")):
            expected[row, column] = color == category
        expected[row, 3] = {"1": 1, "yes": 1, "0": -1, None: 0}[striped]
        expected[row, 4:] = (0, 0) if size != size else ((size - 3) / np.std([1, 2, 6]), 1)
    assert rows.dtype == np.float32
    assert bad == []
    np.testing.assert_allclose(rows, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([True, False, None], FLAG),
        ([0, 1, 1], FLAG),
        ([0.0, 1.0, float("nan")], FLAG),
        (["true", "no", " "], FLAG),
        (["1", "2", "2"], NUMBER),
        ([Decimal("1.5"), Decimal("2.5")], NUMBER),
        ([" 1e3", "-2.5"], NUMBER),
        (["36", "38", "XL"], CATEGORY),
        (["1_000", "2"], CATEGORY),
    ],
)
def test_fit_takes_text_for_what_it_says(values: list[object], kind: str) -> None:
    """CSV has no types; a column of sizes with letters among them is one of categories."""
    assert Attributes.fit({"a": values}, ["a"]).attributes[0].type == kind


def test_encode_takes_arrow_numpy_and_texts_alike(fitted: Attributes) -> None:
    """Of a dictionary its values; a table of text gives the same bytes as one of types."""
    text = {"color": ["red", "blue"], "striped": ["1", "false"], "size": ["6", "1.50"]}
    typed = {
        "color": pa.array(["red", "blue"]).dictionary_encode(),
        "striped": np.array([True, False]),
        "size": pa.chunked_array([[6], [1.5]], pa.float64()),
    }
    rows, other = fitted.encode(text, 2)[0], fitted.encode(typed, 2)[0]
    assert rows.tobytes() == other.tobytes()
    assert rows.any(axis=1).all()


def test_encode_names_bad_rows_with_their_reasons(fitted: Attributes) -> None:
    """All reasons of a row in one, the nearest category, and nothing of the bad value in its columns."""
    columns = {"color": ["gröser", "red"], "striped": ["maybe", 1], "size": ["big", "3"]}
    rows, bad = fitted.encode(columns, 2)
    assert [each.row for each in bad] == [0]
    assert bad[0].reason == (
        "attribute 'color': expected one of blue, größer, red, got 'gröser'; did you mean größer?; "
        "attribute 'striped': expected 1 or 0, got 'maybe'; attribute 'size': expected a number, got 'big'"
    )
    assert not rows[0].any()
    assert rows[1].tolist() == [0, 0, 1, 1, 0, 1]


@pytest.mark.parametrize("value", [float("inf"), "-inf", 1e300, "12 cm", [1], b"1"])
def test_encode_refuses_what_is_no_finite_number(fitted: Attributes, value: object) -> None:
    """Also where float32 could not hold it."""
    rows, bad = fitted.encode({"size": [value]}, 1)
    assert [each.row for each in bad] == [0]
    assert np.isfinite(rows).all()


def test_a_number_that_is_the_mean_is_not_missing(fitted: Attributes) -> None:
    """Three sizes, as often each, have the middle one as their mean: who asks for it asks for something."""
    assert fitted.encode_query({"size": 3}).tolist() == [[0, 0, 0, 0, 0, 1]]


def test_nan_is_missing_as_text_too(fitted: Attributes) -> None:
    """A column of CSV with one wrong cell is all text; a query of nothing but that asks for nothing, and is refused."""
    rows, bad = fitted.encode({"size": [float("nan"), "nan", " NaN "]}, 3)
    assert (bad, rows.any()) == ([], False)
    for nothing in ({"size": "nan"}, {"color": None}, {}):
        with pytest.raises(UsageError, match="attributes: expected NAME=VALUE of color, striped, size, got none"):
            fitted.encode_query(nothing)


def test_encode_of_a_whole_number_finds_its_category() -> None:
    """A gap makes 3 a 3.0 in a table, and the category stays 3."""
    fitted = Attributes((Attribute(name="n", type=CATEGORY, categories=("3", "4")),))
    rows, bad = fitted.encode({"n": [3, 3.0, "3", " 3 ", Decimal("4.0")]}, 5)
    assert bad == []
    assert rows.tolist() == [[1, 0]] * 4 + [[0, 1]]


def test_encode_query_leaves_the_others_missing(fitted: Attributes) -> None:
    """One row, with the attributes that were named."""
    np.testing.assert_array_equal(fitted.encode_query({"color": "red"}), np.array([[0, 0, 1, 0, 0, 0]], np.float32))
    assert fitted.encode_query({"striped": "0"}).tolist() == [[0, 0, 0, -1, 0, 0]]


def test_encode_query_tells_the_nearest_name_and_value(fitted: Attributes) -> None:
    """One line each."""
    with pytest.raises(UsageError) as caught:
        fitted.encode_query({"colour": "red"})
    assert str(caught.value) == ("attribute: expected one of color, striped, size, got 'colour'; did you mean color?")
    with pytest.raises(UsageError) as caught:
        fitted.encode_query({"color": "rad"})
    assert str(caught.value) == "attribute 'color': expected one of blue, größer, red, got 'rad'; did you mean red?"
    with pytest.raises(UsageError, match="expected NAME=VALUE of color, striped, size, got none"):
        fitted.encode_query({})
    with pytest.raises(UsageError, match="expected 2 values, got 1"):
        fitted.encode({"color": ["red"]}, 2)


def test_attributes_survive_json(fitted: Attributes) -> None:
    """To the last bit of every number; a key of a later version is passed over."""
    fields = json.loads(json.dumps(fitted.to_dict()))
    assert Attributes.from_dict(fields) == fitted
    assert Attributes.from_dict([{**each, "later": 1} for each in fields]) == fitted
    assert fields[1] == {"name": "striped", "type": "flag", "missing": 0.25}


def test_signature_leaves_out_what_versions_may_change(fitted: Attributes) -> None:
    """Another mean is another version; another category another model."""
    again = Attributes.fit({**COLUMNS, "size": [5.0, 7.0, 9.0, None]}, NAMES)
    assert again != fitted
    assert again.signature == fitted.signature
    assert Attributes.fit({**COLUMNS, "color": ["red", "green", None, None]}, NAMES).signature != fitted.signature


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (None, "attribute column 'a': expected one of b, got no such column (t.csv)"),
        ([None, ""], "attribute column 'a': expected values, got none in 2 rows (t.csv); leave it out"),
        (
            ["red", "red ", None],
            "attribute column 'a': expected two values or more, got 'red' in every row (t.csv); leave it out, it tells "
            "no row from another",
        ),
        ([1, 1], "attribute column 'a': expected two values or more, got 1 in every row (t.csv); leave it out, it"),
        ([3.5, 3.5], "attribute column 'a': expected two values or more, got 3.5 in every row"),
        (["x", [1]], "attribute column 'a': expected 0 and 1, numbers, or texts, got list [1]"),
        ([f"name {row}" for row in range(21)], "got 21 different texts in 21 rows (t.csv); leave it out"),
        (
            [*map(str, range(30)), "n/a"],
            "attribute column 'a': expected numbers, got 'n/a' among them (t.csv); leave such cells empty, or the",
        ),
        ([1.0, float("inf")], "attribute column 'a': expected numbers, got inf among them"),
        ([1e308, -1e308, 3.0], "expected numbers whose mean and spread are numbers too, got -1e+308 to 1e+308"),
    ],
)
def test_fit_refuses_columns_that_say_nothing(values: list[object] | None, message: str) -> None:
    """In one line: not there, empty, constant, an id, a gap written as text, numbers beyond numbers."""
    columns = {"b": [1, 2]} if values is None else {"a": values}
    with pytest.raises(DataError) as caught:
        Attributes.fit(columns, ["a"], where="t.csv")
    assert message in str(caught.value)


@pytest.mark.parametrize("names", [[], ["a", "a"]])
def test_fit_refuses_no_name_and_a_name_twice(names: list[str]) -> None:
    """The order of the columns follows from the names."""
    with pytest.raises(UsageError, match="names of columns, each once"):
        Attributes.fit({"a": [0, 1]}, names)


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [{"name": "a", "type": "colour"}],
        [{"name": "a", "type": "category"}],
        [{"name": "a", "type": "flag", "categories": ["x"]}],
        [{"name": "a", "type": "number", "scale": 0.0}],
        [{"name": "a", "type": "flag"}, {"name": "a", "type": "flag"}],
    ],
)
def test_from_dict_refuses_what_could_not_be_encoded(fields: list[dict[str, object]]) -> None:
    """A manifest is somebody else's file."""
    with pytest.raises(ValueError, match="attribute"):
        Attributes.from_dict(fields)


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "2", "3", "NaN"], NUMBER),
        (["0", "1", "nan", "1"], FLAG),
        (["dal", "nan", "roti", "nan"], CATEGORY),
    ],
)
def test_nan_of_a_text_column_is_missing_where_the_others_are_numbers(cells: list[str], kind: str) -> None:
    """So writes a number that is none whoever writes text; among words it is a word, and bread."""
    fitted = Attributes.fit({"a": cells}, ["a"])
    (attribute,) = fitted.attributes
    rows, bad = fitted.encode({"a": cells}, len(cells))
    is_word = kind == CATEGORY
    assert (attribute.type, attribute.missing, bad) == (kind, 0.0 if is_word else 0.25, [])
    at = [cell.lower() == "nan" for cell in cells].index(True)
    assert rows[at].any() == is_word
    assert fitted.with_statistics({"a": cells}).attributes[0] == attribute


@pytest.mark.parametrize(("word", "near"), [("RED", "red"), ("xyz", None), ("GRÖSSER", "größer"), ("bule", "blue")])
def test_the_nearest_value_is_named_whatever_the_case_of_its_letters(
    fitted: Attributes, word: str, near: str | None
) -> None:
    """A value in other letters is another value, and the one that was meant is said."""
    _, (bad,) = fitted.encode({"color": [word]}, 1)
    assert bad.reason.endswith(f"did you mean {near}?") == (near is not None)
