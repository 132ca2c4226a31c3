"""Optimizers: their groups of parameters, and the learning rate as a function of the step alone.

Decisions a reader would question:
- No torch scheduler. A rate that is a pure function of the step needs no state, so a resumed run cannot disagree with
  an uninterrupted one.
- Frozen parameters are in the optimizer from the start. They have no gradient, so it passes them over (no decay, no
  moments), and setting them free changes neither groups nor the numbering that a saved state relies on.

A new optimizer is one function and one line in OPTIMIZERS.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from trainer.config.settings import OptimizerConfig
from trainer.networks.stages import Stages

Groups = list[dict[str, Any]]


def _adamw(groups: Groups, config: OptimizerConfig) -> torch.optim.Optimizer:
    return torch.optim.AdamW(groups, lr=config.peak)


def _sgd(groups: Groups, config: OptimizerConfig) -> torch.optim.Optimizer:
    return torch.optim.SGD(groups, lr=config.peak, momentum=0.9, nesterov=True)


OPTIMIZERS: dict[str, Callable[[Groups, OptimizerConfig], torch.optim.Optimizer]] = {"adamw": _adamw, "sgd": _sgd}


def make_optimizer(module: nn.Module, config: OptimizerConfig, stages: Stages) -> torch.optim.Optimizer:
    """Optimizer over all parameters, those of each stage at that stage's rate.

    Args:
        module: the branch; its base network is its submodule `base`.
        config: `base_rate` and `stage_decay` decide the rates, see `rate_of_stage`.
        stages: of the base network.

    Returns:
        An optimizer with one group for each pair of rate and decay. A group's `rate` is the multiple of the learning
        rate that `set_learning_rate` gives it; vectors (biases, normalisation layers, GeM's power) are not decayed.
    """
    fixed = {f"base.{name}" for name in stages.fixed}
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in module.named_parameters():
        if name in fixed:
            continue
        inner = name.removeprefix("base.")
        in_base = inner != name
        rate = rate_of_stage(stages.of_parameter(inner), len(stages), config) if in_base else 1.0
        decay = config.weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault((rate, decay), []).append(parameter)
    listed: Groups = [
        {"params": parameters, "weight_decay": decay, "rate": rate} for (rate, decay), parameters in groups.items()
    ]
    optimizer = OPTIMIZERS[config.name](listed, config)
    set_learning_rate(optimizer, config.peak)
    return optimizer


def rate_of_stage(stage: int, num_stages: int, config: OptimizerConfig) -> float:
    """Multiple of the learning rate for a stage, counted from the input: base_rate * stage_decay^(stages above it).

    Layer-wise rate decay as of ULMFiT's discriminative fine-tuning (Howard and Ruder 2018, section 3.2), by stages.
    """
    base_rate = 1.0 if config.base_rate is None else config.base_rate
    return base_rate * config.stage_decay ** (num_stages - 1 - stage)


def learning_rate(step: float, num_steps: int, config: OptimizerConfig) -> float:
    """Rate of the step (from 0), the embedding layer's: a linear rise over the warm-up, then the schedule.

    Args:
        step: with a fraction where images of a run are of two sizes (trainer/config/progressive.py).
    """
    warmup = round(config.warmup_share * num_steps)
    if step < warmup:
        return config.peak * (step + 1) / warmup
    return config.peak * SCHEDULES[config.schedule](step, num_steps, warmup, config)


def _constant(step: float, num_steps: int, warmup: int, config: OptimizerConfig) -> float:
    return 1.0


def _cosine(step: float, num_steps: int, warmup: int, config: OptimizerConfig) -> float:
    done = (step - warmup) / max(1, num_steps - warmup)
    return (1 + math.cos(math.pi * done)) / 2


def _step(step: float, num_steps: int, warmup: int, config: OptimizerConfig) -> float:
    """Shares are of the whole run, the warm-up included."""
    passed = sum(step >= round(share * num_steps) for share in config.step_shares)
    return float(config.step_factor**passed)


SCHEDULES: dict[str, Callable[[float, int, int, OptimizerConfig], float]] = {
    "cosine": _cosine,
    "step": _step,
    "constant": _constant,
}


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every group its multiple of the rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["rate"]
