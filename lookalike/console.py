"""The forms of output: results to stdout, progress and notes to stderr.

Each print of a result has a form for people and, with --json, one for machines.
"""

from __future__ import annotations

import contextlib
import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from artifact.errors import printable

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """One JSON document to stdout."""
    sys.stdout.write(json_text(value) + "\n")


def json_text(value: Any) -> str:
    """A value as JSON: null for numbers that are not finite, which JSON has no word for; others as text."""
    return json.dumps(_finite(value), indent=2, default=str, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: _finite(each) for name, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, list | tuple) else value


def print_facts(title: str, facts: Mapping[str, Any]) -> None:
    """Names and values, one pair a line, to stdout; None is left out. Never folded: a digest stays in one piece."""
    shown = {printable(name): show(value) for name, value in facts.items() if value is not None}
    width = max(map(len, shown), default=0)
    out.print(Text(printable(title), style="italic"))
    for name, value in shown.items():
        out.print(Text.assemble((name.ljust(width), "bold"), "  ", value))


def print_table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A table with a header to stdout; numbers stand to the right. Never folded: a line is a row."""
    rows = list(rows)
    cells = [list(map(printable, header)), *([show(value) for value in row] for row in rows)]
    widths = [max(map(cell_len, column)) for column in zip(*cells, strict=True)]
    numeric = [bool(rows) and all(isinstance(row[at], int | float) for row in rows) for at in range(len(header))]
    for line in cells:
        padded = [
            " " * (width - cell_len(cell)) + cell if right else cell + " " * (width - cell_len(cell))
            for cell, width, right in zip(line, widths, numeric, strict=True)
        ]
        sys.stdout.write("  ".join(padded).rstrip() + "\n")


def note(message: str) -> None:
    """One line to stderr, whatever stands in the message; lost where it cannot be written, on a full disk say."""
    try:
        err.print(Text(printable(" ".join(message.splitlines()))))
    except OSError:
        del err._buffer[:]  # it would be tried again with the next, and grow


def line(text: str) -> None:
    """One line to stderr as it is, for logs, which come by the thousand; lost where it cannot be written."""
    with contextlib.suppress(OSError):
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


def show(value: Any) -> str:
    """A value as a person reads it, in one line; names and texts of others steer no terminal."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={show(each)}" for key, each in value.items() if each is not None)
    if isinstance(value, list | tuple):
        return ", ".join(show(each) for each in value)
    return printable(" ".join(str(value).splitlines()))
