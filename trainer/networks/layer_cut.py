"""A cut behind any layer: the network runs up to that layer and is left there, whatever its code would do next.

Decisions a reader would question:
- The network is left by an exception out of a hook, which the wrapper catches. That is plain Python, so the exporter
  traces it as it traces everything else, and it needs no knowledge of how the network chains its layers: shortcuts,
  windows, tokens and blocks in blocks all stay as they are up to there.
- Which axis is the channels' is not told by names or by the network's family. The layer's output is looked at for
  images of two sizes: axes that change are positions, the others are channels. Only a network that takes one size alone
  has to say (SourceNetwork.axes_of), and what it cannot say is refused.
- Of tokens, those in front that stand for no patch are left out: where the number of tokens grows with the area but for
  as many as the network says to have (a class token, registers).
- The layer is kept by its name: parts of a network are replaced while it is trained on several ranks (joined
  statistics), and a module that stood here twice would be in the checkpoint twice.
"""

from __future__ import annotations

import copy
import math
import warnings
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from artifact.errors import UsageError
from trainer.networks.layers import NUMBER_MARK, Layer, find_layers, layer_called
from trainer.networks.stages import drop_unused, run_once

if TYPE_CHECKING:
    from trainer.networks.source_network import SourceNetwork

_LARGEST_DOUBLED = 512
"""Larger sides are halved, not doubled, for the second look."""


@dataclass(frozen=True)
class Axes:
    """What the axes of a layer's output are; the first is the images'.

    Attributes:
        channels, positions: the others; of [N, features] there are no positions.
        num_other_tokens: in front of the only axis of positions, that stand for none.
    """

    channels: tuple[int, ...]
    positions: tuple[int, ...] = ()
    num_other_tokens: int = 0

    def arranged(self, output: Tensor) -> Tensor:
        """An output as [N, features], or as a map [N, C, ...] with its channels first and positions alone."""
        if output.ndim == 2:
            return output
        if not self.positions:
            return output.flatten(1)
        maps = output.permute(0, *self.channels, *self.positions)
        if not self.channels:
            maps = maps.unsqueeze(1)
        elif len(self.channels) > 1:
            maps = maps.flatten(1, len(self.channels))
        return maps[:, :, self.num_other_tokens :] if self.num_other_tokens else maps


class LayerCut(nn.Module):
    """A network up to one layer: float32 [N, 3, H, W] -> [N, features] or a map [N, C, ...] with its channels first.

    Args:
        network: whole; what stands behind the layer may be gone.
        layer: its name within the network.
        run: which of its runs, from 1.
        axes: of that layer's output.
    """

    def __init__(self, network: nn.Module, *, layer: str, run: int, axes: Axes) -> None:
        super().__init__()
        self.network = network
        self.layer = layer
        self.run = run
        self.axes = axes

    def forward(self, images: Tensor) -> Tensor:
        return self.axes.arranged(output_behind(self.network, self.layer, self.run, images))


class _ReachedError(BaseException):
    """The layer gave its output; no Exception, which a network's own code might catch."""

    def __init__(self, output: Any) -> None:
        super().__init__()
        self.output = output


def output_behind(network: nn.Module, layer: str, run: int, images: Tensor) -> Any:
    """What one run of a layer gives of these images, as it is; the network is not run any further."""
    seen = 0
    open_modules = _modules_being_traced()
    depth = len(open_modules)

    def ended(module: nn.Module, inputs: Any, output: Any) -> None:
        nonlocal seen
        seen += 1
        if seen == run:
            raise _ReachedError(output)

    hook = network.get_submodule(layer).register_forward_hook(ended)
    try:
        network(images)
    except _ReachedError as reached:
        while len(open_modules) > depth:
            open_modules.popitem()
        return reached.output
    finally:
        hook.remove()
    raise RuntimeError(f"{layer} did not run {run} times")


def _modules_being_traced() -> OrderedDict[str, Any]:
    """The modules that torch's exporter believes itself in, to be changed in place; empty where nothing is exported.

    It closes a module where that returns, and stumbles over one that was left in another way.
    """
    if not torch.compiler.is_exporting():
        return OrderedDict()
    from torch.fx.experimental.proxy_tensor import get_proxy_mode

    mode: Any = get_proxy_mode()
    found: OrderedDict[str, Any] = OrderedDict() if mode is None else mode.tracer.module_stack
    return found


def cut_behind(whole: SourceNetwork, wanted: str) -> tuple[LayerCut, str]:
    """The network up to a layer, without the parts that its output does not depend on.

    Args:
        whole: with its weights; its module is changed.
        wanted: the layer's name, or `@N`; of a network that is part of another, as in the whole or as in itself.

    Returns:
        The network, and how that layer is written down: by its name where that is enough and no number, for the numbers
        may be others in another version of the network.

    Raises:
        UsageError: no such layer, or one whose output is not one row of numbers an image.
    """
    black = torch.zeros(1, 3, whole.size, whole.size)
    layers = find_layers(whole.module, black)
    layer = _called(whole, layers, wanted)
    axes = find_axes(whole, layer, where="--cut")
    cut = LayerCut(whole.module, layer=layer.name, run=layer.run, axes=axes)
    drop_unused(cut, black)
    is_alone = sum(each.name == layer.name for each in layers) == 1 and not layer.name.isdigit()  # which are stages
    return cut, layer.name if is_alone else f"{NUMBER_MARK}{layer.number}"


def _called(whole: SourceNetwork, layers: Sequence[Layer], wanted: str) -> Layer:
    listed = [replace(layer, name=f"{whole.part}{layer.name}") for layer in layers]
    is_own = wanted in {layer.name for layer in layers}
    found = layer_called(listed, f"{whole.part}{wanted}" if is_own else wanted, network=whole.name)
    return layers[found.number - 1]


def find_axes(whole: SourceNetwork, layer: Layer, *, where: str) -> Axes:
    """The axes of a layer's output, by what it gives of black images.

    Args:
        where: which option names the layer, for messages.

    Raises:
        UsageError: an output that is not one row of numbers an image, or whose axes nothing tells.
    """
    output = _output(whole.module, layer, torch.zeros(2, 3, whole.size, whole.size))
    if not _is_row_an_image(output, layer):
        got = _described(output)
        expected = "floating point numbers, one row for each of 2 images"
        raise UsageError(f"output of layer {layer.name} of {whole.name}", expected=expected, got=got, where=where)
    if output.ndim == 2:
        return Axes(channels=(1,))
    side = 2 * whole.size if whole.size <= _LARGEST_DOUBLED else whole.size // 2
    other = _at_side(whole, layer, side)
    if other is None or other.ndim != output.ndim or len(other) != 1:  # more windows of a larger image
        axes = whole.axes_of(tuple(output.shape))
        if axes is None:
            got = f"{list(output.shape)} for 2 images, and none that tells them for another size"
            what = f"axes of layer {layer.name} of {whole.name}"
            raise UsageError(what, expected="positions that can be told from channels", got=got, where=where)
        return axes
    axes = axes_of_two(output.shape, other.shape)
    return replace(axes, num_other_tokens=_other_tokens(whole, axes, output, other, (side / whole.size) ** 2))


def axes_of_two(shape: Sequence[int], other: Sequence[int]) -> Axes:
    """The axes of outputs for images of two sizes: those that differ are positions."""
    positions = tuple(axis for axis in range(1, len(shape)) if shape[axis] != other[axis])
    return Axes(tuple(axis for axis in range(1, len(shape)) if axis not in positions), positions)


def _other_tokens(whole: SourceNetwork, axes: Axes, output: Tensor, other: Tensor, growth: float) -> int:
    """Tokens that stand for no patch: as many as the network says, where so many do not grow with the area."""
    if len(axes.positions) != 1 or not axes.channels:
        return 0
    number = whole.num_other_tokens()
    tokens, of_other = (each.shape[axes.positions[0]] - number for each in (output, other))
    return number if tokens > 0 and math.isclose(tokens * growth, of_other) else 0


def _at_side(whole: SourceNetwork, layer: Layer, side: int) -> Tensor | None:
    """The layer's output of images of another side; None where the network does not take them.

    Only its shape is asked for, so nothing is computed where the network's code bears that.
    """
    for device in ("meta", "cpu"):
        try:
            with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
                warnings.simplefilter("ignore")  # tables of positions are interpolated
                network = whole.at_side(side) if device == "cpu" else _without_numbers(whole, side)
                output: Tensor = _output(network, layer, torch.zeros(1, 3, side, side, device=device))
                return output
        except Exception:  # 1,300 networks raise anything
            continue
    return None


def _without_numbers(whole: SourceNetwork, side: int) -> nn.Module:
    """A copy for images of another side, whose tensors have shapes and no numbers."""
    hollow: dict[int, Any] = {}
    for parameter in whole.module.parameters():
        hollow[id(parameter)] = nn.Parameter(parameter.detach().to("meta"), requires_grad=parameter.requires_grad)
    for buffer in whole.module.buffers():
        hollow[id(buffer)] = buffer.to("meta")
    return replace(whole, module=copy.deepcopy(whole.module, hollow)).at_side(side)


def _output(network: nn.Module, layer: Layer, images: Tensor) -> Any:
    return run_once(_Output(network, layer), images)


class _Output(nn.Module):
    """A layer's output as it is."""

    def __init__(self, network: nn.Module, layer: Layer) -> None:
        super().__init__()
        self.network = network
        self._layer = layer

    def forward(self, images: Tensor) -> Any:
        return output_behind(self.network, self._layer.name, self._layer.run, images)


def _is_row_an_image(output: Any, layer: Layer) -> bool:
    """Of two images, by what the layer gave of one."""
    if not isinstance(output, Tensor) or not output.is_floating_point() or output.ndim < 2 or layer.shape is None:
        return False
    return tuple(output.shape) == (2, *layer.shape[1:]) and layer.shape[0] == 1 and bool(output.numel())


def _described(output: Any) -> str:
    if not isinstance(output, Tensor):
        return type(output).__name__
    return f"{str(output.dtype).removeprefix('torch.')} {list(output.shape)}"
