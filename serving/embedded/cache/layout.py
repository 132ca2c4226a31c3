"""The outputs of a row as one string of bytes, which takes less memory than arrays, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from artifact.arrays import AnyArray


class Layout:
    """Where each output stands in the bytes of a row.

    Args:
        widths: {output: float32 numbers of a row}.
    """

    def __init__(self, widths: Mapping[str, int]) -> None:
        self._dtype = np.dtype([(name, np.float32, (width,)) for name, width in widths.items()])

    def rows(self, arrays: Mapping[str, AnyArray], num_rows: int) -> list[bytes]:
        """The bytes of each of the N rows of {output: float32 [N, width]}."""
        table = np.empty(num_rows, self._dtype)
        for name in self._dtype.names or ():
            table[name] = arrays[name].reshape(table[name].shape)
        data, size = table.tobytes(), self._dtype.itemsize
        return [data[start : start + size] for start in range(0, len(data), size)]

    def arrays(self, rows: Sequence[bytes]) -> dict[str, AnyArray]:
        """{output: float32 [N, width]} of the bytes of N rows; to be read only."""
        table = np.frombuffer(b"".join(rows), self._dtype)
        return {name: np.ascontiguousarray(table[name]) for name in self._dtype.names or ()}
