"""timm's image networks as a source: any of its 1,300 names, its published weights, its stages.

Decision a reader would question: a cut is timm's own (`forward_intermediates` behind `prune_intermediate_layers`), and
whatever still holds parameters that the output does not depend on is dropped after it. What stands behind the last
kept stage goes with any cut, the last one's included: final norms and widening convolutions are part of the head.
"""

from __future__ import annotations

import contextlib
import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from artifact.errors import TrainingError, UsageError
from trainer.config.rates import Family
from trainer.networks.hub import cache_alone, hub_answers
from trainer.networks.input_size import chosen_size, sizes_from
from trainer.networks.layer_cut import Axes
from trainer.networks.packaged_weights import OfferedWeights
from trainer.networks.source_network import Ends, Source, SourceNetwork, Start, Triple, UnknownNameError
from trainer.networks.stages import drop_unused, run_once
from trainer.networks.timm_parts import TimmFeatures, TimmMap, TimmStages
from trainer.networks.weight_packages import find_weights, way_to_install

SMALL_MAP = 4
"""Largest side of a last map that is flattened by default where weights are random."""


class TimmNetwork(SourceNetwork):
    """A network of timm as a source."""

    def first_stages(self, count: int) -> nn.Module:
        if not hasattr(self.module, "forward_intermediates"):
            raise self.not_cut("timm gives no activations of its stages")
        if None in [end for _, end in self.ends] or len(dict(self.ends)) < len(self.ends):
            raise self.not_cut("some of its stages run side by side")
        stages = TimmStages(self.module, count)
        try:
            self._network().prune_intermediate_layers([count - 1], prune_norm=True, prune_head=True)
            drop_unused(stages, self._black())
        except Exception as error:  # 1,300 networks raise anything
            raise self.not_cut(_reason(error)) from None
        return stages

    def last_map(self) -> nn.Module:
        network: Any = self._network()
        try:
            sides = run_once(TimmStages(network, len(self.ends)), self._black()).shape[2:]
            network.reset_classifier(0, "")
            shape = run_once(network, self._black()).shape
        except Exception as error:
            raise self.not_pooled(_reason(error)) from None
        others = self.num_other_tokens()
        if len(shape) == 3 and shape[1] - others != sides[0] * sides[1]:
            raise self.not_pooled(f"{shape[1]} tokens for {sides[0]} x {sides[1]} patches")
        if len(shape) not in (3, 4):
            raise self.not_pooled(f"an output of {len(shape)} axes")
        channels_last = getattr(network, "output_fmt", "NCHW") == "NHWC"
        return TimmMap(network, channels_last=channels_last, num_other_tokens=others)

    def at_side(self, side: int) -> nn.Module:
        if not hasattr(self._own(), "set_input_size"):
            return self.module
        resized = replace(self, module=copy.deepcopy(self.module))
        resized._own().set_input_size(img_size=side)
        return resized.module

    def axes_of(self, shape: Sequence[int]) -> Axes | None:
        """As its last map has them; images are square, so a map of positions is too."""
        if len(shape) == 4:
            last = getattr(self._own(), "output_fmt", "NCHW") == "NHWC" and shape[1] == shape[2]
            return Axes(channels=(3,), positions=(1, 2)) if last else super().axes_of(shape)
        others = self.num_other_tokens()
        fitting = [number for number in (others, 0) if _is_square(shape[1] - number)]
        if len(shape) != 3 or not fitting:
            return None
        return Axes(channels=(2,), positions=(1,), num_other_tokens=fitting[0])

    def num_other_tokens(self) -> int:
        return int(getattr(self._own(), "num_prefix_tokens", 0) or 0)

    def family(self) -> Family:
        return "patches" if self._map_sides() is None else "convolutions"

    def has_small_map(self) -> bool:
        sides = self._map_sides()
        if sides is None or not _is_small(sides):
            return False
        try:  # on a copy, for what fails half-way is changed
            whole = copy.copy(self)
            whole.module = copy.deepcopy(self.module)
            shape = run_once(whole.last_map(), self._black()).shape
        except UsageError:
            return False
        return len(shape) == 4 and _is_small(shape[2:])

    def _map_sides(self) -> tuple[int, int] | None:
        """Of the map that its features end in, channels first as convolutions give it; None: tokens or otherwise."""
        try:
            maps: Any = run_once(TimmFeatures(self.module), self._black())
        except Exception:  # a network of another build
            return None
        if not isinstance(maps, Tensor) or maps.ndim != 4 or getattr(self.module, "output_fmt", "NCHW") == "NHWC":
            return None
        return int(maps.shape[2]), int(maps.shape[3])

    def _network(self) -> Any:
        return self.module

    def _own(self) -> Any:
        """The network of timm in the module, which may have been cut, pooled or put beside others."""
        return next((inner for inner in self.module.modules() if hasattr(inner, "forward_features")), self.module)

    def _black(self) -> Tensor:
        return torch.zeros(1, 3, self.size, self.size)


def timm_network(name: str, start: Start) -> TimmNetwork:
    """A network of timm by name, its output layer removed, with random or published weights.

    Published weights are those of an installed package where one offers some, else the hub's.

    Raises:
        UnknownNameError: no such network.
        UsageError: a size that it cannot take.
        TrainingError: published weights that could not be fetched, or that a package spoils.
    """
    from trainer.networks.torchvision_guard import guard_torchvision

    guard_torchvision()
    import timm

    try:
        published: Any = timm.get_pretrained_cfg(name)
    except RuntimeError:  # an unknown tag
        published = None
    if published is None:
        raise UnknownNameError(timm.list_models())
    offered = find_weights(name) if start.published else None
    if start.published and offered is None and not published.has_weights:
        raise UsageError(f"published weights of {name}", expected="none, there are no such", got="--pretrained")
    network = TimmNetwork(
        name=name,
        module=nn.Identity(),
        size=0,
        mean=_triple(published.mean),
        std=_triple(published.std),
        source=f"timm {timm.__version__}",
    )
    if offered is not None:
        pixels = (network.mean, network.std)
        network.mean, network.std = offered.weights.mean, offered.weights.std
        network.own_pixels = pixels != (network.mean, network.std)
        network.weights, network.licence = f"package {offered.package}", offered.licence
    elif start.published:
        network.weights = f"timm/{published.architecture}.{published.tag}"
        network.licence = published.license
    _build(network, published, start, offered)
    return network


def _build(network: TimmNetwork, published: Any, start: Start, offered: OfferedWeights | None) -> None:
    """Its module and size: as given, or as the images and the weights have it, up to what it can take.

    A network built at a second size draws its random weights anew, so that only the size decides them.
    """
    import timm

    made_for = int(published.input_size[1])
    natural = made_for if offered is None or offered.weights.size is None else offered.weights.size
    from_hub = start.published and offered is None
    offline = from_hub and not hub_answers()
    drawn = torch.get_rng_state()

    def make(size: int) -> nn.Module:
        torch.set_rng_state(drawn)
        resized: dict[str, Any] = {"img_size": size} if published.fixed_input_size and size != made_for else {}
        with cache_alone() if offline else contextlib.nullcontext():
            module: nn.Module = timm.create_model(network.name, pretrained=from_hub, num_classes=0, **resized)
        if offered is not None:
            offered.load_into(module, timm.create_model(network.name, **resized))
        return module

    size = start.size or natural
    try:
        network.module, sizes = make(size), [size]
        if start.size is None:
            step = _step(network.module)
            size = chosen_size(start.images_px, natural=natural, step=step, trained=start.trained)
            sizes = list(sizes_from(size, natural=natural, step=step))
        network.size = _first_that_fits(network, sizes, make if published.fixed_input_size else None)
    except TrainingError:
        raise
    except Exception as error:  # downloads and 1,300 networks raise anything
        raise _build_error(network.name, size, from_hub=from_hub, offline=offline, error=error) from None
    network.ends = _ends(network.module)


def _first_that_fits(network: TimmNetwork, sizes: Sequence[int], make: Callable[[int], nn.Module] | None) -> int:
    """The first of some sizes that the network takes; it is made anew for each where it has a fixed one."""
    built = sizes[-1]  # natural, or the only one
    for number, size in enumerate(sizes, 1):
        try:
            if make is not None and size != built:
                network.module, built = make(size), size
            _check_output(network.module, size)
        except Exception:
            if number == len(sizes):
                raise
            continue
        return size
    raise AssertionError("no size to try")


def _is_small(sides: Sequence[int]) -> bool:
    """Whether a map has more than one position and few enough to tell them apart."""
    return 1 < max(sides) <= SMALL_MAP


def _is_square(number: int) -> bool:
    return number > 0 and math.isqrt(number) ** 2 == number


def _step(module: nn.Module) -> int:
    """Stride of the last feature map, which is the patch of networks without another one."""
    stages: Any = getattr(module, "feature_info", None)
    return max(1, int(stages[-1]["reduction"])) if stages else 1


def _ends(module: nn.Module) -> Ends:
    """Stages as timm lists them; a few are no module of their own, and then only their names are known."""
    modules = dict(module.named_modules())
    names = [str(stage["module"]) for stage in getattr(module, "feature_info", None) or []]
    return [(name, modules.get(name)) for name in names]


def _check_output(module: nn.Module, size: int) -> None:
    features = run_once(module, torch.zeros(1, 3, size, size))
    if features.ndim != 2:
        raise ValueError(f"its output has {features.ndim} axes, expected [N, features]")


def _build_error(name: str, size: int, *, from_hub: bool, offline: bool, error: Exception) -> Exception:
    if not from_hub:
        expected = "a size it can take"
        mend = "choose another --size"
        return UsageError(f"base network {name} at {size} px", expected=expected, got=_reason(error), mend=mend)
    install = way_to_install(name)
    mend = "check the network, or give a local file with --weights FILE.safetensors"
    mend = mend if install is None else f"{install} brings them, or check the network"
    got = "no connection, and no copy of an earlier one" if offline else _reason(error)
    return TrainingError(f"published weights of {name} could not be fetched", got=got, mend=mend)


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).splitlines()[0][:160] if str(error) else ''}"


def _triple(values: Any) -> Triple:
    red, green, blue = (float(value) for value in values)
    return red, green, blue


TIMM = Source(make=timm_network, sized_by_images=True)
