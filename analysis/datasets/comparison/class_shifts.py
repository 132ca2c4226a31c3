"""Classes of two labelled sets: which are more or less frequent, which look different, and which only one set has.

Decisions a reader would question:
- A class that looks different is told by the same test as the sets, within the class, and how far by the distance of
  its two means over its own spread: 0 is no shift, 1 as far as a picture of the class usually is from its mean.
- p-values are corrected by Holm's rule over the classes that were tested. With many classes so few relabellings as the
  sets get could never reach the level, so there are more of them, on fewer rows of each class.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from analysis.datasets.comparison.difference_test import SCALES, difference_test
from analysis.datasets.comparison.landmarks import choose_landmarks
from analysis.datasets.comparison.two_sets import TwoSets
from analysis.measures.intervals import difference_interval
from analysis.neighbours.labels import has_label, label_codes
from analysis.neighbours.samples import sample_rows
from artifact.arrays import Indices, Vectors
from artifact.errors import DataError
from rows.vectors.table import VectorTable

MIN_ROWS = 5
"""Of a class in each set, so that its shift is tested."""

_LANDMARKS = 256
_MOST_ROWS, _LEAST_ROWS = 1000, 50
_PRODUCTS = 10**11
"""Of all tests of classes together: some five seconds of two cores."""

_RELABELLINGS_PER_CLASS = 40


@dataclass(frozen=True, kw_only=True)
class ClassShift:
    """One class.

    Attributes:
        name: the label.
        count_a, count_b: rows that count and have it.
        share_a, share_b: of the labelled rows that count, in [0, 1].
        difference, low, high: share_b - share_a, and its interval, which holds for all classes at once.
        shift: distance of the means of both sets over the spread of the class, less what chance alone gives, not below
            0; None where a set has fewer than MIN_ROWS, or the class has no spread.
        p_value: of the shift, corrected for all classes; None where it was not tested.
    """

    name: str
    count_a: int
    count_b: int
    share_a: float
    share_b: float
    difference: float
    low: float
    high: float
    shift: float | None
    p_value: float | None

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
    sets: TwoSets, codes: Indices, names: list[str], *, confidence: float, count: int, seed: int
) -> list[ClassShift]:
    """Shares and shifts of all classes, the most different first: by shift, then by share.

    Args:
        codes: int64 [N], the class of each row, or -1.
        names: of the classes.
        confidence: of all intervals together, in (0, 1).
        count: relabellings of a test, at least.
    """
    members = [np.flatnonzero(sets.counted & (sets.is_b == side) & (codes >= 0)) for side in (False, True)]
    counts = [np.bincount(codes[rows], minlength=len(names)) for rows in members]
    totals = [max(1, len(rows)) for rows in members]
    tested = np.flatnonzero((counts[0] >= MIN_ROWS) & (counts[1] >= MIN_ROWS)).tolist()
    count = max(count, _RELABELLINGS_PER_CLASS * len(tested))
    most = _PRODUCTS // (2 * len(SCALES) * _LANDMARKS * count * max(1, len(tested)))
    most = min(_MOST_ROWS, max(_LEAST_ROWS, most))
    members = [rows[np.argsort(codes[rows], kind="stable")] for rows in members]
    starts = [np.cumsum(each) - each for each in counts]
    shifts: dict[int, float | None] = {}
    p_values: dict[int, float] = {}
    for code in tested:
        rows_a, rows_b = (
            members[side][starts[side][code] : starts[side][code] + counts[side][code]] for side in (0, 1)
        )
        shifts[code] = _shift(sets.vectors[rows_a], sets.vectors[rows_b])
        rng = np.random.default_rng([seed, code])
        p_values[code] = _p_value(sets, np.sort(rows_a), np.sort(rows_b), most, count, rng)
    corrected = _holm(p_values)
    single = 1 - (1 - confidence) / max(1, len(names))
    found = []
    for code, name in enumerate(names):
        count_a, count_b = int(counts[0][code]), int(counts[1][code])
        share_a, share_b = count_a / totals[0], count_b / totals[1]
        low, high = difference_interval(share_b, totals[1], share_a, totals[0], confidence=single)
        found.append(
            ClassShift(
                name=name,
                count_a=count_a,
                count_b=count_b,
                share_a=share_a,
                share_b=share_b,
                difference=share_b - share_a,
                low=low,
                high=high,
                shift=shifts.get(code),
                p_value=corrected.get(code),
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


def _p_value(sets: TwoSets, rows_a: Indices, rows_b: Indices, most: int, count: int, rng: np.random.Generator) -> float:
    """Of the difference within a class, on `most` rows of each set at most."""
    rows_a, rows_b = (rows[sample_rows(len(rows), most, rng)] for rows in (rows_a, rows_b))
    units = np.unique(sets.units[np.concatenate([rows_a, rows_b])])
    if len(units) < 2:
        return 1.0
    vectors = sets.unit_vectors(units)
    in_a, in_b = (np.isin(units, sets.units[rows]) for rows in (rows_a, rows_b))
    landmarks = choose_landmarks(vectors, rng, count=_LANDMARKS, all_up_to=_LANDMARKS)
    return difference_test(vectors.__getitem__, in_a, in_b, landmarks=landmarks, count=count, rng=rng).p_value


def _holm(p_values: dict[int, float]) -> dict[int, float]:
    """S. Holm, "A simple sequentially rejective multiple test procedure" (1979)."""
    corrected, largest = {}, 0.0
    for place, (code, value) in enumerate(sorted(p_values.items(), key=lambda item: (item[1], item[0]))):
        largest = max(largest, min(1.0, value * (len(p_values) - place)))
        corrected[code] = largest
    return corrected
