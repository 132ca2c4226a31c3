"""How the weights move: the optimizer, and the learning rate as a function of the step alone.

Decision a reader would question: no torch scheduler. A rate that is a pure function of the step needs no state, so a
resumed run cannot disagree with an uninterrupted one. A new optimizer is one function and one line in OPTIMIZERS.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from trainer.settings import OptimizerConfig

Groups = list[dict[str, Any]]


def _adamw(groups: Groups, config: OptimizerConfig) -> torch.optim.Optimizer:
    return torch.optim.AdamW(groups, lr=config.learning_rate)


def _sgd(groups: Groups, config: OptimizerConfig) -> torch.optim.Optimizer:
    return torch.optim.SGD(groups, lr=config.learning_rate, momentum=0.9, nesterov=True)


OPTIMIZERS: dict[str, Callable[[Groups, OptimizerConfig], torch.optim.Optimizer]] = {"adamw": _adamw, "sgd": _sgd}


def make_optimizer(module: nn.Module, config: OptimizerConfig) -> torch.optim.Optimizer:
    """Optimizer over all parameters; vectors (biases, normalisation layers) are not decayed."""
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    groups: Groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return OPTIMIZERS[config.name](groups, config)


def learning_rate(step: int, num_steps: int, config: OptimizerConfig) -> float:
    """Rate of the step (from 0): a linear rise over the warm-up, then the schedule."""
    warmup = round(config.warmup_share * num_steps)
    if step < warmup:
        return config.learning_rate * (step + 1) / warmup
    if config.schedule == "constant":
        return config.learning_rate
    done = (step - warmup) / max(1, num_steps - warmup)
    return config.learning_rate * (1 + math.cos(math.pi * done)) / 2


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate
