"""Classes of two labelled sets: which are more or less frequent, which look different, and which only one set has.

Decisions a reader would question:
- A class that looks different is told by the same test as the sets, within the class, and how far by the distance of
  its two means over its own spread: 0 is no shift, 1 as far as a picture of the class usually is from its mean.
- Of many classes only those with most rows have a p-value: see class_tests.py. How far one has moved is told of all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from analysis.datasets.comparison.class_tests import ClassTest, run_class_tests
from analysis.datasets.comparison.share_difference import ShareDifference, share_difference
from analysis.datasets.comparison.two_sets import TwoSets
from analysis.neighbours.labels import has_label, label_codes
from artifact.arrays import Indices, Vectors
from artifact.errors import DataError
from rows.vectors.table import VectorTable

MIN_ROWS = 5
"""Of a class in each set, so that its shift is tested."""


@dataclass(frozen=True, kw_only=True)
class ClassShift(ShareDifference):
    """One class, of the labelled rows that count.

    Attributes:
        name: the label.
        shift: distance of the means of both sets over the spread of the class, less what chance alone gives, not below
            0; None where a set has fewer than MIN_ROWS, or the class has no spread.
        p_value: of the shift, corrected for all classes that were tested; None where it was not.
        least_p_value: the least that it could have been, with these rows, so many relabellings and so many classes.
    """

    name: str
    shift: float | None
    p_value: float | None
    least_p_value: float | None

    @property
    def is_left_untested(self) -> bool:
        """Whether it has rows enough, and there was no time for its test."""
        return self.p_value is None and min(self.count_a, self.count_b) >= MIN_ROWS

    def facts(self) -> dict[str, Any]:
        """For JSON."""
        return dict(self.__dict__)


def read_labels(a: VectorTable, b: VectorTable, column: str) -> tuple[Indices, list[str]]:
    """Codes of the labels of A's rows and then of B's, int64 [N], -1 for none; and the names of the classes.

    Raises:
        DataError: no such column, a column of lists, or no label in a set at all.
    """
    values: list[Any] = []
    for table in (a, b):
        found = [_name(value) for value in _plain(table.column(column)).to_pylist()]
        if not any(value is not None for value in found):
            raise DataError(f'label column "{column}"', expected="a label in some rows", got="none", where=table.source)
        values += found
    known: dict[Any, int] = {}
    codes = label_codes([value if value is not None else "" for value in values], len(values), known=known)
    is_known = np.array([value is not None for value in values])
    names = sorted(name for name in known if name != "")
    number = np.full(len(known), -1)
    number[[known[name] for name in names]] = np.arange(len(names))
    return np.where(is_known, number[codes], -1), names


def _plain(column: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
    if pa.types.is_nested(column.type):
        raise DataError("labels", expected="one word or number a row", got="lists or structs")
    return column


def _name(value: Any) -> str | None:
    """A label as text, so that 7 and "7" of two files are one class; None for none."""
    if not has_label(value):
        return None
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def class_shifts(
    sets: TwoSets, codes: Indices, names: list[str], *, alpha: float, count: int, seed: int
) -> list[ClassShift]:
    """Shares and shifts of all classes, the most different first: by shift, then by share.

    Args:
        codes: int64 [N], the class of each row, or -1.
        names: of the classes.
        alpha: level of the tests, and how often any of the intervals may leave the truth out, in (0, 1).
        count: relabellings of a test, at least.
    """
    members = [np.flatnonzero(sets.counted & (sets.is_b == side) & (codes >= 0)) for side in (False, True)]
    counts = [np.bincount(codes[rows], minlength=len(names)) for rows in members]
    totals = len(members[0]), len(members[1])
    members = [rows[np.argsort(codes[rows], kind="stable")] for rows in members]
    starts = [np.cumsum(each) - each for each in counts]
    rows_of: dict[int, tuple[Indices, Indices]] = {}
    for code in np.flatnonzero((counts[0] >= MIN_ROWS) & (counts[1] >= MIN_ROWS)).tolist():
        of_a, of_b = (members[side][starts[side][code] : starts[side][code] + counts[side][code]] for side in (0, 1))
        rows_of[code] = of_a, of_b
    shifts = {code: _shift(*(sets.vectors[rows] for rows in both)) for code, both in rows_of.items()}
    tests = run_class_tests(sets, rows_of, alpha=alpha, count=count, seed=seed)
    found = []
    for code, name in enumerate(names):
        both = int(counts[0][code]), int(counts[1][code])
        share = share_difference(both, totals, alpha=alpha / len(names))
        test = tests.get(code, ClassTest())
        found.append(
            ClassShift(
                **vars(share),
                name=name,
                shift=shifts.get(code),
                p_value=test.p_value,
                least_p_value=test.least_p_value,
            )
        )
    return sorted(found, key=_most_different)


def _most_different(each: ClassShift) -> tuple[float, float, float, str]:
    p_value = 2.0 if each.p_value is None else each.p_value
    return p_value, -(each.shift or 0.0), -abs(each.difference), each.name


def _shift(of_a: Vectors, of_b: Vectors) -> float | None:
    """Distance of both means over the root of the mean squared distance to them, corrected for what chance gives."""
    means, spreads = [], []
    for vectors in (of_a, of_b):
        wide = vectors.astype(np.float64)
        means.append(wide.mean(axis=0))
        spreads.append(float(np.square(wide - means[-1]).sum()) / (len(wide) - 1))
    squared = float(np.square(means[0] - means[1]).sum()) - spreads[0] / len(of_a) - spreads[1] / len(of_b)
    spread = (spreads[0] * (len(of_a) - 1) + spreads[1] * (len(of_b) - 1)) / (len(of_a) + len(of_b) - 2)
    return None if spread <= 0 else math.sqrt(max(0.0, squared) / spread)
