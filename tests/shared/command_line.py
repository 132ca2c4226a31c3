"""Helpers of the tests of commands: the type of the fixture `cli`, its one line of error, and what lies in a folder."""

import signal
from collections.abc import Callable
from pathlib import Path

Cli = Callable[..., tuple[int, str, str]]
"""Runs `lookalike` with these arguments; gives exit code, stdout and stderr."""


def one_line(text: str) -> str:
    """The error: the last line of stderr, which must be ours."""
    line = text.strip().splitlines()[-1]
    assert line.startswith("lookalike: "), text
    assert "Traceback" not in text
    return line.removeprefix("lookalike: ")


def everything(folder: Path) -> set[str]:
    """Relative paths of all files and folders in a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def heed_interrupts() -> None:
    """For `preexec_fn` of a program that a test interrupts: where the suite runs in the background, SIGINT is ignored,
    and a program inherits that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
