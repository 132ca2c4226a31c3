"""timm's image networks as a source: any of its 1,300 names, its published weights, its stages.

Decision a reader would question: a cut is timm's own (`forward_intermediates` behind `prune_intermediate_layers`), and
whatever still holds parameters that the output does not depend on is dropped after it. What stands behind the last
kept stage goes with any cut, the last one's included: final norms and widening convolutions are part of the head.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

import torch
from torch import Tensor, nn

from artifact.errors import TrainingError, UsageError
from trainer.networks.source_network import Ends, Source, SourceNetwork, Triple, UnknownNameError
from trainer.networks.stages import drop_unused, run_once


class TimmStages(nn.Module):
    """The first stages of a network of timm: float32 [N, 3, H, W] -> the last one's activation [N, C, H', W']."""

    def __init__(self, network: Any, count: int) -> None:
        super().__init__()
        self.network = network
        self.indices = [count - 1]

    def forward(self, images: Tensor) -> Tensor:
        maps: list[Tensor] = self.network.forward_intermediates(
            images, indices=self.indices, stop_early=True, output_fmt="NCHW", intermediates_only=True
        )
        return maps[0]


class TimmMap(nn.Module):
    """A network of timm without its pooling: float32 [N, 3, H, W] -> [N, C, H', W'], or [N, C, patches].

    Args:
        network: gives [N, C, H', W'], [N, H', W', C] or [N, tokens, C].
        channels_last: of maps with four axes.
        num_other_tokens: tokens in front that stand for no patch, such as the class token.
    """

    def __init__(self, network: nn.Module, *, channels_last: bool, num_other_tokens: int) -> None:
        super().__init__()
        self.network = network
        self.channels_last = channels_last
        self.num_other_tokens = num_other_tokens

    def forward(self, images: Tensor) -> Tensor:
        maps: Tensor = self.network(images)
        if maps.ndim == 3:
            return maps[:, self.num_other_tokens :].transpose(1, 2)
        return maps.permute(0, 3, 1, 2) if self.channels_last else maps


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
        others = int(getattr(network, "num_prefix_tokens", 0) or 0)
        if len(shape) == 3 and shape[1] - others != sides[0] * sides[1]:
            raise self.not_pooled(f"{shape[1]} tokens for {sides[0]} x {sides[1]} patches")
        if len(shape) not in (3, 4):
            raise self.not_pooled(f"an output of {len(shape)} axes")
        channels_last = getattr(network, "output_fmt", "NCHW") == "NHWC"
        return TimmMap(network, channels_last=channels_last, num_other_tokens=others)

    def _network(self) -> Any:
        return self.module

    def _black(self) -> Tensor:
        return torch.zeros(1, 3, self.size, self.size)


def timm_network(name: str, size: int | None, pretrained: bool) -> TimmNetwork:
    """A network of timm by name, its output layer removed, with random or published weights.

    Raises:
        UnknownNameError: no such network.
        UsageError: a size that it cannot take.
        TrainingError: published weights that could not be fetched.
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
    if pretrained and not published.has_weights:
        raise UsageError(f"published weights of {name}", expected="none, there are no such", got="--pretrained")
    natural = int(published.input_size[1])
    size = size or natural
    offline = pretrained and not _hub_answers()
    resized: dict[str, Any] = {"img_size": size} if published.fixed_input_size and size != natural else {}
    try:
        with _cache_alone() if offline else contextlib.nullcontext():
            module = timm.create_model(name, pretrained=pretrained, num_classes=0, **resized)
        _check_output(module, size)
    except Exception as error:  # downloads and 1,300 networks raise anything
        if offline:
            raise TrainingError(
                f"published weights of {name} could not be fetched",
                got="no connection, and no copy of an earlier one",
                mend="check the network, or give a local file with --weights FILE.safetensors",
            ) from None
        raise _build_error(name, size, pretrained, error) from None
    return TimmNetwork(
        name=name,
        module=module,
        size=size,
        mean=_triple(published.mean),
        std=_triple(published.std),
        source=f"timm {timm.__version__}",
        ends=_ends(module),
        weights=f"timm/{published.architecture}.{published.tag}" if pretrained else "random",
        licence=published.license if pretrained else None,
    )


def _ends(module: nn.Module) -> Ends:
    """Stages as timm lists them; a few are no module of their own, and then only their names are known."""
    modules = dict(module.named_modules())
    names = [str(stage["module"]) for stage in getattr(module, "feature_info", None) or []]
    return [(name, modules.get(name)) for name in names]


def _check_output(module: nn.Module, size: int) -> None:
    features = run_once(module, torch.zeros(1, 3, size, size))
    if features.ndim != 2:
        raise ValueError(f"its output has {features.ndim} axes, expected [N, features]")


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


def _build_error(name: str, size: int, pretrained: bool, error: Exception) -> Exception:
    if pretrained:
        mend = "check the network, or give a local file with --weights FILE.safetensors"
        return TrainingError(f"published weights of {name} could not be fetched", got=_reason(error), mend=mend)
    mend = "choose another --size"
    return UsageError(f"base network {name} at {size} px", expected="a size it can take", got=_reason(error), mend=mend)


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).splitlines()[0][:160] if str(error) else ''}"


def _triple(values: Any) -> Triple:
    red, green, blue = (float(value) for value in values)
    return red, green, blue


TIMM = Source(make=timm_network)
