"""The processor cores that this process may use: those of its affinity, and no more than its control group grants.

A container with half a core sees every core of its host; threads for all of them then wait for each other, since the
kernel stops the whole group once a period's share is used up. Decisions a reader would question:
- A share of 2.5 cores is 2: with a third thread every parallel run would be stopped before the end of each period. Go's
  automaxprocs and Rust's available_parallelism round so too. Less than one is one.
- Nothing is remembered: shares change while a process runs (`docker update`), and looking takes a tenth of a
  millisecond.
- Where nothing can be read (macOS, no /proc) there is no share.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

OPENMP_THREADS = "OMP_NUM_THREADS"


def available_cores(*, root: Path = Path("/")) -> int:
    """Number of cores that this process may use, at least 1.

    Args:
        root: where proc/ and sys/ lie.
    """
    cores = _affinity()
    shares = [share for folder, is_unified in _groups(root) if (share := _share(folder, is_unified)) is not None]
    return max(1, min(cores, int(min(shares)))) if shares else cores


def limit_threads(*, root: Path = Path("/")) -> None:
    """Tell OpenMP of the share, by the environment and for the processes that this one starts too.

    faiss, torch, the BLAS of NumPy and Arrow look there when they are loaded, so it has to come before; without it each
    would start a thread a core of the affinity. Nothing changes where there is no smaller share, or the user has said a
    number.
    """
    cores = available_cores(root=root)
    if cores < _affinity():
        os.environ.setdefault(OPENMP_THREADS, str(cores))


def granted_threads(threads: int, *, root: Path = Path("/")) -> int:
    """How many of the threads that a loaded library would start it should: all, unless cores are granted for fewer.

    For programs that use the packages without the command. What the user says with OMP_NUM_THREADS holds.
    """
    return threads if OPENMP_THREADS in os.environ else min(threads, available_cores(root=root))


def _affinity() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _groups(root: Path) -> Iterator[tuple[Path, bool]]:
    """(folder, whether it is of version 2) of each control group of this process that may have a share, and of those
    around it as far up as they can be seen."""
    own = dict(_own_groups(root))
    for mount, shown, is_unified in _mounts(root):
        if is_unified not in own:
            continue
        # what is mounted may be a part of the tree, and one's own name of another (a namespace, a bind mount)
        inside = PurePosixPath(own[is_unified])
        steps = inside.relative_to(shown).parts if inside.is_relative_to(shown) else ()
        folder = mount
        yield folder, is_unified
        for step in steps if ".." not in steps else ():
            folder /= step
            yield folder, is_unified


def _own_groups(root: Path) -> Iterator[tuple[bool, str]]:
    """(whether of version 2, path) of this process, from proc/self/cgroup."""
    for line in _lines(root / "proc/self/cgroup"):
        _, _, rest = line.partition(":")
        controllers, colon, path = rest.partition(":")
        if colon and (not controllers or "cpu" in controllers.split(",")):
            yield not controllers, path


def _mounts(root: Path) -> Iterator[tuple[Path, str, bool]]:
    """(where, which part of the tree, whether of version 2) of mounted control groups, from proc/self/mountinfo."""
    for line in _lines(root / "proc/self/mountinfo"):
        fields, _, rest = line.partition(" - ")
        kind, options = (rest.split() or [""])[0], rest.split()[-1:] or [""]
        if len(fields.split()) > 4 and (kind == "cgroup2" or (kind == "cgroup" and "cpu" in options[0].split(","))):
            shown, mount = (name.replace(r"\040", " ") for name in fields.split()[3:5])
            yield root / mount.lstrip("/"), shown, kind == "cgroup2"


def _share(folder: Path, is_unified: bool) -> float | None:
    """Cores' worth of time that a group has; None for no limit."""
    if is_unified:
        quota, period = (*" ".join(_lines(folder / "cpu.max")).split(), "", "")[:2]
    else:
        quota, period = (" ".join(_lines(folder / f"cpu.cfs_{name}_us")) for name in ("quota", "period"))
    with suppress(ValueError):  # `max`, or nothing there
        if int(quota) > 0 and int(period) > 0:
            return int(quota) / int(period)
    return None


def _lines(file: Path) -> list[str]:
    with suppress(OSError, ValueError):
        return file.read_text().splitlines()
    return []
