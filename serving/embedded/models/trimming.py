"""The memory of what was unloaded, given back to the system at once where its allocator would keep it."""

from __future__ import annotations

import ctypes
import gc
import sys


def give_back_memory() -> None:
    """Free what nobody refers to, and have glibc return its free pages; elsewhere only the former."""
    gc.collect()
    if sys.platform == "linux":
        try:
            ctypes.CDLL(None).malloc_trim(0)
        except (OSError, AttributeError):
            return  # another C library, which returns pages by itself
