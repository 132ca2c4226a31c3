"""Stages of a base network: the parts that its modules, and so its parameters, belong to.

Decision a reader would question: the stages are found by watching one image pass, not from names. A module belongs to
the stage during which it first runs, so a stem belongs to the first stage and whatever follows the last one to the
last, in every network, in whatever order its modules were written down. A module that never runs by itself (its
parent uses its weights directly) belongs where its parent does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from trainer.networks.branch import evaluating


@dataclass(frozen=True, kw_only=True)
class Stages:
    """The parts of a network that are set free, and get their learning rates, one by one.

    Attributes:
        names: from the input; never empty.
        of_module: {name of a module of the network, "" for the whole: position in `names`}.
        fixed: names of parameters that the network itself never trains (fixed position codes, for example).
    """

    names: tuple[str, ...]
    of_module: Mapping[str, int]
    fixed: frozenset[str] = frozenset()

    def __len__(self) -> int:
        return len(self.names)

    def of_parameter(self, name: str) -> int:
        """Stage of a parameter by its name within the network."""
        return self.of_module[name.rpartition(".")[0]]


def find_stages(
    module: nn.Module, ends: Sequence[tuple[str, nn.Module | None]], images: Tensor
) -> tuple[Stages, Tensor]:
    """Watch images pass through the network in evaluation mode, without gradients.

    Args:
        module: the network; its mode is restored.
        ends: name and last module of each stage, from the input; None, or a module that does not run: no end is seen,
            and what belongs to that stage counts with the next. Empty: one stage.
        images: what the network takes.

    Returns:
        The stages, and the network's output.
    """
    ends = ends or [("network", module)]
    position: dict[int, int] = {}
    for index, (_, end) in enumerate(ends):
        if end is not None:
            position.setdefault(id(end), index)
    current = 0
    first_run: dict[int, int] = {}

    def started(inner: nn.Module, inputs: Any) -> None:
        first_run.setdefault(id(inner), min(current, len(ends) - 1))

    def ended(inner: nn.Module, inputs: Any, output: Any) -> None:
        nonlocal current
        if id(inner) in position:
            current = max(current, position[id(inner)] + 1)

    hooks = [inner.register_forward_pre_hook(started) for inner in module.modules()]
    hooks += [inner.register_forward_hook(ended) for inner in module.modules() if id(inner) in position]
    try:
        output = run_once(module, images)
    finally:
        for hook in hooks:
            hook.remove()
    of_module: dict[str, int] = {}
    for name, inner in module.named_modules(remove_duplicate=False):  # parents come before their children
        parent = of_module.get(name.rpartition(".")[0], 0)
        of_module[name] = first_run.get(id(inner), parent)
    fixed = frozenset(name for name, parameter in module.named_parameters() if not parameter.requires_grad)
    return Stages(names=tuple(name for name, _ in ends), of_module=of_module, fixed=fixed), output


def last_stage(stages: Stages) -> int:
    """How many stages begin in a network that is left before its end."""
    return max(stages.of_module.values()) + 1


def run_once(module: nn.Module, images: Tensor) -> Any:
    """The network's output in evaluation mode, without gradients; modes are restored."""
    with evaluating(module), torch.no_grad():
        return module(images)


def drop_unused(module: nn.Module, images: Tensor) -> None:
    """Replace, in place, every part that the output does not depend on and that holds parameters.

    Judged by one image: a module goes where it does not run and none of its parameters gets a gradient.
    """
    ran: set[int] = set()
    hooks = [inner.register_forward_pre_hook(lambda inner, _: ran.add(id(inner))) for inner in module.modules()]
    before = {parameter: parameter.grad for parameter in module.parameters()}
    try:
        with evaluating(module), torch.enable_grad():
            for parameter in before:
                parameter.grad = None
            output = module(images).sum()
            if output.requires_grad:  # where no parameter has a say in it, none is used
                output.backward()
        used = {id(parameter) for parameter in before if parameter.grad is not None or not parameter.requires_grad}
    finally:
        for hook in hooks:
            hook.remove()
        for parameter, grad in before.items():
            parameter.grad = grad
    _drop(module, ran, used)


def _drop(module: nn.Module, ran: set[int], used: set[int]) -> None:
    for name, child in list(module.named_children()):
        parameters = list(child.parameters())
        idle = not any(id(inner) in ran for inner in child.modules())
        if parameters and idle and not any(id(parameter) in used for parameter in parameters):
            setattr(module, name, nn.Identity())
        else:
            _drop(child, ran, used)
