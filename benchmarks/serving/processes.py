"""What processes have used, read from /proc: a server's whole tree, since Triton runs its models in stubs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Usage:
    """Of a process and all its descendants at one moment."""

    cpu_s: float
    rss_mib: float
    threads: int
    descriptors: int


def usage(pid: int) -> Usage:
    """Raises ProcessLookupError where the process itself is gone."""
    total = [0.0, 0.0, 0, 0]
    for each in _tree(pid):
        try:
            fields = _stat(each)
            descriptors = len(os.listdir(f"/proc/{each}/fd"))
        except (FileNotFoundError, ProcessLookupError):
            if each == pid:
                raise ProcessLookupError(pid) from None
            continue
        # Children that ended are in their parent's account only once it has waited for them.
        total[0] += sum(map(int, fields[11:15])) / _TICKS
        total[1] += int(fields[21]) * _PAGE / 2**20
        total[2] += int(fields[17])
        total[3] += descriptors
    return Usage(total[0], total[1], int(total[2]), int(total[3]))


def _stat(pid: int) -> list[str]:
    """The fields behind the name, which may hold spaces."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _tree(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdecimal():
            try:
                children.setdefault(int(_stat(int(name))[1]), []).append(int(name))
            except (FileNotFoundError, ProcessLookupError):
                continue
    found, waiting = [], [pid]
    while waiting:
        found.append(waiting.pop())
        waiting += children.get(found[-1], [])
    return found
