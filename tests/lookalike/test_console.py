"""What is printed of names and texts of others: it steers no terminal and forges no line."""

from __future__ import annotations

import pytest

from lookalike import console
from lookalike.cli import main

HOSTILE = "a\nb\x1b[2J\u202e[red]"
SHOWN = "a b\\x1b[2J\\u202e[red]"


def test_every_form_of_output_is_printable(capsys: pytest.CaptureFixture[str]) -> None:
    """Facts, tables and notes; markup of the library that prints is text like any other."""
    console.print_facts(
        HOSTILE.replace("\n", ""), {HOSTILE.replace("\n", ""): HOSTILE, "list": [HOSTILE], "map": {"a": HOSTILE}}
    )
    console.print_table([HOSTILE.replace("\n", "")], [[HOSTILE]])
    console.note(HOSTILE)
    printed = capsys.readouterr()
    for line in (printed.out + printed.err).splitlines():
        assert line.isprintable(), line
    assert printed.err.strip() == SHOWN
    assert printed.out.count(SHOWN) == 4


def test_refusals_of_the_command_are_printable(capsys: pytest.CaptureFixture[str]) -> None:
    """An argument may come from anywhere."""
    assert main(["describe", HOSTILE]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].isprintable()
