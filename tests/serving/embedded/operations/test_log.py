"""The log: its two forms, its levels, and that nobody can write into it what he likes."""

from __future__ import annotations

import datetime
import json

import pytest

from artifact.errors import UsageError
from serving.embedded.operations.log import Log
from serving.embedded.options import ServerOptions

HOSTILE = 'a\nserving b\x1b[31m\u202ec "d" = \x00' + "x" * 5000


def test_text_is_the_line_and_its_facts() -> None:
    """Facts that are None are left out; a value that could be taken for two is quoted."""
    lines: list[str] = []
    Log(lines.append).info("loaded", "load", model="tiny", version=3, digest=None, reason="two words")
    Log(lines.append).info("as it is: [bold]")
    assert lines == ['loaded model=tiny version=3 reason="two words"', "as it is: [bold]"]


def test_json_is_an_object_a_line() -> None:
    """With a time in UTC, level, event, message and the facts in their types."""
    lines: list[str] = []
    Log(lines.append, form="json").warning("slow", "request", ms=1.5, rows=2, model="é")
    told = json.loads(lines[0])
    assert datetime.datetime.fromisoformat(told.pop("time")).utcoffset() == datetime.timedelta(0)
    assert told == {"level": "warning", "event": "request", "message": "slow", "ms": 1.5, "rows": 2, "model": "é"}


@pytest.mark.parametrize("form", ["text", "json"])
def test_hostile_text_stays_in_its_place(form: str) -> None:
    """One line, printable and of bounded length, whatever a name holds; in text its quotes do not end the value."""
    lines: list[str] = []
    Log(lines.append, form=form).info(HOSTILE, model=HOSTILE, **{f"fact{n}": HOSTILE for n in range(3)})
    (line,) = lines
    assert line.isprintable()
    assert len(line) < 12_000
    assert "\\x1b" in line
    assert "serving b\\" in line
    if form == "text":
        assert '\\"d\\" =' in line


def test_levels_leave_out_what_is_less() -> None:
    """Faults are errors, whatever else is reported a warning."""
    lines: list[str] = []
    log = Log(lines.append, level="error")
    log.info("no")
    log.report("no either")
    log.report("internal error: KeyError: 'x'")
    assert lines == ["internal error: KeyError: 'x'"]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"log_format": "xml"}, "log_format: expected one of text, json, got 'xml'"),
        ({"log_level": "loud"}, "log_level: expected one of debug, info, warning, error, got 'loud'"),
        ({"log_slow_ms": -1.0}, "log_slow_ms: expected 0 milliseconds or more, got -1"),
        ({"trace_ratio": 2.0}, "trace_ratio: expected 0 to 1, got 2"),
        ({"trace_endpoint": "here"}, "trace_endpoint: expected http://HOST:PORT, got 'here'"),
        ({"drain_s": float("nan")}, "drain_s: expected 0 seconds or more, got nan"),
        ({"idle_s": 0.0}, "idle_s: expected seconds above 0, at most 86400, got 0"),
        ({"read_s": float("inf")}, "read_s: expected seconds above 0, at most 86400, got inf"),
        ({"max_connections": 0}, "max_connections: expected at least 1, got 0"),
        ({"max_streams": 0}, "max_streams: expected at least 1, got 0"),
        ({"max_header_bytes": 0}, "max_header_bytes: expected at least 1, got 0"),
        ({"metrics_port": 65536}, "metrics_port: expected 0 to 65535, got 65536"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, object], text: str) -> None:
    """Each is named with what it should have been."""
    with pytest.raises(UsageError) as refused:
        ServerOptions(**options)  # type: ignore[arg-type]
    assert str(refused.value) == text
