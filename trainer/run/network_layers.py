"""The layers of a network by name, or of a run: as `lookalike layers` lists them.

Decision a reader would question: a run's layers are called as those of its whole network, whatever it was wrapped into
(a cut, a pooling): what is called `layer2.0` there is what `--cut layer2.0` means. Pooling and embedding layer stand
behind them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from trainer.networks.base_networks import BaseNetwork, build_base
from trainer.networks.branch import Branch
from trainer.networks.layer_cut import LayerCut
from trainer.networks.layers import Layer, find_layers
from trainer.networks.pooling import Pooled
from trainer.networks.timm_parts import TimmMap, TimmStages
from trainer.run.folder import CONFIG
from trainer.run.saved_run import load_run

_WRAPPERS = (Pooled, LayerCut, TimmMap, TimmStages)


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
    layers = find_layers(base.module, torch.zeros(1, 3, base.size, base.size))
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
    prefix, wrappers = _inner_name(branch)
    shown = [layer for layer in find_layers(branch, images) if layer.name not in wrappers]
    return [
        (layer.name, replace(layer, number=number, name=_short_name(layer.name, prefix)))
        for number, layer in enumerate(shown, 1)
    ]


def _short_name(name: str, prefix: str) -> str:
    """A module's name within the whole network; of what was put behind that, its last word."""
    return name.removeprefix(prefix) if name.startswith(prefix) else name.rpartition(".")[2]


def network_prefix(branch: Branch) -> str:
    """What the names of the network's modules begin with in a branch."""
    return _inner_name(branch)[0]


def _inner_name(branch: Branch) -> tuple[str, frozenset[str]]:
    """What the names of the network's layers begin with in a branch, and the names of what it is wrapped into."""
    name, module = "base", branch.base
    wrappers = [name]
    while isinstance(module, _WRAPPERS):
        name, module = f"{name}.network", module.network
        wrappers.append(name)
    return f"{name}.", frozenset(wrappers)


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
