"""Files in which a machine tells of control groups, under a root of a test's own."""

from __future__ import annotations

from pathlib import Path

UNIFIED = "41 31 0:38 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n"
"""A line of mountinfo for control groups of version 2."""


def machine(root: Path, own: str, mounts: str, **shares: str) -> Path:
    """A root with proc/self/cgroup, proc/self/mountinfo and {file under sys/fs/cgroup: text}."""
    files = {"proc/self/cgroup": own, "proc/self/mountinfo": mounts}
    files |= {f"sys/fs/cgroup/{name}": text for name, text in shares.items()}
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root
