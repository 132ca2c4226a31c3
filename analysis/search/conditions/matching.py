"""Conditions on the rows of a table: `label = 'shoe' and price < 50` as the numbers of the rows that match.

The logic is SQL's, of three values: what is compared with a null is unknown, and only a row whose condition is true
matches. So neither `price < 50` nor `not price < 50` finds a row without a price.

Decision a reader would question: each node of the tree is one function below, on whole columns of Arrow. Nothing is
evaluated as Python, no SQL is run, and a node that has no function here is refused by its name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from analysis.search.conditions.comparisons import (
    DATE,
    NOTHING,
    NUMBER,
    TEXT,
    TIMESTAMP,
    TRUTH,
    Operand,
    arithmetic,
    compare,
    is_among,
    is_like,
    literal_number,
    negated,
    of_column,
    time_of_text,
)
from analysis.search.conditions.numbers import numbers_of
from analysis.search.conditions.text import CAST_TYPES, EXAMPLE, parse_condition, refused
from artifact.arrays import Indices

_TIMES = {"DATE": DATE, "TIMESTAMP": TIMESTAMP}


def matching_rows(rows: pa.Table, condition: str) -> Indices:
    """Numbers of the rows for which a condition is true, int64 [m], rising.

    Args:
        rows: N rows.
        condition: comparisons (=, <>, !=, <, <=, >, >=), BETWEEN, IN, LIKE, ILIKE, IS NULL and IS TRUE, joined by AND,
            OR and NOT, of columns with plain values or each other. Text stands in single quotes, a name that is no
            plain word in double ones. +, -, *, / of numbers are those of float64, and / 0 is null. CAST(column AS
            DOUBLE), BIGINT or INTEGER, and TRY_CAST, read numbers out of text.

    Raises:
        UsageError: no condition, one with anything else in it, a column that is not there, or values that cannot be
            compared with it.
    """
    tree = parse_condition(condition, rows.schema.names)
    try:
        truth = _Reader(rows).truth(tree)
    except (pa.ArrowException, ValueError, ArithmeticError) as error:
        raise refused(condition, mend=" ".join(str(error).split())[:200]) from None
    if isinstance(truth, pa.Scalar):
        return np.arange(rows.num_rows) if truth.as_py() else np.arange(0)
    found: Indices = np.flatnonzero(np.asarray(pc.fill_null(truth, False)))
    return found


class _Reader:
    """Reads a tree over the columns of some rows: conditions into truth values, a boolean column or scalar of Arrow."""

    def __init__(self, rows: pa.Table) -> None:
        from sqlglot import exp

        self._rows, self._null = rows, exp.Null
        self._columns: dict[str, Operand] = {}
        self._casts: dict[tuple[Any, ...], Any] = {}
        self._truths: dict[type, Callable[[Any], Any]] = {
            exp.And: lambda node: self._joined(node, pc.and_kleene),
            exp.Or: lambda node: self._joined(node, pc.or_kleene),
            exp.Not: lambda node: pc.invert(self.truth(node.this)),
            exp.Paren: lambda node: self.truth(node.this),
            exp.EQ: self._compared("equal"),
            exp.NEQ: self._compared("not_equal"),
            exp.LT: self._compared("less"),
            exp.LTE: self._compared("less_equal"),
            exp.GT: self._compared("greater"),
            exp.GTE: self._compared("greater_equal"),
            exp.Between: self._between,
            exp.In: self._in,
            exp.Like: self._like,
            exp.ILike: self._like,
            exp.Is: self._is,
            exp.Column: self._flag,
            exp.Boolean: self._flag,
        }
        self._values: dict[type, Callable[[Any], Operand]] = {
            exp.Column: self._column,
            exp.Literal: lambda node: Operand(TEXT, node.this) if node.is_string else literal_number(node.this),
            exp.Boolean: lambda node: Operand(TRUTH, bool(node.this)),
            exp.Paren: lambda node: self.value(node.this),
            exp.Neg: lambda node: negated(self.value(node.this)),
            exp.Cast: self._cast,
            exp.TryCast: self._cast,
            exp.Add: self._calculated("+"),
            exp.Sub: self._calculated("-"),
            exp.Mul: self._calculated("*"),
            exp.Div: self._calculated("/"),
        }

    def truth(self, node: Any) -> Any:
        """Truth values of a condition, null where unknown."""
        read = self._truths.get(type(node))
        if read is None:
            raise refused(_shown(node), mend=f"it is no condition on columns, such as {EXAMPLE}")
        return read(node)

    def value(self, node: Any) -> Operand:
        """A column, a plain value, or what is calculated of them."""
        read = self._values.get(type(node))
        if read is None:
            mend = "a missing value is asked for with IS NULL" if isinstance(node, self._null) else None
            raise refused(_shown(node), expected="columns and plain values in comparisons", mend=mend)
        return read(node)

    def _joined(self, node: Any, join: Callable[[Any, Any], Any]) -> Any:
        kind, members = type(node), []
        while isinstance(node, kind):  # a long chain hangs from its first member
            members.append(node.expression)
            node = node.this
        found = self.truth(node)
        for member in reversed(members):
            found = join(found, self.truth(member))
        return found

    def _compared(self, operator: str) -> Callable[[Any], Any]:
        return lambda node: compare(operator, self.value(node.this), self.value(node.expression))

    def _calculated(self, sign: str) -> Callable[[Any], Operand]:
        return lambda node: arithmetic(sign, self.value(node.this), self.value(node.expression))

    def _between(self, node: Any) -> Any:
        if node.args.get("symmetric"):
            raise refused(_shown(node))
        value, low, high = (self.value(each) for each in (node.this, node.args["low"], node.args["high"]))
        written = f"BETWEEN {_shown(node.args['low'])} AND {_shown(node.args['high'])}"
        above = compare("greater_equal", value, low, written=written)
        return pc.and_kleene(above, compare("less_equal", value, high, written=written))

    def _in(self, node: Any) -> Any:
        members = [self.value(each) for each in node.expressions]
        if not members or any(not member.is_plain for member in members):
            raise refused(_shown(node), expected="a list of plain values behind IN, such as ('a', 'b')")
        return is_among(self.value(node.this), members)

    def _like(self, node: Any) -> Any:
        from sqlglot import exp

        found = is_like(self.value(node.this), self.value(node.expression), ignore_case=isinstance(node, exp.ILike))
        return pc.invert(found) if node.args.get("negate") else found

    def _is(self, node: Any) -> Any:
        from sqlglot import exp

        if isinstance(node.expression, exp.Null):
            operand = self.value(node.this)
            return pa.scalar(False) if operand.is_plain else pc.is_null(operand.value)
        if isinstance(node.expression, exp.Boolean):
            wanted = compare("equal", self.value(node.this), self.value(node.expression))
            return pc.fill_null(wanted, False)
        raise refused(_shown(node), expected="IS NULL, IS TRUE or IS FALSE, each with or without NOT")

    def _flag(self, node: Any) -> Any:
        operand = self.value(node)
        if operand.kind not in (TRUTH, NOTHING):
            raise refused(str(operand), mend=f"by itself it is no condition; write one such as {EXAMPLE}")
        return compare("equal", operand, Operand(TRUTH, True))

    def _column(self, node: Any) -> Operand:
        name = node.name
        if node.args.get("table") is not None or name not in self._rows.schema.names:
            raise refused(_shown(node), mend="a name that is no plain word stands in double quotes")
        if name not in self._columns:
            self._columns[name] = of_column(name, self._rows[name])
        return self._columns[name]

    def _cast(self, node: Any) -> Operand:
        """DATE '2020-01-31', which the parser takes for a cast of the text, or numbers of a column."""
        from sqlglot import exp

        kind = "INTEGER" if node.to.this == exp.DataType.Type.INT else _shown(node.to)
        if isinstance(node.this, exp.Literal) and kind in _TIMES:
            return time_of_text(node.this.this, _TIMES[kind])
        if not isinstance(node.this, exp.Column) or kind not in CAST_TYPES:
            raise refused(_shown(node), expected="DATE 'YYYY-MM-DD' or TIMESTAMP 'YYYY-MM-DD hh:mm:ss'")
        operand = self._column(node.this)
        if operand.kind == NOTHING:
            return operand
        if operand.kind not in (TEXT, NUMBER):
            raise refused(str(operand), expected="a column of text or numbers in CAST")
        key = (node.this.name, kind, type(node))
        if key not in self._casts:
            is_strict = not isinstance(node, exp.TryCast)
            self._casts[key] = numbers_of(operand.value, node.this.name, kind, is_strict=is_strict)
        return Operand(NUMBER, self._casts[key])


def _shown(node: Any) -> str:
    """A node as a message shows it."""
    try:
        return " ".join(str(node.sql()).split())
    except (ValueError, RecursionError):
        return str(type(node).__name__)
