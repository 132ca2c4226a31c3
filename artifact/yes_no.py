"""Yes and no as tables write them: 1, true or yes, and 0, false or no, as any type or as text."""

from __future__ import annotations

from typing import Any

_YES, _NO = frozenset(("1", "1.0", "true", "yes")), frozenset(("0", "0.0", "false", "no"))


def yes_or_no(value: Any) -> bool | None:
    """Whether a cell says yes; None where it says neither."""
    text = "" if value is None else str(value).strip().lower()
    return text in _YES if text in _YES or text in _NO else None
