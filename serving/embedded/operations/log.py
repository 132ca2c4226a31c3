"""The log: one line for what an operator wants to know, as text or as JSON, into the report that the server was given.

The logging of the program around the server is not touched. Text of others (names, ids, addresses, reasons) stands in
lines only as `printable` gives it, so that nobody can write lines, colours or reversed text of his own into a log.
"""

from __future__ import annotations

import datetime
import json
import re
import threading
from collections.abc import Callable
from typing import Any

from artifact.errors import bounded, printable
from serving.embedded.options import LOG_LEVELS

FAULT = "internal error"
"""How lines about a fault of the server's own begin."""
_LONGEST_LINE, _LONGEST_FACT = 8000, 500
_PLAIN = re.compile(r"[\w.:/@+-]+", re.ASCII)


class Log:
    """Lines of a log; safe to use from any thread.

    Args:
        write: gets each line, without its end.
        form: `text`: the line, and its facts as name=value; `json`: an object with time, level, event, message, facts.
        level: the least of LOG_LEVELS that is written.
    """

    def __init__(self, write: Callable[[str], None], *, form: str = "text", level: str = "info") -> None:
        self._write, self._is_json, self._least = write, form == "json", LOG_LEVELS.index(level)
        self._lock = threading.Lock()

    def info(self, line: str, event: str = "note", **facts: Any) -> None:
        self.write("info", line, event, facts)

    def warning(self, line: str, event: str = "note", **facts: Any) -> None:
        self.write("warning", line, event, facts)

    def error(self, line: str, event: str = "fault", **facts: Any) -> None:
        self.write("error", line, event, facts)

    def report(self, line: str) -> None:
        """A line about something that went wrong: a fault of this server's own, or what the operator can mend."""
        if line.startswith(FAULT):
            self.error(line)
        else:
            self.warning(line)

    def write(self, level: str, line: str, event: str, facts: dict[str, Any]) -> None:
        """One line; facts that are None are left out."""
        if LOG_LEVELS.index(level) < self._least:
            return
        line = printable(bounded(line, _LONGEST_LINE))
        known = {name: _fact(value) for name, value in facts.items() if value is not None}
        if self._is_json:
            time = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            told = {"time": time, "level": level, "event": event, "message": line, **known}
            line = json.dumps(told, ensure_ascii=False, separators=(",", ":"))
        elif known:
            line = " ".join([line, *(f"{name}={_quoted(value)}" for name, value in known.items())])
        with self._lock:
            self._write(line)


def _fact(value: Any) -> Any:
    return value if isinstance(value, bool | int | float) else printable(bounded(str(value), _LONGEST_FACT))


def _quoted(value: Any) -> str:
    """A value of text that cannot be taken for two, or for another name."""
    text = str(value)
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)
