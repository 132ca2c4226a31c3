"""The rows that are kept: as many as fit a bound in bytes, those used last.

Not safe to use from several threads: the cache holds its lock.
"""

from __future__ import annotations

import sys
from collections import OrderedDict

from serving.embedded.cache.keys import KEY_BYTES

BOOKKEEPING_BYTES = 240
"""Of an entry beside its two objects, at most: its places in the table and in the order, and the allocator's rounding.

CPython's own figures are not to be had from within it; a test measures that this is no less than they are."""
_ENTRY_BYTES = sys.getsizeof(bytes(KEY_BYTES)) + sys.getsizeof(b"") + BOOKKEEPING_BYTES


class KeptRows:
    """{key: bytes of a row}, of at most `max_bytes` with keys and bookkeeping; the least recently used go first.

    Attributes:
        num_bytes: that all entries take.
        num_evicted: entries that had to go.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.num_bytes = self.num_evicted = 0
        self._rows: OrderedDict[bytes, bytes] = OrderedDict()

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, key: bytes) -> bytes | None:
        """The row of a key, which is now the one used last; None without one."""
        row = self._rows.get(key)
        if row is not None:
            self._rows.move_to_end(key)
        return row

    def put(self, key: bytes, row: bytes) -> None:
        """Keep a row; one that is larger than all the room is not kept."""
        old = self._rows.pop(key, None)
        if old is not None:
            self.num_bytes -= entry_bytes(old)
        num_bytes = entry_bytes(row)
        if num_bytes > self.max_bytes:
            return
        while self.num_bytes + num_bytes > self.max_bytes:
            _, gone = self._rows.popitem(last=False)
            self.num_bytes -= entry_bytes(gone)
            self.num_evicted += 1
        self._rows[key] = row
        self.num_bytes += num_bytes


def entry_bytes(row: bytes) -> int:
    """What an entry takes in memory."""
    return _ENTRY_BYTES + len(row)
