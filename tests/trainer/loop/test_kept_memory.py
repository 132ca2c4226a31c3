"""Freed memory that a training process keeps, seen by the pages that the kernel had to hand out."""

import ctypes
import os
import subprocess
import sys

import pytest

from trainer.loop import kept_memory

_PROGRAM = """
import resource
import torch
from trainer.loop.kept_memory import kept_memory

torch.set_num_threads(1)

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(8):
        torch.ones(12_000_000) + 1
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

outside = faults()
with kept_memory():
    faults()
    inside = faults()
after = faults()

def small_faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(50):
        torch.ones(1_000_000) + 1
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

small_faults()
print(outside, inside, after, small_faults())
"""


def _faults(**environment: str) -> tuple[int, ...]:
    if not hasattr(ctypes.CDLL(None), "gnu_get_libc_version"):
        pytest.skip("the C library is not glibc")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    kept.pop("GLIBC_TUNABLES", None)
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], env=kept | environment, capture_output=True, text=True, check=True
    )
    return tuple(map(int, done.stdout.split()))


def test_blocks_of_fifty_megabytes_are_used_again() -> None:
    """The kernel clears no page for them any more; afterwards it does again, for the memory was given back."""
    outside, inside, after, _ = _faults()
    assert outside > 5_000
    assert inside < outside / 10
    assert after > outside / 10


def test_blocks_of_four_megabytes_are_used_again_afterwards() -> None:
    """As in a program that has used large blocks and never trained: a page each would be 50,000 and more."""
    assert _faults()[3] < 5_000


def test_what_the_user_set_up_stays() -> None:
    """A variable of glibc's malloc is enough."""
    outside, inside, *_ = _faults(MALLOC_TRIM_THRESHOLD_="131072")
    assert inside > outside / 10


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, False),
        ({"PATH": "/bin"}, False),
        ({"MALLOC_ARENA_MAX": "2"}, True),
        ({"MALLOC_TOP_PAD_": "0"}, True),
        ({"GLIBC_TUNABLES": "glibc.malloc.trim_threshold=128"}, True),
        ({"GLIBC_TUNABLES": "glibc.pthread.rseq=0"}, False),
    ],
)
def test_settings_of_malloc_are_found_in_the_environment(environment: dict[str, str], expected: bool) -> None:
    """Only those of malloc count."""
    assert kept_memory.is_set_up(environment) is expected


def test_nothing_happens_where_there_is_no_glibc(monkeypatch: pytest.MonkeyPatch) -> None:
    """musl lacks the functions, and other systems are not asked."""
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    with kept_memory.kept_memory():
        pass
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(ctypes, "CDLL", None)
    with kept_memory.kept_memory():
        pass
