"""Class labels of any hashable type as dense integer codes, so that every metric compares int64 and nothing else."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from artifact.arrays import AnyArray, Indices
from artifact.errors import DataError

Labels = Sequence[Hashable] | AnyArray


def label_codes(labels: Labels, num_rows: int, *, known: dict[Hashable, int] | None = None) -> Indices:
    """Number the labels 0, 1, 2 ... in order of first appearance.

    A dict and not `np.unique`: that sorts, so it fails on mixed types and turns [1, "1"] into one class.

    Args:
        labels: one label a row: str, int, or anything hashable.
        num_rows: how many there must be.
        known: label -> code to start from; new labels are added to it, so two label arrays can share codes.

    Returns:
        int64 [num_rows].

    Raises:
        DataError: another number of labels than rows, or labels that are lists.
    """
    values = labels.tolist() if isinstance(labels, np.ndarray) else list(labels)
    if len(values) != num_rows:
        raise DataError("labels", expected=f"one for each of {num_rows} rows", got=str(len(values)))
    codes: dict[Hashable, int] = {} if known is None else known
    try:
        return np.fromiter((codes.setdefault(value, len(codes)) for value in values), np.int64, num_rows)
    except TypeError:  # lists and structs cannot be keys
        raise DataError("labels", expected="one word or number a row", got="lists or structs") from None


def has_label(value: object) -> bool:
    """Whether a cell names a class: null, an empty text and NaN do not."""
    return value is not None and value != "" and value == value
