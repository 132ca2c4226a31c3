"""Lists of names in messages: the first of them and how many more there are, or all of them."""

from __future__ import annotations

from collections.abc import Sequence


def listed(names: Sequence[str], *, limit: int = 5, separator: str = ", ", total: int | None = None) -> str:
    """`a, b and 12 more`; with "; " between them, for clauses, `a; b; and 12 more`, and for
    sums `a + b + and 12 more`.

    Args:
        names: all of them, or the first where `total` says how many there are.
        limit: how many are shown.
    """
    shown = names[:limit]
    more = (len(names) if total is None else total) - len(shown)
    last = f"{separator.rstrip() if separator != ', ' else ''} and {more:,} more" if more else ""
    return separator.join(shown) + last


def quoted(names: Sequence[str]) -> str:
    """`'a', 'b' and 12 more`: of names that may be any text."""
    return listed([repr(name) for name in names])


def joined(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`: all of them, one at least."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
