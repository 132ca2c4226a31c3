"""Rows of attributes as the network takes them, one by one: what an image is to a table of images.

Decision a reader would question: a row in which no attribute has a value is a bad row. It would get a vector, the same
for every such row, that says nothing of anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from artifact.arrays import Vectors
from artifact.attributes import Attributes

NO_VALUE = "no attribute has a value"


@dataclass(frozen=True, slots=True)
class AttributeRow:
    """One row, encoded; equal ones are the same row.

    Attributes:
        data: float32 [A] as bytes.
        fault: why it is a bad row, or None.
    """

    data: bytes
    fault: str | None = None

    @property
    def num_bytes(self) -> int:
        """Of memory."""
        return len(self.data)


def attribute_rows(attributes: Attributes, columns: Mapping[str, Any], num_rows: int) -> list[AttributeRow]:
    """The rows of some columns.

    Args:
        columns: {attribute: its values, a sequence or an Arrow array}; one that is not there is missing in all rows.
        num_rows: of every column.

    Raises:
        UsageError: a name that is no attribute, or a column of another length.
    """
    encoded, bad = attributes.encode(columns, num_rows)
    reasons = {each.row: each.reason for each in bad}
    for row in np.flatnonzero(~encoded.any(axis=1)).tolist():
        reasons.setdefault(row, NO_VALUE)
    return [AttributeRow(numbers.tobytes(), reasons.get(row)) for row, numbers in enumerate(encoded)]


def stacked(rows: list[AttributeRow]) -> Vectors:
    """float32 [N, A] of N rows, at least one."""
    return np.stack([np.frombuffer(row.data, np.float32) for row in rows])
