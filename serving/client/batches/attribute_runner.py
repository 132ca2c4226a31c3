"""One batch of rows of attributes through a connection; what gives no finite vector is set aside.

There is nothing to read, decode or pack: a row is a few hundred bytes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from artifact.arrays import Vectors
from artifact.errors import TooLargeError
from artifact.images.image_error import ImageError
from artifact.kinds import ATTRIBUTES, BRANCH_OUTPUT
from rows.attribute_rows import AttributeRow, stacked
from serving.client.batches.runner import BatchRunner
from serving.forks import unforked


class AttributeRunner(BatchRunner):
    """The way of a batch of rows through the connection; what is about images says nothing here."""

    def run(self, rows: list[AttributeRow], *_: Any) -> list[Vectors | ImageError]:
        """The vector of each row, or that it is not finite."""
        if not rows:
            return []
        with self._turn, unforked():
            return self._kept(self._vectors(stacked(rows)))

    def _vectors(self, rows: Vectors) -> Vectors:
        try:
            return self._connection.run_pixels({ATTRIBUTES: rows})[BRANCH_OUTPUT]
        except TooLargeError:
            if not self._batch_size.halve(len(rows)):
                raise
            half = len(rows) // 2
            return np.concatenate([self._vectors(rows[:half]), self._vectors(rows[half:])])
