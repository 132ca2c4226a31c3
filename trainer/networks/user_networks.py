"""A user's own base network, named `module:function`.

    def make(size: int) -> torch.nn.Module: ...     # or without `size`; a subclass of Module will do

The module takes float32 [N, 3, size, size], normalised, and gives float32 [N, features] or a map [N, C, H, W], which is
averaged, or pooled as `--pooling` says. What it may say about itself, each as an attribute: `mean` and `std` (three
numbers in units of [0, 1]; 0.5 where it does not), `size` (side of its input, where the user gives none), and
`stages()` (its modules from the input on, each fed with the one before). The layers of an nn.Sequential are its stages.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from artifact.errors import UsageError
from trainer.networks.source_network import Ends, Source, SourceNetwork, Start, Triple
from trainer.networks.stages import run_once
from trainer.user_code import FAILURES, failure, load_user_object

_WHERE = "--base"
_OUTPUT = "float32 [N, features] or [N, C, H, W]"


class UserNetwork(SourceNetwork):
    """A user's network as a source; it is taken apart only where it says how."""

    def first_stages(self, count: int) -> nn.Module:
        if not self.ends:
            raise self.not_cut("neither an nn.Sequential nor stages()")
        if isinstance(self.module, nn.Sequential):
            return self.module[:count]
        chain = nn.Sequential(*[end for _, end in self.ends[:count] if end is not None])
        self._check_chain(chain)
        return chain

    def last_map(self) -> nn.Module:
        return self.module

    def _check_chain(self, chain: nn.Sequential) -> None:
        """The stages one after the other must give what they give within the network."""
        images = torch.rand(1, 3, self.size, self.size, generator=torch.Generator().manual_seed(0))
        seen: list[Tensor] = []
        last = chain[len(chain) - 1]
        hook = last.register_forward_hook(lambda module, inputs, output: seen.append(output.clone()))
        try:
            run_once(self.module, images)
            whole = seen[0] if seen else None
            alone = run_once(chain, images)
        except FAILURES as error:
            raise self.not_cut(f"its stages fail when chained, {failure(error)}") from None
        finally:
            hook.remove()
        if whole is None or whole.shape != alone.shape or not torch.allclose(whole, alone, rtol=1e-4, atol=1e-5):
            raise self.not_cut("its stages when chained give something else than within the network")


def user_network(name: str, start: Start) -> UserNetwork:
    """Call the user's function and check what it gives; raises UsageError for everything that can be wrong."""
    what = f"base network {name}"
    if start.published:
        mend = "load them in the function, or with --weights FILE.safetensors"
        expected = "none, they are not known here"
        raise UsageError(f"published weights of {name}", expected=expected, got="--pretrained", mend=mend)
    make = load_user_object(name, what="base network", where=_WHERE)
    module = _call(make, start.size, what=what)
    if not isinstance(module, nn.Module):
        kind = f"the class {module.__name__}" if isinstance(module, type) else type(module).__name__
        raise UsageError(f"what {name} gives", expected="a torch.nn.Module", got=kind, where=_WHERE)
    size = start.size or _natural_size(module, make, what=what)
    network = UserNetwork(
        name=name,
        module=module,
        size=size,
        mean=_triple(module, "mean", what=what),
        std=_triple(module, "std", what=what),
        source=name,
        pools_a_map=False,
        ends=_ends(module, what=what),
    )
    _check_output(network, what=what)
    return network


def _call(make: Callable[..., Any], size: int | None, *, what: str) -> Any:
    parameter = _size_parameter(make)
    arguments = {"size": size} if parameter is not None and size is not None else {}
    if parameter is not None and not arguments and _must_be_given(parameter):
        expected = "a size, its function takes one"
        raise UsageError(f"{what} at any size", expected=expected, got="none", where="--size")
    try:
        return make(**arguments)
    except FAILURES as error:
        at = f" at {size} px" if arguments else ""
        raise UsageError(f"{what}{at}", expected="a network", got=failure(error), where=_WHERE) from None


def _size_parameter(make: Callable[..., Any]) -> inspect.Parameter | None:
    """The parameter that takes `size=`, if there is one."""
    try:
        parameters = inspect.signature(make).parameters
    except (TypeError, ValueError):  # compiled functions tell nothing
        return None
    rest = [value for value in parameters.values() if value.kind is inspect.Parameter.VAR_KEYWORD]
    return parameters.get("size", rest[0] if rest else None)


def _must_be_given(parameter: inspect.Parameter) -> bool:
    return parameter.default is inspect.Parameter.empty and parameter.kind is not inspect.Parameter.VAR_KEYWORD


def _natural_size(module: nn.Module, make: Callable[..., Any], *, what: str) -> int:
    parameter = _size_parameter(make)
    size = getattr(module, "size", None if parameter is None else parameter.default)
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        got = "none" if size in (None, inspect.Parameter.empty) else repr(size)
        raise UsageError(f"size of {what}", expected="its attribute `size`, or --size", got=got, where=_WHERE)
    return size


def _triple(module: nn.Module, name: str, *, what: str) -> Triple:
    value = getattr(module, name, (0.5, 0.5, 0.5))
    try:
        red, green, blue = (float(number) for number in value)
    except (TypeError, ValueError):
        raise UsageError(f"{name} of {what}", expected="three numbers", got=repr(value)[:80], where=_WHERE) from None
    if not all(math.isfinite(number) and (name == "mean" or number > 0) for number in (red, green, blue)):
        expected = "three finite numbers" if name == "mean" else "three numbers above 0"
        raise UsageError(f"{name} of {what}", expected=expected, got=repr(value)[:80], where=_WHERE)
    return red, green, blue


def _ends(module: nn.Module, *, what: str) -> Ends:
    if isinstance(module, nn.Sequential):
        return list(module.named_children())
    if not callable(getattr(module, "stages", None)):
        return []
    try:
        parts = list(module.stages())  # type: ignore[operator] # the user's method
    except FAILURES as error:
        raise UsageError(f"stages() of {what}", expected="its modules", got=failure(error), where=_WHERE) from None
    names = {id(inner): name for name, inner in module.named_modules()}
    if not parts or not all(id(part) in names for part in parts):
        raise UsageError(f"stages() of {what}", expected="modules of the network", got=repr(parts)[:80], where=_WHERE)
    return [(names[id(part)], part) for part in parts]


def _check_output(network: UserNetwork, *, what: str) -> None:
    """Two black images in; one vector or map of float32 for each out."""
    try:
        output = run_once(network.module, torch.zeros(2, 3, network.size, network.size))
    except FAILURES as error:
        raise UsageError(
            f"{what} with images [2, 3, {network.size}, {network.size}]",
            expected=_OUTPUT,
            got=failure(error),
            where=_WHERE,
            mend="mend its forward, or choose another --size",
        ) from None
    got = type(output).__name__
    if isinstance(output, Tensor):
        got = f"{str(output.dtype).removeprefix('torch.')} {list(output.shape)} for 2 images"
        if output.dtype == torch.float32 and output.ndim in (2, 4) and output.shape[0] == 2 and output.numel():
            return
    raise UsageError(f"output of {what}", expected=_OUTPUT, got=got, where=_WHERE)


USER = Source(make=user_network)
