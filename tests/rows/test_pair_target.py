"""The target of pairs: which column it is, and what its cells say."""

from __future__ import annotations

import math
from typing import Any

import pytest

from artifact.errors import DataError
from rows.pair_target import find_target, is_different


def test_the_column_is_found_by_its_role() -> None:
    """Of all roles that a table has, the one that says what 1 means."""
    assert find_target({"left": "a", "same": "b"}, ["a", "b"], what="pairs", where="t") == ("same", "b")
    assert find_target({"different": "b"}, ["b"], what="pairs", where="t") == ("different", "b")


@pytest.mark.parametrize(
    ("names", "got"),
    [
        (["different", "same"], "got both"),
        (["left", "right"], "got none among left, right"),
        (
            ["left", "label"],
            "got label, which some read as 1 = same and others as 1 = different .*; say which: name it",
        ),
    ],
)
def test_no_column_or_two_are_refused(names: list[str], got: str) -> None:
    """A label too, which may mean either."""
    with pytest.raises(DataError, match=got):
        find_target({name: name for name in names}, names, what="loss of pairs", where="t.csv")


@pytest.mark.parametrize(("value", "says"), [(1, True), (0.0, False), (True, True), (" YES ", True), ("false", False)])
def test_cells_say_yes_or_no_in_many_ways(value: Any, says: bool) -> None:
    """As numbers, bools and text; of `same` the opposite is told."""
    assert is_different(value, ("different", "x"), place="row 0") is says
    assert is_different(value, ("same", "x"), place="row 0") is not says


@pytest.mark.parametrize("value", [None, math.nan, " "])
def test_empty_cells_are_allowed_or_refused(value: Any) -> None:
    """None where they may be empty; else the row is named."""
    assert is_different(value, ("same", "x"), place="row 3", may_be_empty=True) is None
    with pytest.raises(DataError, match=r'column "x", row 3: expected 1 \(same\) or 0, got .* \(t.csv\)'):
        is_different(value, ("same", "x"), place="row 3", where="t.csv")


def test_other_cells_are_refused() -> None:
    """Whether or not they may be empty."""
    with pytest.raises(DataError, match=r'column "x", row 3: expected 1 \(different\) or 0, got 2'):
        is_different(2, ("different", "x"), place="row 3", may_be_empty=True)
