"""Parts of a network that exist for training only, merged for export: RepVGG's branches, a BatchNorm beside a shortcut.

Each block of timm that can be written as one convolution knows how (`fuse`, `reparameterize`, `switch_to_deploy`). The
result is exact but for rounding, smaller and faster; parity is measured against the network as it was trained.
"""

from __future__ import annotations

from torch import nn

_WAYS = ("fuse", "reparameterize", "switch_to_deploy")


def merge_training_parts(network: nn.Module) -> nn.Module:
    """A copy with every such block merged, or the network itself where there is none; it must be in eval mode."""
    blocks = [module for module in network.modules() if any(hasattr(module, way) for way in _WAYS)]
    if not any(type(block).__module__.startswith("timm.") for block in blocks):
        return network
    from timm.utils import reparameterize_model  # type: ignore[attr-defined] # re-exported without saying so

    merged: nn.Module = reparameterize_model(network, inplace=False)
    return merged.eval()
