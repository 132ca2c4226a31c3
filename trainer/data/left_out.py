"""Words for what a data set leaves out: how many, and the first of them by name."""

from __future__ import annotations

from collections.abc import Sequence


def listed(names: Sequence[str], *, limit: int = 5) -> str:
    """`a, b and 12 more`."""
    more = f" and {len(names) - limit:,} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def listed_rows(rows: Sequence[int], *, limit: int = 5) -> str:
    """ "row 3", or "rows 3, 5 and 12 more"."""
    return f"row{'s' if len(rows) > 1 else ''} {listed(list(map(str, rows)), limit=limit)}"


def left_out(number: int, what: str, plural: str) -> str:
    """`1 row was left out`, `3 rows were left out`."""
    return f"1 {what} was left out" if number == 1 else f"{number:,} {plural} were left out"


def told_classes(names: Sequence[str]) -> str:
    """The line for classes of one image."""
    number = left_out(len(names), "class of one image", "classes of one image")
    return f"{number} (a positive needs another image): {listed(names)}"
