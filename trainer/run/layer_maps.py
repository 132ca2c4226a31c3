"""What layers give of pictures: maps with their channels first, or vectors, and which channels are dead.

Decision a reader would question: the layers that are shown where none is named are those that a stage ends with, and
the vector. What ends a stage is the last layer that gives its output before anything of the next stage does: a block
with its shortcut, and not the last convolution in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from artifact.errors import DataError, UsageError
from artifact.images.decoding import Pixels
from artifact.images.image_error import ImageError
from artifact.images.preprocessing import Preprocessing, load_pixels
from pages.layers import ShownLayer, write_layers_page
from rows.images import ImageRef
from trainer.networks.base_networks import build_base, source_of
from trainer.networks.branch import Branch, FeatureBranch, evaluating
from trainer.networks.layer_cut import Axes, find_axes
from trainer.networks.layers import Layer, find_layers, kept_name, layer_called
from trainer.networks.source_network import Start
from trainer.networks.stages import Stages
from trainer.run.network_layers import layers_of_branch
from trainer.run.saved_run import load_run

MAX_IMAGES, MAX_LAYERS = 8, 32


@dataclass(frozen=True, kw_only=True)
class WatchedNetwork:
    """A network whose layers are looked at.

    Attributes:
        name: of the base network.
        weights: where they come from, in words.
        branch: in evaluation mode.
        stages: of its base network.
        preprocessing: of its images.
    """

    name: str
    weights: str
    branch: Branch
    stages: Stages
    preprocessing: Preprocessing


def of_run(path: Path) -> WatchedNetwork:
    """The network of a run, as far as it is used, with its head; raises RunError."""
    run = load_run(path)
    weights = f"trained in {path.name}" if run.config.is_trained else f"weights: {run.base['weights']}"
    return WatchedNetwork(
        name=run.config.network,
        weights=weights,
        branch=run.branch,
        stages=run.stages,
        preprocessing=run.preprocessing,
    )


def of_network(
    name: str, *, size: int | None = None, pretrained: bool = False, weights: Path | None = None
) -> WatchedNetwork:
    """A whole network by name; raises as `build_base`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        base = build_base(name, size=size, pretrained=pretrained, weights=weights)
    branch = FeatureBranch(
        base.module, num_features=base.num_features, mean=base.mean, std=base.std, normalize=False
    ).eval()
    pixels = Preprocessing(height=base.size, width=base.size, mean=base.mean, std=base.std)
    return WatchedNetwork(
        name=name, weights=f"weights: {base.weights}", branch=branch, stages=base.stages, preprocessing=pixels
    )


def write_maps(
    network: WatchedNetwork, images: Sequence[str], page: Path, wanted: Sequence[str] = ()
) -> list[ShownLayer]:
    """Write the page of what layers give of some pictures; the layers are returned.

    Args:
        images: files or URLs.
        wanted: as of `show_layers`.

    Raises:
        UsageError: as `show_layers`, or too many pictures.
        DataError: a picture that cannot be read.
        OutputError: the page cannot be written.
    """
    if len(images) > MAX_IMAGES:
        raise UsageError("pictures", expected=f"at most {MAX_IMAGES}", got=str(len(images)), where="--image")
    pixels = [_read(image, network.preprocessing) for image in images]
    shown = show_layers(network, pixels, wanted)
    pictures = [(image.replace("\\", "/").rpartition("/")[2], each) for image, each in zip(images, pixels, strict=True)]
    write_layers_page(page, shown, pictures, facts={"network": network.name, "weights": network.weights})
    return shown


def _read(image: str, preprocessing: Preprocessing) -> Pixels:
    try:
        return load_pixels(ImageRef.of_name(image).read(), preprocessing)
    except ImageError as error:
        raise DataError("picture", got=str(error), where=image if image not in str(error) else "--image") from None


def show_layers(network: WatchedNetwork, images: Sequence[Pixels], wanted: Sequence[str] = ()) -> list[ShownLayer]:
    """Run the pictures through the network and keep what some layers give.

    Args:
        images: uint8 [H, W, 3] each, of the network's size.
        wanted: layers by name or `@N`; none: the last of each stage, and the vector.

    Raises:
        UsageError: no such layer, an output that is no row of numbers an image, or too many layers.
    """
    branch, pixels = network.branch, torch.from_numpy(np.stack(images))
    named = layers_of_branch(branch, pixels[:1])
    layers = [layer for _, layer in named]
    if not layers:
        raise UsageError(
            f"layers of {network.name}", expected="at least one", got="none, for nothing in it runs by itself"
        )
    if wanted:
        chosen = [layer_called(layers, name, network=network.name, where="--layer") for name in wanted]
    else:
        chosen = last_of_stages(layers, network.stages, [name.removeprefix("base.") for name, _ in named])
    if len(chosen) > MAX_LAYERS:
        expected = f"at most {MAX_LAYERS} on a page"
        raise UsageError("layers", expected=expected, got=str(len(chosen)), where="--layer")
    full_names = {layer.number: name for name, layer in named}
    names = [full_names[layer.number] for layer in chosen]
    axes = _axes(network, names, chosen)
    outputs = _outputs(branch, [(name, layer.run) for name, layer in zip(names, chosen, strict=True)], pixels)
    return [_shown(layer, each.arranged(output)) for layer, each, output in zip(chosen, axes, outputs, strict=True)]


def last_of_stages(layers: Sequence[Layer], stages: Stages, names: Sequence[str]) -> list[Layer]:
    """The layer that each stage ends with, and the last of all.

    Args:
        layers: in the order in which they give their output.
        stages: of the base network.
        names: of their modules in `stages`.
    """
    found: list[Layer] = []
    current = 0
    maps = [layer for layer in layers if sum(side > 1 for side in (layer.shape or ())[1:]) > 1]
    for before, name in zip([None, *layers], names, strict=False):
        stage = stages.of_module.get(name, len(stages) - 1)
        if stage > current and before is not None:
            found.append(before)
        current = max(current, stage)
    found += [*maps[-1:], *layers[-1:]]
    return list({layer.number: layer for layer in found}.values())


def _axes(network: WatchedNetwork, names: Sequence[str], chosen: Sequence[Layer]) -> list[Axes]:
    """The axes of what some layers give.

    A layer is looked at in the whole network where it gives the same there, for that takes other sizes best; else in
    the network as it stands in the branch: among other trunks, in a chain of stages, without its own pooling.

    Args:
        names: of their modules within the branch.
    """
    side = network.preprocessing.height
    with torch.random.fork_rng(devices=[]):
        whole = source_of(network.name).make(network.name, Start(size=side))
    here = replace(whole, module=network.branch.base)
    shapes = {(each.name, each.run): each.shape for each in find_layers(whole.module, torch.zeros(1, 3, side, side))}

    def axes_of(name: str, layer: Layer) -> Axes:
        base, _, inner = name.partition(".")
        if base != "base":  # the embedding layer
            return Axes(channels=(1,))
        own = kept_name(network.branch.get_submodule(name))
        if own is not None and shapes.get((own.removeprefix(whole.part), layer.run)) == layer.shape:
            return find_axes(whole, replace(layer, name=own.removeprefix(whole.part)), where="--layer")
        return find_axes(here, replace(layer, name=inner), where="--layer")

    return [axes_of(name, layer) for name, layer in zip(names, chosen, strict=True)]


def _outputs(branch: Branch, wanted: Sequence[tuple[str, int]], pixels: Tensor) -> list[Tensor]:
    """What runs of some modules give of these images."""
    found: dict[tuple[str, int], Tensor] = {}
    runs: dict[str, int] = {}

    def watch(name: str) -> Any:
        def ended(module: nn.Module, inputs: Any, output: Any) -> None:
            runs[name] = runs.get(name, 0) + 1
            if (name, runs[name]) in wanted:
                found[name, runs[name]] = output.clone()  # what follows may write over it

        return ended

    modules = dict(branch.named_modules())
    hooks = [modules[name].register_forward_hook(watch(name)) for name in dict.fromkeys(name for name, _ in wanted)]
    try:
        with evaluating(branch), torch.no_grad():
            branch(pixels)
    finally:
        for hook in hooks:
            hook.remove()
    return [found[each] for each in wanted]


def _shown(layer: Layer, maps: Tensor) -> ShownLayer:
    values = maps.float().numpy()
    if values.ndim == 3:
        side = int(values.shape[2] ** 0.5)
        is_square = side * side == values.shape[2]
        values = values.reshape(*values.shape[:2], *((side, side) if is_square else (1, values.shape[2])))
    others = tuple(axis for axis in range(values.ndim) if axis != 1)
    assert layer.shape is not None
    return ShownLayer(
        number=layer.number,
        name=layer.name,
        kind=layer.kind,
        shape=layer.shape[1:],
        values=values,
        dead=np.asarray((values == 0).all(axis=others)),
    )
