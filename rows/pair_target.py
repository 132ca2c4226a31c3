"""Target of pairs: the column that says of each pair whether its two images are different.

Decision a reader would question: it is called `different` (1 = different) or `same` (1 = same). A column `label` is
refused: of the libraries that call it so, some mean 1 = similar and others the opposite.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from artifact.errors import DataError
from artifact.yes_no import yes_or_no

DIFFERENT, SAME = "different", "same"
TARGET_ROLES = (DIFFERENT, SAME)
"""Roles that the column may have: what its 1 means."""

_MEND = "name it with --columns different=COLUMN or same=COLUMN"


def find_target(roles: Mapping[str, str], names: Sequence[str], *, what: str, where: str) -> tuple[str, str]:
    """(`different` or `same`, its column).

    Args:
        roles: {role: column}; others than TARGET_ROLES are passed over.
        names: all columns of the table, for the message.
        what, where: what needs the target, and the table, for the message.

    Raises:
        DataError: neither role is there, or both are.
    """
    found = [role for role in TARGET_ROLES if role in roles]
    if len(found) == 1:
        return found[0], roles[found[0]]
    got, mend = ("both" if found else f"none among {', '.join(names)}"), _MEND
    if not found and "label" in names:
        got, mend = "label, which some read as 1 = same and others as 1 = different", f"say which: {_MEND}"
    raise DataError(
        what,
        expected="a column different (1 = different) or same (1 = same)",
        got=got,
        where=where,
        mend=mend,
    )


def is_different(
    value: Any, target: tuple[str, str], *, place: str, where: str | None = None, may_be_empty: bool = False
) -> bool | None:
    """Whether a cell says that the two images are different.

    Args:
        value: 1, true or yes, or 0, false or no, as any type or as text.
        target: (role, column).
        place, where: of the cell (`row 3`), for the message.
        may_be_empty: give None for null, NaN and empty text, instead of refusing them.

    Raises:
        DataError: anything else.
    """
    role, column = target
    says = yes_or_no(value)
    if says is not None:
        return says == (role == DIFFERENT)
    if may_be_empty and (value is None or str(value).strip().lower() in ("", "nan")):
        return None
    got = "nothing" if value is None else repr(value)
    raise DataError(f'column "{column}", {place}', expected=f"1 ({role}) or 0", got=got, where=where)
