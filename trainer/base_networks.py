"""Base networks: any image network of timm with its output layer removed, or our own Conv4.

A new source is one function and one line in SOURCES. Published weights are fetched by timm; local ones are read from
safetensors, or from a .pt file with `weights_only=True`, so no file can run code.
"""

from __future__ import annotations

import contextlib
import difflib
import pickle
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

import torch
from torch import Tensor, nn

from artifact.errors import TrainingError, UsageError
from trainer import conv4

Triple = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class BaseNetwork:
    """A network that turns images into features, and what the run must know of it.

    Attributes:
        name: as given by the user.
        module: float32 [N, 3, size, size], normalised by mean and std -> float32 [N, num_features].
        num_features: width of its output.
        size: side of its input in pixels.
        mean, std: per channel, in units of [0, 1].
        source: `timm VERSION` or `lookalike`.
        weights: where the first weights came from: `random`, `timm/NAME.TAG`, or `file NAME`.
        licence: of those weights, where known.
    """

    name: str
    module: nn.Module
    num_features: int
    size: int
    mean: Triple
    std: Triple
    source: str
    weights: str
    licence: str | None

    def to_dict(self) -> dict[str, Any]:
        """The facts that stand in the run and in every artifact."""
        pretrained = self.weights.startswith("timm/")
        facts = {"name": self.name, "source": self.source, "weights": self.weights}
        return facts | {"pretrained": pretrained, "licence": self.licence}


def build_base(
    name: str, *, size: int | None = None, pretrained: bool = False, weights: Path | None = None
) -> BaseNetwork:
    """Make a base network by name.

    Args:
        name: `conv4`, or a model name of timm, with or without its tag (`resnet18`, `resnet18.a1_in1k`).
        size: side of the input in pixels; None: what the network was made for.
        pretrained: load the weights that timm publishes for it.
        weights: load a local .safetensors or .pt file instead.

    Raises:
        UsageError: unknown name, a size that the network cannot take, weights that do not exist or do not fit.
        TrainingError: published weights that could not be fetched.
    """
    base = SOURCES["lookalike" if name == "conv4" else "timm"](name, size, pretrained)
    if weights is None:
        return base
    _load_into(base, weights)
    return BaseNetwork(**(vars(base) | {"weights": f"file {weights.name}", "licence": None}))


def _conv4(name: str, size: int | None, pretrained: bool) -> BaseNetwork:
    if pretrained:
        raise UsageError("published weights of conv4", expected="none, there are no such", got="--pretrained")
    size = size or conv4.NATURAL_SIZE_PX
    module = conv4.Conv4()
    return BaseNetwork(
        name=name, module=module, num_features=module.num_features, size=size, mean=(0.5,) * 3, std=(0.5,) * 3,
        source="lookalike", weights="random", licence=None,
    )  # fmt: skip


def _timm(name: str, size: int | None, pretrained: bool) -> BaseNetwork:
    from trainer.torchvision_guard import guard_torchvision

    guard_torchvision()
    import timm

    try:
        published: Any = timm.get_pretrained_cfg(name)
    except RuntimeError:  # an unknown tag
        published = None
    if published is None:
        raise _name_error(name, ["conv4", *timm.list_models()])
    if pretrained and not published.has_weights:
        raise UsageError(f"published weights of {name}", expected="none, there are no such", got="--pretrained")
    natural = int(published.input_size[1])
    size = size or natural
    offline = pretrained and not _hub_answers()
    resized: dict[str, Any] = {"img_size": size} if published.fixed_input_size and size != natural else {}
    try:
        with _cache_alone() if offline else contextlib.nullcontext():
            module = timm.create_model(name, pretrained=pretrained, num_classes=0, **resized)
        num_features = _output_width(module, size)
    except Exception as error:  # downloads and 1,300 networks raise anything
        if offline:
            raise TrainingError(
                f"published weights of {name} could not be fetched", got="no connection, and no copy of an earlier one",
                mend="check the network, or give a local file with --weights FILE.safetensors",
            ) from None  # fmt: skip
        raise _build_error(name, size, pretrained, error) from None
    return BaseNetwork(
        name=name, module=module, num_features=num_features, size=size, mean=_triple(published.mean),
        std=_triple(published.std), source=f"timm {timm.__version__}",
        weights=f"timm/{published.architecture}.{published.tag}" if pretrained else "random",
        licence=published.license if pretrained else None,
    )  # fmt: skip


def _hub_answers(timeout_s: float = 5) -> bool:
    """Whether the weights' server takes a connection; a proxy is believed. The hub's own client tries for a minute."""
    from huggingface_hub import constants

    address = urlsplit(constants.ENDPOINT)
    if getproxies().get(address.scheme):
        return True
    try:
        port = address.port or (443 if address.scheme == "https" else 80)
        socket.create_connection((address.hostname or "", port), timeout_s).close()
    except OSError:
        return False
    return True


@contextlib.contextmanager
def _cache_alone() -> Iterator[None]:
    """The hub's client looks at what it fetched earlier, and nowhere else."""
    from huggingface_hub import constants

    before, constants.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE, True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


SOURCES: dict[str, Callable[[str, int | None, bool], BaseNetwork]] = {"lookalike": _conv4, "timm": _timm}


def _name_error(name: str, known: list[str]) -> UsageError:
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    mend = f"nearest: {', '.join(near)}" if near else "timm.list_models() lists them"
    return UsageError("base network", expected="conv4 or a name of timm", got=repr(name), where="--base", mend=mend)


def _build_error(name: str, size: int, pretrained: bool, error: Exception) -> Exception:
    reason = f"{type(error).__name__}: {str(error).splitlines()[0][:160] if str(error) else ''}"
    if pretrained:
        mend = "check the network, or give a local file with --weights FILE.safetensors"
        return TrainingError(f"published weights of {name} could not be fetched", got=reason, mend=mend)
    mend = "choose another --size"
    return UsageError(f"base network {name} at {size} px", expected="a size it can take", got=reason, mend=mend)


def _output_width(module: nn.Module, size: int) -> int:
    """Width of the features, by running one black image: timm's num_features is not it for every network."""
    was_training = module.training
    module.eval()
    with torch.no_grad():
        features = module(torch.zeros(1, 3, size, size))
    module.train(was_training)
    if features.ndim != 2:
        raise ValueError(f"its output has {features.ndim} axes, expected [N, features]")
    return int(features.shape[1])


def _triple(values: Any) -> Triple:
    red, green, blue = (float(value) for value in values)
    return red, green, blue


def _load_into(base: BaseNetwork, path: Path) -> None:
    """Copy a file's tensors into the network; none may be missing, a removed output layer may be left over."""
    tensors = read_tensors(path)
    own = base.module.state_dict()
    missing = [key for key in own if key not in tensors and not key.endswith("num_batches_tracked")]
    unlike = [key for key in own if key in tensors and tensors[key].shape != own[key].shape]
    if missing or unlike:
        first = (missing + unlike)[0]
        expected = f"{len(own)} tensors that fit, such as {first} {list(own[first].shape)}"
        got = f"{len(missing)} missing and {len(unlike)} of another shape"
        raise UsageError(f"weights for {base.name}", expected=expected, got=got, where=path)
    base.module.load_state_dict(tensors, strict=False)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Named tensors of a .safetensors or .pt file; a `state_dict` inside is unwrapped; raises UsageError."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise UsageError("weights", expected="a file", got="nothing there", where=path) from None
    except (SafetensorError, pickle.UnpicklingError, OSError, RuntimeError, EOFError) as error:
        expected = ".safetensors, or a .pt file of plain tensors"
        got = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise UsageError("weights", expected=expected, got=got, where=path) from None
    content = content.get("state_dict", content) if isinstance(content, dict) else content
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise UsageError("weights", expected="a mapping of names to tensors", got=type(content).__name__, where=path)
    return content
