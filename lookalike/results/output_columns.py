"""Columns of ours in the file of a table's rows, as they are told."""

from __future__ import annotations

from collections.abc import Sequence

from lookalike import console


def tell_replaced(names: Sequence[str]) -> None:
    """Note columns of the table that gave way to ours."""
    if names:
        console.note(f"in the output {', '.join(names)} stand for ours and not for the table's columns of these names")
