"""Cores: the least of affinity and of every share that a control group of the process, or one around it, has."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from artifact.images import cores
from artifact.images.cores import available_cores, granted_threads, limit_threads
from tests.shared.control_groups import UNIFIED, machine
from tests.shared.places import ROOT

AFFINITY = 8
OLD = "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
OLD_MEMORY = "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"


@pytest.fixture(autouse=True)
def eight(monkeypatch: pytest.MonkeyPatch) -> None:
    """An affinity of eight cores, whatever runs the tests."""
    monkeypatch.setattr(cores, "_affinity", lambda: AFFINITY)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        ("max 100000", AFFINITY),
        ("50000 100000", 1),
        ("1000 100000", 1),
        ("100000 100000", 1),
        ("199999 100000", 1),
        ("250000 100000", 2),
        ("20000 5000", 4),
        ("3200000 100000", AFFINITY),
        ("", AFFINITY),
        ("garbage", AFFINITY),
        ("100000 0", AFFINITY),
        ("-1 100000", AFFINITY),
    ],
)
def test_share_of_a_container_limits_cores(tmp_path: Path, share: str, expected: int) -> None:
    """Version 2 as a container sees it; parts of a core are cut off, less than one is one."""
    root = machine(tmp_path, "0::/\n", UNIFIED, **{"cpu.max": share + "\n"})
    assert available_cores(root=root) == expected


def test_least_share_along_the_path_counts(tmp_path: Path) -> None:
    """A slice of systemd with more inside, one with less, and a group beside the path."""
    own = "0::/user.slice/app.scope\n"
    for number, (outer, inner, expected) in enumerate(
        [("300000", "max", 3), ("max", "200000", 2), ("300000", "500000", 3), ("600000", "150000", 1)]
    ):
        shares = {
            "user.slice/cpu.max": f"{outer} 100000",
            "user.slice/app.scope/cpu.max": f"{inner} 100000",
            "user.slice/other.scope/cpu.max": "10000 100000",
        }
        assert available_cores(root=machine(tmp_path / str(number), own, UNIFIED, **shares)) == expected


@pytest.mark.parametrize(("quota", "expected"), [("-1", AFFINITY), ("50000", 1), ("350000", 3), ("", AFFINITY)])
def test_old_control_groups_limit_cores(tmp_path: Path, quota: str, expected: int) -> None:
    """Version 1: two files, the controller among others of its mount; memory's groups have no say."""
    folder = "cpu,cpuacct/docker/abc"
    shares = {f"{folder}/cpu.cfs_quota_us": quota, f"{folder}/cpu.cfs_period_us": "100000"}
    shares |= {"memory/docker/abc/cpu.max": "1000 100000"}
    own = "9:name=systemd:/docker/abc\n4:memory:/docker/abc\n1:cpu,cpuacct:/docker/abc\n"
    assert available_cores(root=machine(tmp_path, own, OLD_MEMORY + OLD, **shares)) == expected


def test_own_group_is_found_where_a_part_is_mounted(tmp_path: Path) -> None:
    """Docker before namespaces: the mount shows the container's own folder, whose name the process still has whole."""
    mount = OLD.replace(" / /sys", " /docker/abc /sys")
    shares = {"cpu,cpuacct/cpu.cfs_quota_us": "200000", "cpu,cpuacct/cpu.cfs_period_us": "100000"}
    assert available_cores(root=machine(tmp_path / "a", "1:cpu,cpuacct:/docker/abc\n", mount, **shares)) == 2
    assert available_cores(root=machine(tmp_path / "b", "1:cpu,cpuacct:/../../else\n", mount, **shares)) == 2


def test_both_versions_at_a_time(tmp_path: Path) -> None:
    """A hybrid: version 2 is mounted without the controller, version 1 has it."""
    mounts = OLD + UNIFIED.replace("/sys/fs/cgroup rw", "/sys/fs/cgroup/unified rw")
    shares = {"cpu,cpuacct/cpu.cfs_quota_us": "100000", "cpu,cpuacct/cpu.cfs_period_us": "100000"}
    assert available_cores(root=machine(tmp_path, "1:cpu,cpuacct:/\n0::/\n", mounts, **shares)) == 1


def test_affinity_counts_where_nothing_can_be_read(tmp_path: Path) -> None:
    """macOS, and a /proc that is garbage or binary."""
    assert available_cores(root=tmp_path / "none") == AFFINITY
    assert available_cores(root=machine(tmp_path, "\n:\n0\n", "- \n1 2 -\n - cgroup2\n", **{"cpu.max": "1 100"})) == 8
    (tmp_path / "proc/self/cgroup").write_bytes(b"\xff\xfe\x00")
    assert available_cores(root=tmp_path) == AFFINITY


def test_affinity_counts_where_it_is_less(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """taskset within a larger share."""
    monkeypatch.setattr(cores, "_affinity", lambda: 2)
    assert available_cores(root=machine(tmp_path, "0::/\n", UNIFIED, **{"cpu.max": "500000 100000"})) == 2


def test_openmp_is_told_of_a_smaller_share_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not without a share, and never against what the user said."""
    monkeypatch.setenv("OMP_NUM_THREADS", "")
    monkeypatch.delenv("OMP_NUM_THREADS")  # and restored at the end, whatever is set
    limit_threads(root=machine(tmp_path / "free", "0::/\n", UNIFIED, **{"cpu.max": "max 100000"}))
    assert "OMP_NUM_THREADS" not in os.environ
    limited = machine(tmp_path / "limited", "0::/\n", UNIFIED, **{"cpu.max": "350000 100000"})
    limit_threads(root=limited)
    assert os.environ["OMP_NUM_THREADS"] == "3"
    assert granted_threads(8, root=limited) == 8  # the user's own number, in OMP_NUM_THREADS
    del os.environ["OMP_NUM_THREADS"]
    assert [granted_threads(number, root=limited) for number in (1, 3, 8)] == [1, 3, 3]
    assert granted_threads(8, root=tmp_path / "free") == 8
    os.environ["OMP_NUM_THREADS"] = "5"
    limit_threads(root=limited)
    assert os.environ["OMP_NUM_THREADS"] == "5"


@pytest.mark.slow
def test_libraries_of_a_command_take_the_share(tmp_path: Path) -> None:
    """faiss, torch and Arrow, loaded afterwards, have as many threads as cores are granted."""
    pytest.importorskip("torch")
    program = """
import sys
from pathlib import Path
from artifact.images import cores
cores._affinity = lambda: 8
cores.limit_threads(root=Path(sys.argv[1]))
import faiss, pyarrow, torch
print(faiss.omp_get_max_threads(), torch.get_num_threads(), pyarrow.cpu_count())
"""
    root = machine(tmp_path, "0::/\n", UNIFIED, **{"cpu.max": "100000 100000"})
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, "-c", program, str(root)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "1 1 1\n"
