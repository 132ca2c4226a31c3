"""Columns of the table that are not in the file of its rows, as they are told."""

from __future__ import annotations

from collections.abc import Sequence

from lookalike import console


def tell_replaced(names: Sequence[str]) -> None:
    """Note columns of the table that gave way to ours."""
    if names:
        console.note(f"in the output {', '.join(names)} stand for ours and not for the table's columns of these names")


def tell_unlike(names: Sequence[str]) -> None:
    """Note columns of two tables that one file cannot hold."""
    if names:
        console.note(f"the output is without {', '.join(names)}: no type holds what the two tables have there")
