"""An exponential moving average of the weights: what is validated, kept and exported where it is asked for.

Decision a reader would question: the decay rises with the number of updates, (1 + n) / (10 + n) up to the one asked for
(as TensorFlow's ExponentialMovingAverage does it). With a fixed decay of 0.999 the random first weights would still
make up a third of the average after a thousand steps.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from trainer.networks.branch import Branch


def make_average(branch: Branch, decay: float) -> AveragedModel:
    """An average that has seen nothing yet; `update_parameters(branch)` after each update of the weights."""

    def move(averages: Iterable[Tensor], values: Iterable[Tensor], num_averaged: Tensor | int) -> None:
        count = float(num_averaged)
        share = 1 - min(decay, (1 + count) / (10 + count))
        for average, value in zip(averages, values, strict=True):
            if average.is_floating_point():
                average.lerp_(value, share)
            else:  # how many batches a normalisation layer has seen
                average.copy_(value)

    with torch.no_grad():
        return AveragedModel(branch, multi_avg_fn=move, use_buffers=True)
