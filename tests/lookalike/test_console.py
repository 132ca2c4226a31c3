"""What is printed of names and texts of others: it steers no terminal and forges no line."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from lookalike import console
from lookalike.cli import main
from lookalike.results.answers import JsonAnswers

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


def test_numbers_that_are_not_finite_are_null_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON has no word for them, so readers other than Python's refuse the whole document; depth is no matter."""
    odd = {"a": math.nan, "b": [1.5, (math.inf, {"c": -math.inf})], "d": "NaN", "e": np.float64("nan"), 7: None}
    expected = {"a": None, "b": [1.5, [None, {"c": None}]], "d": "NaN", "e": None, "7": None}
    console.print_json(odd)
    assert json.loads(capsys.readouterr().out, parse_constant=pytest.fail) == expected
    answers = JsonAnswers()
    answers.add(["q"], [[odd]])
    answers.end()
    found = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert found == [{"query": "q", "neighbours": [expected]}]
