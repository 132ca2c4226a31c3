"""Memory that the C library keeps while a network trains, instead of giving it back to the kernel after every step.

A step on a CPU takes and frees the same large blocks again and again. glibc asks the kernel for each block above 32 MB
and for each growth of its heap, and the kernel clears every page anew: a quarter of all processor time with Conv4.

Decisions a reader would question:
- No block is mapped by itself (M_MMAP_MAX) and the heap is not trimmed (M_TRIM_THRESHOLD), rather than a higher
  M_MMAP_THRESHOLD: some versions of glibc refuse one above 32 MB, and with both switches a step asks the kernel for
  nothing at all. M_TOP_PAD changes nothing beside them. Results are the same to the byte; the peak is some 10 to 40 %
  higher, for blocks of several sizes lie in one heap.
- Only while training, and then what is free is given back, for this may be somebody's own program. Whoever sets one of
  these switches stops glibc from finding its thresholds by itself, for good: every block above 128 kB would be asked of
  the kernel. So afterwards they are set to what it comes to in a program that uses large blocks.
- Nothing happens where it is not glibc (musl, macOS, Windows), or where the user has set its malloc up in the
  environment. Another allocator that was loaded before it is not asked and does not mind.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4
"""Parameters of mallopt, as malloc.h numbers them."""

_NEVER, _NONE = -1, 0
_USUAL_MMAP_BYTES, _USUAL_MMAP_MAX = 32 * 2**20, 65_536
"""What glibc comes to by itself once large blocks were freed."""


@contextmanager
def kept_memory() -> Iterator[None]:
    """Freed memory stays with this process inside; afterwards it goes back to the kernel."""
    libc = _glibc()
    if libc is None or is_set_up(os.environ):
        yield
        return
    libc.mallopt(_TRIM_THRESHOLD, _NEVER)
    libc.mallopt(_MMAP_MAX, _NONE)
    try:
        yield
    finally:
        libc.mallopt(_MMAP_MAX, _USUAL_MMAP_MAX)
        libc.mallopt(_MMAP_THRESHOLD, _USUAL_MMAP_BYTES)
        libc.mallopt(_TRIM_THRESHOLD, 2 * _USUAL_MMAP_BYTES)
        libc.malloc_trim(0)


def is_set_up(environment: Mapping[str, str]) -> bool:
    """Whether somebody has set malloc up: MALLOC_TRIM_THRESHOLD_ and the like, or glibc.malloc in GLIBC_TUNABLES."""
    return any(name.startswith("MALLOC_") for name in environment) or "glibc.malloc." in environment.get(
        "GLIBC_TUNABLES", ""
    )


def _glibc() -> ctypes.CDLL | None:
    """The C library of this process where it is glibc."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    names = ("gnu_get_libc_version", "mallopt", "malloc_trim")
    return libc if all(hasattr(libc, name) for name in names) else None
