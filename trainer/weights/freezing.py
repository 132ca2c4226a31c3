"""Freezing: stages of the base network that stand still in an epoch, statistics and dropout included.

Decision a reader would question: freezing is a pure function of the epoch, applied anew at the start of each. Nothing
of it is saved, so a resumed run freezes exactly what an uninterrupted one does.

A frozen part whose BatchNorm went on averaging batches, or whose dropout went on dropping, would not give the features
it was frozen for; so frozen modules are in evaluation mode while the rest trains.
"""

from __future__ import annotations

from torch.nn.modules.batchnorm import _BatchNorm

from trainer.config.settings import FreezeConfig
from trainer.networks.base_networks import BaseNetwork
from trainer.networks.branch import Branch


def num_free_stages(epoch: int, num_stages: int, config: FreezeConfig) -> int:
    """How many stages train in an epoch (from 0), counted from the top: 0..num_stages.

    None of them before `epochs`; then all at once, or one more every `unfreeze_every` epochs, the first of them at once
    (gradual unfreezing: Howard and Ruder 2018, "Universal Language Model Fine-tuning", section 3.3).
    """
    frozen = config.epochs or 0
    if epoch < frozen:
        return 0
    if config.unfreeze_every == 0:
        return num_stages
    return min(num_stages, 1 + (epoch - frozen) // config.unfreeze_every)


def apply_freeze(branch: Branch, base: BaseNetwork, config: FreezeConfig, epoch: int) -> int:
    """Put the branch into training mode as this epoch wants it; to be called at the start of each epoch.

    Args:
        branch: `base.module` is its submodule `base`. Whatever mode it was in before does not matter.
        base: knows its stages.
        config: when what is set free.
        epoch: from 0.

    Returns:
        Number of stages that train, from the top.
    """
    free = num_free_stages(epoch, len(base.stages), config)
    frozen = len(base.stages) - free
    branch.train()
    for name, module in branch.base.named_modules(remove_duplicate=False):
        is_still = config.statistics and isinstance(module, _BatchNorm)
        if is_still or base.stages.of_module[name] < frozen:
            module.training = False  # and nothing is switched on that the network itself keeps off
    for name, parameter in branch.base.named_parameters():
        trains = base.stages.of_parameter(name) >= frozen and name not in base.stages.fixed
        parameter.requires_grad_(trains)
        if not trains:
            parameter.grad = None
    return free
