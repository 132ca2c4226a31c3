"""The command line in tests: the type of the fixture `cli`, its one line of error, and what lies in a folder."""

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
