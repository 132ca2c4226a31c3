"""OpenMP's manner of waiting: set by the command, before torch and faiss look, and by nothing else."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

_NAMES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
_AFTER = "import os; print(*(os.environ.get(name, '-') for name in {names!r}))"


def _policy(before: str, **said: str) -> list[str]:
    """The three variables in a fresh process after `before`."""
    environment = {name: value for name, value in os.environ.items() if name not in _NAMES} | said
    code = f"{before}\n{_AFTER.format(names=_NAMES)}"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1].split()


def test_command_lets_threads_sleep_while_they_wait() -> None:
    """Soon, whatever the command does: OpenMP is told first."""
    assert _policy("from lookalike.cli import main; main(['--version'])") == ["passive", "1000", "-"]


@pytest.mark.parametrize("name", _NAMES)
def test_what_the_user_says_holds(name: str) -> None:
    """Each of the three ways to say it is left alone, and nothing is added."""
    value = "active" if name == "OMP_WAIT_POLICY" else "77"
    expected = [value if each == name else "-" for each in _NAMES]
    assert _policy("from lookalike.cli import main; main(['--version'])", **{name: value}) == expected


@pytest.mark.parametrize("module", ["lookalike", "lookalike.cli", "trainer", "serving", "analysis"])
def test_import_changes_no_environment(module: str) -> None:
    """A program that uses the packages decides for itself."""
    assert _policy(f"import {module}") == ["-", "-", "-"]


def test_no_library_with_openmp_is_loaded_before_the_policy_is_set() -> None:
    """What the command's entry imports brings none of them."""
    code = "import sys; import lookalike.cli; print([m for m in ('torch', 'faiss', 'sklearn') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
