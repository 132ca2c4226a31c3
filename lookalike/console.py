"""What the commands print: results to stdout, progress and notes to stderr, one line for an error.

Each print of a result has a form for people and, with --json, one for machines.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """One JSON document to stdout."""
    sys.stdout.write(json.dumps(value, indent=2, default=str) + "\n")


def print_facts(title: str, facts: Mapping[str, Any]) -> None:
    """A two-column table to stdout; None is left out."""
    table = Table(title=title, title_justify="left", show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts.items():
        if value is not None:
            table.add_row(name, Text(show(value)))
    out.print(table)


def print_table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A table with a header to stdout; numbers stand to the right."""
    rows = list(rows)
    table = Table(*header, box=None, pad_edge=False)
    for column, values in zip(table.columns, zip(*rows, strict=True), strict=False):
        column.overflow = "fold"
        if all(isinstance(value, int | float) for value in values):
            column.justify = "right"
    for row in rows:
        table.add_row(*(Text(show(value)) for value in row))
    out.print(table)


def note(message: str) -> None:
    """One line to stderr."""
    err.print(Text(message))


def show(value: Any) -> str:
    """A value as a person reads it."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={show(each)}" for key, each in value.items() if each is not None)
    if isinstance(value, list | tuple):
        return ", ".join(show(each) for each in value)
    return str(value)
