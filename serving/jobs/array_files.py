"""The files that arrays of a job's columns lie in, and which columns can have one.

A column's name comes from whoever made the table. With a separator or dots it would be a file in another place, or a
hidden one, so such a column has no array, neither to write nor to remove.
"""

from __future__ import annotations

NPZ_FILE = "vectors.npz"
_MAX_BYTES = 200
"""Of a column's name: a file's name has 255, and that of a file being written is longer than the finished one's."""


def has_array_file(column: str) -> bool:
    """Whether a column's name is one of a plain file, on any system."""
    return bool(column) and column[0] != "." and not set("/\\:\0") & set(column) and len(column.encode()) <= _MAX_BYTES


def array_file(column: str) -> str:
    """File name of a column's array."""
    return f"{column}.npy"
