"""The key of a row: a SHA-256 of its bytes and of all else that its vectors depend on.

A shorter hash would be faster and, once in a while, somebody else's vector. The facts and the streams are each hashed
with their lengths, so that no two rows that differ give the same text to hash.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from artifact.arrays import AnyArray

KEY_BYTES = hashlib.sha256().digest_size


class RowKeys:
    """Keys of the rows that one way of computing takes.

    Args:
        facts: what the vectors depend on besides the row, as plain JSON: the artifact's digest, limits, outputs.
    """

    def __init__(self, facts: Mapping[str, Any]) -> None:
        text = json.dumps(facts, sort_keys=True, separators=(",", ":"))
        self._start = hashlib.sha256(hashlib.sha256(text.encode()).digest())

    def of(self, inputs: Mapping[str, AnyArray], num_rows: int) -> list[bytes]:
        """The keys of N rows.

        Args:
            inputs: {input: [N, ...]}, always in the same order; of numbers, or of bytes objects.
        """
        return [self._of_row(inputs, row) for row in range(num_rows)]

    def _of_row(self, inputs: Mapping[str, AnyArray], row: int) -> bytes:
        hashed = self._start.copy()
        for array in inputs.values():
            for data in _parts(array[row]):
                hashed.update(data.nbytes.to_bytes(8, "little"))
                hashed.update(data)
        return hashed.digest()


def _parts(row: AnyArray) -> Iterator[memoryview]:
    """What a row of one input consists of: its numbers, or each of its bytes objects."""
    if row.dtype == object:
        yield from (memoryview(data) for data in row.flat)
    else:
        yield np.ascontiguousarray(row).data
