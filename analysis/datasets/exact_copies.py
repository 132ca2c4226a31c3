"""Exact copies: rows of the same content, by the SHA-256 of their pictures' files, or by their vectors.

Decisions a reader would question:
- Content comes before distance: two files of the same bytes are copies whatever the threshold is. Where a table has no
  picture that is known, equal vectors stand for equal pictures in all tables; 0 and -0 are equal.
- Where a row has none and others have, it is a copy of the first row of its vector whose picture is known, or of all
  such rows like itself: to be a copy of nothing would say more of it than anybody knows.
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

PICTURES, VECTORS, BOTH = "pictures", "vectors", "pictures and vectors"
"""What exact copies are compared by; BOTH: by vectors where a row has no picture."""

_HASH_BYTES = 16

Content = Sequence[str | None]
"""Of each row a text that is the same iff its picture is, such as the SHA-256 of the file; None: not known."""


def content_codes(sides: Sequence[tuple[VectorTable, Content | None]]) -> tuple[list[Indices], str]:
    """Number the contents of some tables: equal numbers iff exact copies, in one table or across them.

    Args:
        sides: each table with its content; where one has none of any row, all are compared by their vectors.

    Returns:
        (int64 [N] of each table, PICTURES, VECTORS or BOTH).

    Raises:
        DataError: not one content a row, or vectors with numbers that are not finite.
    """
    contents: list[str | None] = []
    for table, content in sides:
        if content is not None and len(content) != table.num_rows:
            raise DataError("content", expected=f"one for each of {table.num_rows} rows", got=str(len(content)))
        contents += content if content is not None and any(content) else [None] * table.num_rows
    unknown = np.array([content is None for content in contents], bool)
    ends = np.cumsum([table.num_rows for table, _ in sides])[:-1]
    if any(each.all() for each in np.split(unknown, ends)):
        return np.split(_of_vectors(sides), ends), VECTORS
    codes = _numbered(_hashes(b"" if content is None else content.encode() for content in contents))
    if not unknown.any():
        return np.split(codes, ends), PICTURES
    vectors = _of_vectors(sides)
    code_of = len(codes) + np.arange(len(codes))  # of each vector
    seen, firsts = np.unique(vectors[~unknown], return_index=True)
    code_of[seen] = codes[~unknown][firsts]
    codes[unknown] = code_of[vectors[unknown]]
    return np.split(codes, ends), BOTH


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


def _of_vectors(sides: Sequence[tuple[VectorTable, object]]) -> Indices:
    """int64 [N], of all tables: from 0, equal iff the vectors are."""
    zero = np.float32(0)  # -0 + 0 is 0
    batches = (batch.vectors + zero for table, _ in sides for batch in checked_batches(table))
    return _numbered(_hashes(bytes(vector) for vectors in batches for vector in vectors))


def _numbered(hashes: npt.NDArray[np.uint64]) -> Indices:
    """int64 [N] of uint64 [N, 2]: from 0, equal iff the hashes are."""
    order = np.lexsort((hashes[:, 1], hashes[:, 0]))
    is_new = np.concatenate([[False], (np.diff(hashes[order], axis=0) != 0).any(axis=1)])
    codes = np.empty(len(hashes), np.int64)
    codes[order] = np.cumsum(is_new)
    return codes


def _hashes(values: Iterable[bytes]) -> npt.NDArray[np.uint64]:
    """uint64 [N, 2]."""
    joined = b"".join(hashlib.blake2b(value, digest_size=_HASH_BYTES).digest() for value in values)
    return np.frombuffer(joined, np.uint64).reshape(-1, 2)
