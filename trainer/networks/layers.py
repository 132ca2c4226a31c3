"""Layers of a network, in the order in which one image leaves them: what `lookalike layers` lists and a cut names.

Decisions a reader would question:
- The list comes from watching one image pass, as stages do (stages.py): whatever the network's code does, a layer has
  the number of its output. Blocks stand behind the layers in them, for that is when they give theirs.
- A layer that runs twice stands there twice. Its name alone means neither, so it is refused with both numbers.
- A number is written `@17`: a shell would take `#17` for the start of a comment.
- A module keeps the name that it has in the whole network, whatever is put around it: a cut or a pooling gives it
  another name in the run.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from artifact.errors import UsageError
from artifact.listing import listed
from trainer.networks.stages import run_once

NUMBER_MARK = "@"
_WHOLE_NAME = "_lookalike_name"


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One pass of an image through one module of a network.

    Attributes:
        number: from 1, in the order of outputs.
        name: of the module within the network.
        run: 1 where the module runs for the first time, 2 for the second.
        kind: name of the module's class.
        shape: of its output, the image's axis first; None where that is no tensor.
        num_parameters: of the module, those of the layers in it included.
    """

    number: int
    name: str
    run: int
    kind: str
    shape: tuple[int, ...] | None
    num_parameters: int


def keep_names(whole: nn.Module, *, part: str = "") -> None:
    """Let the modules of a whole network keep their names, behind `part`, in whatever they are put into."""
    for name, module in whole.named_modules():
        if name:
            module.__dict__[_WHOLE_NAME] = part + name


def kept_name(module: nn.Module) -> str | None:
    """The name that a module has in its whole network; None of one that was put around or behind it."""
    return module.__dict__.get(_WHOLE_NAME)


def find_layers(module: nn.Module, images: Tensor) -> list[Layer]:
    """Watch images pass through a network in evaluation mode, without gradients.

    Args:
        module: the network; its mode is restored.
        images: what it takes, such as one image, float32 [1, 3, H, W].

    Returns:
        All modules in it that ran, in the order in which they gave their output.
    """
    names = {id(inner): name for name, inner in module.named_modules() if name}
    found: list[Layer] = []
    runs: dict[str, int] = {}

    def ended(inner: nn.Module, inputs: Any, output: Any) -> None:
        name = names[id(inner)]
        runs[name] = runs.get(name, 0) + 1
        layer = Layer(
            number=len(found) + 1,
            name=name,
            run=runs[name],
            kind=type(inner).__name__,
            shape=tuple(output.shape) if isinstance(output, Tensor) else None,
            num_parameters=sum(parameter.numel() for parameter in inner.parameters()),
        )
        found.append(layer)

    hooks = [inner.register_forward_hook(ended) for inner in module.modules() if id(inner) in names]
    try:
        run_once(module, images)
    finally:
        for hook in hooks:
            hook.remove()
    return found


def layer_called(layers: Sequence[Layer], wanted: str, *, network: str, where: str = "--cut") -> Layer:
    """The layer of a name, or `@N` of a number.

    Args:
        layers: of the network.
        network: its name, for messages and for the command that lists them.
        where: which option names the layer.

    Raises:
        UsageError: no such layer, with the nearest names; or a name of several runs or modules, with their numbers.
    """
    mend = f"lookalike layers {network} lists them"
    what = f"layer of {network}"
    if not layers:
        raise UsageError(what, expected="none, for nothing in it runs by itself", got=repr(wanted), where=where)
    if wanted.startswith(NUMBER_MARK):
        number = wanted.removeprefix(NUMBER_MARK)
        if number.isascii() and number.isdigit() and 1 <= int(number) <= len(layers):
            return layers[int(number) - 1]
        expected = f"@1..@{len(layers)}"
        raise UsageError(what, expected=expected, got=repr(wanted), where=where, mend=mend)
    found = [layer for layer in layers if layer.name == wanted]
    if not found:
        near = difflib.get_close_matches(wanted, dict.fromkeys(layer.name for layer in layers), n=3, cutoff=0.5)
        expected = f"a layer such as {listed(near)}" if near else "one of its layers"
        raise UsageError(what, expected=expected, got=repr(wanted), where=where, mend=mend)
    if len(found) > 1:
        numbers = " or ".join(f"{NUMBER_MARK}{layer.number}" for layer in found)
        num_modules = sum(layer.run == 1 for layer in found)  # a network's own beside one that stands behind it
        of = "run of it" if num_modules == 1 else "of them"
        each = f"which runs {len(found)} times" if num_modules == 1 else f"which is {num_modules} modules"
        raise UsageError(what, expected=f"one {of}, {numbers}", got=f"{wanted!r}, {each}", where=where)
    return found[0]
