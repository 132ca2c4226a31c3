"""A batch for an artifact of detections: each picture gives as many rows as it has objects, or none.

Rows of an answer are padded to one length with boxes of NaN; they are dropped here, where the answer arrives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from artifact.arrays import Vectors
from artifact.images.image_error import ImageError
from artifact.kinds import BRANCH_OUTPUT
from artifact.modes import BOXES, SCORES
from serving.client.batches.runner import BatchRunner
from serving.client.vector_error import NOT_FINITE, VectorError


class DetectionRunner(BatchRunner):
    """The way of a batch of pictures through the connection; a result is float32 [D, 5 + n]: boxes, scores, vectors."""

    def _answers(self, outputs: Mapping[str, Vectors], items: Sequence[Any]) -> Sequence[Vectors | ImageError]:
        answers: list[Vectors | ImageError] = []
        for boxes, scores, vectors in zip(outputs[BOXES], outputs[SCORES], outputs[BRANCH_OUTPUT], strict=True):
            are_there = ~np.isnan(boxes).any(axis=1)
            found = np.concatenate([boxes, scores[:, None], vectors], axis=1)[are_there]
            answers.append(found if np.isfinite(found).all() else VectorError(NOT_FINITE))
        return answers
