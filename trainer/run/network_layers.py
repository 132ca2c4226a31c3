"""The layers of a network by name, or of a run: as `lookalike layers` lists them.

Decision a reader would question: a run's layers are called as those of its whole network, whatever it was wrapped into
(a cut, a pooling): what is called `layer2.0` there is what `--cut layer2.0` means. Pooling and embedding layer stand
behind them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from trainer.networks.base_networks import BaseNetwork, build_base
from trainer.networks.branch import Branch
from trainer.networks.layer_cut import LayerCut
from trainer.networks.layers import Layer, find_layers, kept_name
from trainer.networks.pooling import Pooled
from trainer.networks.timm_parts import TimmMap, TimmStages
from trainer.run.folder import CONFIG
from trainer.run.saved_run import load_run

_WRAPPERS = (Pooled, LayerCut, TimmMap, TimmStages)
_BASE = "base"
"""What a branch calls its base network."""


@dataclass(frozen=True, kw_only=True)
class NetworkLayers:
    """The layers of a network.

    Attributes:
        network: its name, or the run's base network's.
        size: side of the image that shapes are for, in pixels.
        layers: in the order in which one image leaves them.
        num_parameters: of all.
    """

    network: str
    size: int
    layers: list[Layer]
    num_parameters: int


def is_run(what: Path) -> bool:
    """Whether a path is a run folder, and no name of a network."""
    return (what / CONFIG).is_file()


def network_layers(name: str, *, size: int | None = None) -> NetworkLayers:
    """The layers of a whole network by name, with weights that nobody trained.

    Args:
        size: side of its input in pixels; None: what it was made for.

    Raises:
        UsageError: as `build_base`.
    """
    with torch.random.fork_rng(devices=[]):
        base: BaseNetwork = build_base(name, size=size)
    found = find_layers(base.module, torch.zeros(1, 3, base.size, base.size))
    named = _called(base.module, found)
    if isinstance(base.module, Pooled):  # its pooling is none of the network's layers
        named = [(name, layer) for name, layer in named if kept_name(base.module.get_submodule(name)) is not None]
    layers = [replace(layer, number=number) for number, (_, layer) in enumerate(named, 1)]
    return NetworkLayers(network=name, size=base.size, layers=layers, num_parameters=_count(base.module))


def run_layers(path: Path) -> NetworkLayers:
    """The layers of a run: of its base network as far as it is used, pooling and embedding layer; raises RunError."""
    run = load_run(path)
    side = run.preprocessing.height
    images = torch.zeros(1, side, side, 3, dtype=torch.uint8)
    layers = [layer for _, layer in layers_of_branch(run.branch, images)]
    return NetworkLayers(network=run.config.network, size=side, layers=layers, num_parameters=_count(run.branch))


def layers_of_branch(branch: Branch, images: torch.Tensor) -> list[tuple[str, Layer]]:
    """The layers of a branch, called as those of its whole network, each behind the name of its module in the branch.

    Args:
        images: uint8 [1, H, W, 3].
    """
    return _called(branch, find_layers(branch, images))


def _called(module: nn.Module, layers: Sequence[Layer]) -> list[tuple[str, Layer]]:
    """Layers of a module, numbered anew and called as those of the whole network, behind their names in the module.

    What the network was only wrapped into is left out; what stands beside or behind it is called as it is there.
    """
    modules = dict(module.named_modules())
    inside = {f"{name}.network".removeprefix(".") for name, each in modules.items() if isinstance(each, _WRAPPERS)}
    found: list[tuple[str, Layer]] = []
    for layer in layers:
        name = kept_name(modules[layer.name])
        if name is None and (layer.name == _BASE or layer.name in inside):
            continue
        short = layer.name.removeprefix(f"{_BASE}.") if name is None else name
        found.append((layer.name, replace(layer, number=len(found) + 1, name=short)))
    return found


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
