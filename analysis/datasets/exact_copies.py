"""Exact copies: rows of the same content, by the SHA-256 of their pictures' files, or by their vectors.

Decisions a reader would question:
- Content comes before distance: two files of the same bytes are copies whatever the threshold is. Where no picture is
  known, equal vectors stand for equal pictures; 0 and -0 are equal.
- A picture that cannot be read is a copy of nothing.
- Contents are compared by 128 bits of their BLAKE2 hash, so a million of them take 16 MB.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from analysis.neighbours.batches import checked_batches
from artifact.arrays import Indices, Vectors
from artifact.errors import DataError
from rows.vectors.table import VectorTable

PICTURES, VECTORS = "pictures", "vectors"
"""What exact copies are compared by."""

_HASH_BYTES = 16

Content = Sequence[str | None]
"""Of each row a text that is the same iff its picture is, such as the SHA-256 of the file; None: not known."""


def content_codes(sides: Sequence[tuple[VectorTable, Content | None]]) -> tuple[list[Indices], str]:
    """Number the contents of some tables: equal numbers iff exact copies, in one table or across them.

    Args:
        sides: each table with its content; where one has none, all are compared by their vectors.

    Returns:
        (int64 [N] of each table, PICTURES or VECTORS).

    Raises:
        DataError: not one content a row, or vectors with numbers that are not finite.
    """
    contents = [content for _, content in sides if content is not None]
    by_pictures = len(contents) == len(sides)
    for table, content in sides:
        if content is not None and len(content) != table.num_rows:
            raise DataError("content", expected=f"one for each of {table.num_rows} rows", got=str(len(content)))
    hashes = [_of_pictures(content) for content in contents] if by_pictures else [_of_vectors(t) for t, _ in sides]
    both = np.concatenate(hashes)
    order = np.lexsort((both[:, 1], both[:, 0]))
    is_new = np.concatenate([[False], (np.diff(both[order], axis=0) != 0).any(axis=1)])
    codes = np.empty(len(both), np.int64)
    codes[order] = np.cumsum(is_new)
    if by_pictures:
        unknown = np.array([each is None for content in contents for each in content], bool)
        codes[unknown] = len(both) + np.arange(int(unknown.sum()))
    ends = np.cumsum([len(each) for each in hashes])[:-1]
    return list(np.split(codes, ends)), PICTURES if by_pictures else VECTORS


def distinct_vectors(vectors: Vectors) -> tuple[Indices, Indices]:
    """Number equal vectors, float32 [N, n], alike, in order of first appearance.

    Returns:
        (int64 [U], the first row of each distinct vector, rising; int64 [N], the number of each row's vector).
    """
    (codes,), _ = content_codes([(VectorTable.from_arrays(vectors), None)])
    _, firsts, numbers = np.unique(codes, return_index=True, return_inverse=True)
    order = np.argsort(firsts)
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    return firsts[order], place[numbers]


def _of_pictures(content: Content) -> npt.NDArray[np.uint64]:
    return _hashes(b"" if each is None else each.encode() for each in content)


def _of_vectors(table: VectorTable) -> npt.NDArray[np.uint64]:
    zero = np.float32(0)  # -0 + 0 is 0
    return np.concatenate([_hashes(map(bytes, batch.vectors + zero)) for batch in checked_batches(table)])


def _hashes(values: Iterable[bytes]) -> npt.NDArray[np.uint64]:
    """uint64 [N, 2]."""
    joined = b"".join(hashlib.blake2b(value, digest_size=_HASH_BYTES).digest() for value in values)
    return np.frombuffer(joined, np.uint64).reshape(-1, 2)
