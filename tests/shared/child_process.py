"""Child processes that can be interrupted, however the tests were started.

A shell that is not interactive starts what it puts in the background (`make test &`) with SIGINT ignored; that is
inherited, and Python then installs no handler of its own, so that a child would never see the signal of the test.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_WITH_SIGINT = (
    "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])"
)


def start_child(command: Sequence[str | Path], **options: Any) -> subprocess.Popen[Any]:
    """subprocess.Popen of a program by its whole path, which meets SIGINT as one started at a terminal does."""
    return subprocess.Popen([sys.executable, "-I", "-S", "-c", _WITH_SIGINT, *map(str, command)], **options)
