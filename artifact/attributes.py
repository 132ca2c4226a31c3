"""Attributes of an image: what each of them is, and the row of numbers that the attribute tower takes for them.

Decisions a reader would question:
- A flag is -1 or 1, so that 0 is free to say that nobody knows; a number is standardised by the rows that were trained
  on, with a 1 beside it, for a number that is their mean is a 0 and would else be taken for a missing one; a category
  has a column of its own for each value. What is missing is 0 in all of its columns. So a query names some attributes
  and leaves the others out, and a cell of a table may be empty.
- What a column is follows from all of its values, and text counts as what it says: CSV has no types. So "0" and "1" are
  a flag, "0.5" is a number, and "XL" among a few sizes makes them categories; among many numbers it is a mistake.
- What is no value of an attribute is a bad row with its reason, and never quietly a missing value.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import numpy as np

from artifact.arrays import Vectors
from artifact.attribute import CATEGORY as CATEGORY
from artifact.attribute import FLAG as FLAG
from artifact.attribute import NUMBER as NUMBER
from artifact.attribute import TYPES as TYPES
from artifact.attribute import Attribute as Attribute
from artifact.attribute import as_category as as_category
from artifact.attribute import as_list as as_list
from artifact.attribute import as_number as as_number
from artifact.attribute import known_values as known_values
from artifact.errors import DataError, UsageError
from artifact.listing import listed
from artifact.nearest import nearest
from artifact.yes_no import yes_or_no

MAX_CATEGORIES = 1000
"""Of one attribute: a text column of more values is a name or a caption."""

_FEW_ROWS = 20
"""In which each may have a category of its own."""


@dataclass(frozen=True)
class BadAttribute:
    """A row, from 0, with a value that is none of its attribute, and why."""

    row: int
    reason: str


@dataclass(frozen=True)
class Attributes:
    """Attributes in their order, each with its columns in a row of numbers, one behind the other."""

    attributes: tuple[Attribute, ...]

    def __post_init__(self) -> None:
        if not self.attributes or len({each.name for each in self.attributes}) != len(self.attributes):
            raise ValueError("attributes: expected at least one, and each name once")

    def __len__(self) -> int:
        return len(self.attributes)

    @property
    def names(self) -> tuple[str, ...]:
        """In their order."""
        return tuple(each.name for each in self.attributes)

    @property
    def width(self) -> int:
        """A: numbers of an encoded row."""
        return sum(each.width for each in self.attributes)

    @property
    def slices(self) -> dict[str, slice]:
        """{name: its columns in an encoded row}."""
        ends = np.cumsum([each.width for each in self.attributes]).tolist()
        return {each.name: slice(end - each.width, end) for each, end in zip(self.attributes, ends, strict=True)}

    def __str__(self) -> str:
        """`color (category: blue, red), striped (flag)`, for people."""
        return listed([str(each) for each in self.attributes], limit=20)

    def encode(self, columns: Mapping[str, Any], num_rows: int) -> tuple[Vectors, list[BadAttribute]]:
        """Encode the rows of a table.

        Args:
            columns: {name: its values, a sequence or an Arrow array}; one that has none is missing in all rows.
            num_rows: of every column.

        Returns:
            float32 [N, A], and the bad rows in ascending order, each once with all its reasons; the columns of a bad
            value are 0, as if it was missing.

        Raises:
            UsageError: a name that is no attribute, with the nearest that is; or a column of another length.
        """
        for name in columns:
            self.require(name)
        rows, slices = np.zeros((num_rows, self.width), np.float32), self.slices
        bad: dict[int, list[str]] = {}
        for attribute in self.attributes:
            if attribute.name not in columns:
                continue
            cells = as_list(columns[attribute.name])
            if len(cells) != num_rows:
                what = f"column of attribute {attribute.name!r}"
                raise UsageError(what, expected=f"{num_rows} values", got=str(len(cells)))
            found: dict[str, Vectors | str | None] = {}  # texts come again and again; numbers seldom
            for row, value in enumerate(cells):
                if not isinstance(value, str) or attribute.type == NUMBER:
                    encoded = _encoded(attribute, value)
                elif value in found:
                    encoded = found[value]
                else:
                    encoded = found[value] = _encoded(attribute, value)
                if isinstance(encoded, str):
                    bad.setdefault(row, []).append(encoded)
                elif encoded is not None:
                    rows[row, slices[attribute.name]] = encoded
        return rows, [BadAttribute(row, "; ".join(reasons)) for row, reasons in sorted(bad.items())]

    def encode_query(self, values: Mapping[str, Any]) -> Vectors:
        """Encode some attributes, the others missing: float32 [1, A].

        Raises:
            UsageError: no value at all, an unknown name or a value that is none, with the nearest.
        """
        row, bad = self.encode({name: [value] for name, value in values.items()}, 1)
        if bad:
            raise UsageError(bad[0].reason)
        if not row.any():
            raise UsageError("attributes", expected=f"NAME=VALUE of {listed(self.names)}", got="none")
        return row

    def require(self, name: str) -> Attribute:
        """The attribute of this name; raises UsageError with the nearest name where there is none."""
        for each in self.attributes:
            if each.name == name:
                return each
        near = nearest(name, self.names)
        mend = f"did you mean {near}?" if near is not None else None
        raise UsageError("attribute", expected=f"one of {listed(self.names)}", got=repr(name), mend=mend)

    def with_statistics(self, columns: Mapping[str, Any]) -> Attributes:
        """The same attributes with means, scales and missing shares of other rows: those that are trained on.

        Args:
            columns: {name: its values}, each a value of its attribute. A number that is the same in all of these rows,
                or in none, keeps its mean and scale.
        """
        found = []
        for each in self.attributes:
            cells = as_list(columns[each.name])
            values = [value for value in cells if not each.says_nothing(value)]
            changed: dict[str, Any] = {"missing": round(1 - len(values) / max(1, len(cells)), 6)}
            numbers = np.array([as_number(value) for value in values], np.float64) if each.type == NUMBER else None
            if numbers is not None and len(numbers) and numbers.std() > 0:
                changed |= {"mean": float(numbers.mean()), "scale": float(numbers.std())}
            found.append(replace(each, **changed))
        return Attributes(tuple(found))

    @property
    def signature(self) -> list[dict[str, Any]]:
        """What all versions of a model share: names, types and categories; means and scales may differ."""
        return [
            {"name": each.name, "type": each.type} | ({"categories": list(each.categories)} if each.categories else {})
            for each in self.attributes
        ]

    def to_dict(self) -> list[dict[str, Any]]:
        """JSON: the manifest's field `attributes`."""
        return [each.to_dict() for each in self.attributes]

    @classmethod
    def from_dict(cls, fields: Iterable[Mapping[str, Any]]) -> Attributes:
        """From JSON; keys that a later version added are passed over.

        Raises:
            ValueError, TypeError, KeyError: not what `to_dict` gives.
        """
        found = []
        for each in fields:
            numbers = {key: float(each[key]) for key in ("mean", "scale", "missing") if key in each}
            categories = tuple(str(one) for one in each.get("categories", ()))
            found.append(Attribute(name=str(each["name"]), type=str(each["type"]), categories=categories, **numbers))
        return cls(tuple(found))

    @classmethod
    def fit(cls, columns: Mapping[str, Any], names: Sequence[str], *, where: object = None) -> Attributes:
        """Find out what each of these columns is.

        Args:
            columns: {name: its values over the rows to train on, a sequence or an Arrow array}.
            names: of the attributes, in the order that they get.
            where: the table, for messages.

        Raises:
            UsageError: no name, or one twice.
            DataError: a column that is not there, holds nothing, or the same in all rows; or texts that are no
                categories.
        """
        if not names or len(set(names)) != len(names):
            raise UsageError("attributes", expected="names of columns, each once", got=", ".join(names) or "none")
        return cls(tuple(_fit(name, columns, where) for name in names))


def _encoded(attribute: Attribute, value: Any) -> Vectors | str | None:
    """The columns of a value, None where it is missing, or why it is none."""
    try:
        return attribute.encode(value)
    except ValueError as error:
        return str(error)


def _fit(name: str, columns: Mapping[str, Any], where: object) -> Attribute:
    what = f"attribute column {name!r}"
    if name not in columns:
        near = nearest(name, columns)
        mend = f"did you mean {near}?" if near is not None else None
        raise DataError(what, expected=f"one of {listed(list(columns))}", got="no such column", where=where, mend=mend)
    cells = as_list(columns[name])
    values = [value for value in known_values(cells) if value is not None]
    if not values:
        raise DataError(what, expected="values", got=f"none in {len(cells)} rows", where=where, mend="leave it out")
    missing = round(1 - len(values) / len(cells), 6)
    if all(yes_or_no(value) is not None for value in values):
        _require_two({yes_or_no(value) for value in values}, values[0], what, where)
        return Attribute(name=name, type=FLAG, missing=missing)
    numbers = [as_number(value) for value in values]
    if all(number is not None for number in numbers):
        _require_two(set(numbers), values[0], what, where)
        spread = np.array(numbers, np.float64)
        with np.errstate(over="ignore"):
            mean, scale = float(spread.mean()), float(spread.std())
        if not (math.isfinite(scale) and math.isfinite(mean) and scale > 0):
            got = f"{spread.min():g} to {spread.max():g}"
            raise DataError(what, expected="numbers whose mean and spread are numbers too", got=got, where=where)
        return Attribute(name=name, type=NUMBER, mean=mean, scale=scale, missing=missing)
    odd = next((value for value in values if not isinstance(value, str | int | float | Decimal)), None)
    if odd is not None:
        raise DataError(what, expected="0 and 1, numbers, or texts", got=f"{type(odd).__name__} {odd!r}", where=where)
    categories = sorted({as_category(value) for value in values})
    odd = values[numbers.index(None)]
    is_mostly_numbers = 2 * numbers.count(None) < len(numbers) and len(categories) > _FEW_ROWS
    if is_mostly_numbers or not isinstance(odd, str):
        mend = "leave such cells empty, or the column out"
        raise DataError(what, expected="numbers", got=f"{odd!r} among them", where=where, mend=mend)
    _require_two(set(categories), values[0], what, where)
    if len(categories) > MAX_CATEGORIES or len(categories) == len(values) > _FEW_ROWS:
        got = f"{len(categories):,} different texts in {len(values):,} rows"
        expected = f"categories, at most {MAX_CATEGORIES:,}, that several rows share"
        raise DataError(what, expected=expected, got=got, where=where, mend="leave it out")
    return Attribute(name=name, type=CATEGORY, categories=tuple(categories), missing=missing)


def _require_two(found: set[Any], first: Any, what: str, where: object) -> None:
    """Raise DataError for a column that says the same in every row."""
    if len(found) < 2:
        mend = "leave it out, it tells no row from another"
        raise DataError(what, expected="two values or more", got=f"{first!r} in every row", where=where, mend=mend)
