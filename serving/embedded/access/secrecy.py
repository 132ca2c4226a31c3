"""Files that only their owner should read: told of where others may, and used all the same."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path


def tell_if_shared(path: Path, report: Callable[[str], None], *, what: str) -> None:
    """Report a file that others than its owner and group may read; the group is often how a service gets it.

    Args:
        what: the file is, for that line.
    """
    if os.name == "posix" and os.stat(path).st_mode & stat.S_IROTH:
        report(f"{what} {path} may be read by everybody on this machine; chmod o= {path}")
