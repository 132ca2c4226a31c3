"""Notices of what a data set leaves out or has that is odd: their words, and a log of those that were reported."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from artifact.events import Report
from artifact.listing import listed
from rows.formats.source import Source

_ROWS_TOLD = 5


@dataclass(frozen=True)
class Notice:
    """What the user is told of data that is left out, or only odd.

    Attributes:
        message: one line.
        left_out: {what: how many}, for machines; nothing where data is only odd.
        passed_over: files of a folder besides its images, by suffix or what else they are.
        is_warning: whether images may be lost by it; else it is a note.
    """

    message: str
    left_out: Mapping[str, int] = field(default_factory=dict)
    passed_over: Mapping[str, int] = field(default_factory=dict)
    is_warning: bool = True

    def to_event(self, *, what: str = "") -> dict[str, Any]:
        """The event to report; `what` stands before the message."""
        counts = {"left_out": dict(self.left_out), "passed_over": dict(self.passed_over)}
        return {
            "event": "warning" if self.is_warning else "note",
            "message": f"{what}: {self.message}" if what else self.message,
            **{name: values for name, values in counts.items() if values},
        }


class NoticeLog:
    """A log of notices, which passes every event on.

    Args:
        report: gets every event.
    """

    def __init__(self, report: Report) -> None:
        self._report = report
        self._warnings: list[str] = []
        self._counts: dict[str, Counter[str]] = {"passed_over": Counter(), "left_out": Counter()}

    def report(self, event: Mapping[str, Any]) -> None:
        """Take an event."""
        if event["event"] == "warning":
            self._warnings.append(str(event["message"]))
        for name, counts in self._counts.items():
            counts.update(event.get(name, {}))
        self._report(event)

    def facts(self) -> dict[str, Any]:
        """{"passed_over": {kind: how many}, "left_out": {kind: how many}, "warnings": lines}."""
        return {**{name: dict(counts) for name, counts in self._counts.items()}, "warnings": list(self._warnings)}


def warn(report: Report, message: str) -> None:
    """Report a warning."""
    report(Notice(message).to_event())


def listed_rows(rows: Sequence[int], source: Source) -> str:
    """ "line 3" of a text, or "lines 3, 5 and 12 more"; "row 3" of other tables (rows/formats/source.py)."""
    told = [place.split(" ", 1) for place in source.places(rows[:_ROWS_TOLD])]
    return f"{told[0][0]}{'s' if len(rows) > 1 else ''} {listed([where for _, where in told], total=len(rows))}"


def left_out(number: int, what: str, plural: str) -> str:
    """`1 row was left out`, `3 rows were left out`."""
    return f"1 {what} was left out" if number == 1 else f"{number:,} {plural} were left out"


def lonely_classes(names: Sequence[str]) -> Notice:
    """Classes of one image."""
    number = left_out(len(names), "class of one image", "classes of one image")
    return Notice(f"{number} (a positive needs another image): {listed(names)}", {"classes": len(names)})
