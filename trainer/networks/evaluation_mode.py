"""Evaluation mode for a while, and then every module's own mode again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """BatchNorm and dropout stand still inside; frozen parts of a training network stay frozen after it."""
    modes = [(inner, inner.training) for inner in module.modules()]
    module.eval()
    try:
        yield
    finally:
        module.train(modes[0][1])  # some networks drop what they computed for evaluation here, and only here
        for inner, mode in modes:
            inner.training = mode
