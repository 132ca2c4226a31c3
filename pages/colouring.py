"""What each point of a scatter is coloured by: classes, the largest in colour, or numbers along a ramp.

Decisions a reader would question:
- Ten classes have a colour of their own: no more can be told apart. The others are grey and counted in the legend.
- Colours follow the order of the classes' names, not of their sizes, so a class keeps its colour from map to map.
- Whole numbers of at most MAX_WHOLE different values are classes (0 to 9 of the digits), of more they are numbers.
- A ramp runs from the first to the last percentile: one price of a million would leave all others in one colour. Of
  fewer than a hundred numbers it has them all. The explorer's page has the same ends (rampEnds of its colours.js).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from artifact.errors import DataError
from pages.palette import ABSENT, CLASSES, MORE, NUM_CLASSES, NUM_STEPS, STEPS
from pages.plot import number

MAX_WHOLE = 20
LEAST_WRITTEN = 0.02
"""Share of all points of a class whose name is written amid them: names of many small ones would cover each other."""
_FEW = 100

Codes = npt.NDArray[np.int16]


@dataclass(frozen=True, kw_only=True)
class Colouring:
    """The colours of N points.

    Attributes:
        codes: int16 [N], places in `colours`.
        colours: names of the palette; the first are drawn first, below the others.
        legend: (colour, name, how many) of each, in the order in which it is read.
        words: (code, name) of what is written amid its points.
        ends: what the two ends of a ramp mean; None where there is no ramp.
        about: what the colours say, such as the name of a column; "" for nothing.
    """

    codes: Codes
    colours: tuple[str, ...]
    legend: tuple[tuple[str, str, str], ...] = ()
    words: tuple[tuple[int, str], ...] = ()
    ends: tuple[str, str] | None = None
    about: str = ""


def plain(num_points: int) -> Colouring:
    """One colour for all."""
    return Colouring(codes=np.zeros(num_points, np.int16), colours=(CLASSES[0],))


def by_class(
    classes: Sequence[int] | npt.NDArray[np.integer], names: Sequence[str], *, about: str = "", is_counted: bool = False
) -> Colouring:
    """The largest classes in colour, in the order of `names`.

    Args:
        classes: [N], places in `names`; -1: none.
        names: of all classes.
        about: what they are.
        is_counted: whether the legend says how many there are of each.
    """
    rows = np.asarray(classes, np.int64).reshape(-1)
    sizes = np.bincount(rows[rows >= 0], minlength=max(1, len(names)))
    largest = np.sort(np.argsort(-sizes, kind="stable")[:NUM_CLASSES])
    largest = largest[sizes[largest] > 0]
    code_of = np.ones(len(sizes) + 1, np.int16)  # the others
    code_of[largest] = np.arange(2, 2 + len(largest))
    code_of[-1] = 0  # -1: none
    counts = [f"{count:,}" if is_counted else "" for count in sizes[largest].tolist()]
    shown = [shorten(names[row]) or "(empty)" for row in largest.tolist()]
    legend = [*zip(CLASSES[: len(largest)], shown, counts, strict=True)]
    num_others = int((sizes > 0).sum()) - len(largest)
    if num_others > 0:
        rest = int(sizes.sum() - sizes[largest].sum())
        legend.append((MORE, f"{num_others:,} more classes", f"{rest:,}" if is_counted else ""))
    num_absent = int((rows < 0).sum())
    if num_absent and is_counted:
        legend.append((ABSENT, "no value", f"{num_absent:,}"))
    return Colouring(
        codes=code_of[rows],
        colours=(ABSENT, MORE, *CLASSES[: len(largest)]),
        legend=tuple(legend),
        words=tuple(
            (code, name)
            for code, (name, size) in enumerate(zip(shown, sizes[largest].tolist(), strict=True), start=2)
            if size >= LEAST_WRITTEN * len(rows)
        ),
        about=about,
    )


def by_number(values: npt.NDArray[np.floating], *, about: str = "", show: Any = number) -> Colouring:
    """Numbers along the ramp.

    Args:
        values: [N]; NaN and infinity: none.
        about: what they are.
        show: a number as the legend writes it.
    """
    is_known = np.isfinite(values)
    known = np.sort(values[is_known])
    if not len(known):
        return Colouring(codes=np.zeros(len(values), np.int16), colours=(ABSENT,), about=about)
    low, high = float(known[0]), float(known[-1])
    ends = (show(low), show(high))
    rank = (len(known) + 49) // 100 if len(known) >= _FEW else 0
    first, last = float(known[rank]), float(known[-1 - rank])
    if first < last:
        ends = (show(first) + " or less" * (low < first), show(last) + " or more" * (last < high))
        low, high = first, last
    shares = np.clip((np.where(is_known, values, low) - low) / ((high - low) or 1.0), 0.0, 1.0)
    codes = (shares * (NUM_STEPS - 1)).round().astype(np.int16) + 1
    codes[~is_known] = 0
    num_absent = int((~is_known).sum())
    legend = ((ABSENT, "no value", f"{num_absent:,}"),) if num_absent else ()
    return Colouring(codes=codes, colours=(ABSENT, *STEPS), legend=legend, ends=ends, about=about)


def by_column(column: pa.ChunkedArray[Any], name: str) -> Colouring:
    """The colours of a column: classes of text and of true and false, numbers and dates along the ramp.

    Raises:
        DataError: a column of anything else.
    """
    kind: pa.DataType = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    is_whole = pa.types.is_integer(kind)
    if pa.types.is_null(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return by_number(_as_floats(column), about=name)
    if pa.types.is_temporal(kind) and not pa.types.is_duration(kind) and not pa.types.is_interval(kind):
        whole = column.cast(pa.int32()) if kind.bit_width == 32 else column
        return by_number(_as_floats(whole.cast(pa.int64())), about=name, show=_dates(kind))
    if is_whole and pc.count_distinct(column).as_py() > MAX_WHOLE:
        return by_number(_as_floats(column), about=name)
    if (
        is_whole
        or pa.types.is_boolean(kind)
        or any(test(kind) for test in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view))
    ):
        found: Any = pc.dictionary_encode(column.cast(pa.large_string()) if not is_whole else column).combine_chunks()
        names: list[Any] = found.dictionary.to_pylist()
        order = sorted(range(len(names)), key=lambda at: names[at])
        rank = np.empty(len(names) + 1, np.int64)
        rank[order] = np.arange(len(names))
        rank[-1] = -1
        codes = np.asarray(pc.fill_null(found.indices, -1))
        return by_class(rank[codes], [str(names[at]) for at in order], about=name, is_counted=True)
    raise DataError(f'column "{name}"', expected="text, numbers, dates, or true and false", got=str(kind))


def shorten(text: str, limit: int = 22) -> str:
    """A name that fits beside a point."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _as_floats(column: Any) -> npt.NDArray[np.float64]:
    return np.asarray(pc.fill_null(column.cast(pa.float64(), safe=False), float("nan")), np.float64)


def _dates(kind: pa.DataType) -> Any:
    def show(value: float) -> str:
        stored = pa.scalar(int(value), pa.int32() if kind.bit_width == 32 else pa.int64())
        return str(stored.cast(kind).as_py())

    return show
