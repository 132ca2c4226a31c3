"""Joined batch statistics: normalisation layers that count the images of all ranks, in place of those that count one's.

Decisions a reader would question:
- torch's own converter replaces every subclass of its batch normalisation by the plain layer. timm's layers of
  normalisation and activation would lose the activation, and a user's own would lose whatever it adds. So a layer is
  replaced only where its forward pass is known: torch's by torch's, timm's by timm's; any other one stays as it is
  and normalises the share of its own rank.
- What has been replaced is left alone, for a network is joined again whenever a stage is set free.
- timm is not imported: where one of its layers is in the network, it has been.
"""

from __future__ import annotations

import sys
from typing import cast

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

_TIMM_LAYER, _TIMM = "BatchNormAct2d", "timm.layers.norm_act"


def with_joined_statistics(module: nn.Module) -> nn.Module:
    """The module with its layers replaced, in place; parameters, buffers, their names and every mode stay.

    Returns:
        The module itself, or where it is such a layer, the one in its place.
    """
    if not can_join(module):
        for name, child in module.named_children():
            joined = with_joined_statistics(child)
            if joined is not child:
                module.add_module(name, joined)
        return module
    convert = sys.modules[_TIMM].convert_sync_batchnorm if _is_timm(module) else nn.SyncBatchNorm.convert_sync_batchnorm
    return cast(nn.Module, convert(module))


def joins(module: nn.Module) -> bool:
    """Whether this layer will count, or counts, the images of all ranks."""
    return isinstance(module, nn.SyncBatchNorm) or can_join(module)


def can_join(module: nn.Module) -> bool:
    """Whether this is a layer whose statistics can be joined and are not yet."""
    if not isinstance(module, _BatchNorm) or isinstance(module, nn.SyncBatchNorm):
        return False
    return type(module).forward is _BatchNorm.forward or _is_timm(module)


def _is_timm(module: nn.Module) -> bool:
    """Whether this is timm's layer of normalisation and activation, itself or with its forward pass."""
    timm = sys.modules.get(_TIMM)
    return timm is not None and type(module).forward is getattr(timm, _TIMM_LAYER).forward
