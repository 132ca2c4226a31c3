"""Weights from a local file: .safetensors, or a .pt file read with `weights_only=True`, so no file can run code.

Decision a reader would question: names may have a prefix. Files written by data-parallel training (`module.`) and the
checkpoints of our own runs (`base.`) hold the same network under longer names, and nothing else could be meant.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from artifact.errors import UsageError

_PREFIXES = ("", "module.", "base.", "base.network.", "base.network.network.")
_WRAPPERS = ("state_dict", "model")
_LICENCE_KEYS = ("license", "licence")


def load_weights(module: nn.Module, path: Path, *, name: str) -> str | None:
    """Copy a file's tensors into a whole network; none may be missing, a removed output layer may be left over.

    Args:
        module: changed in place.
        path: the file.
        name: of the network, for messages.

    Returns:
        The weights' licence, where a .safetensors file names one in its metadata.

    Raises:
        UsageError: no such file, not of this kind, or of another network.
    """
    tensors, licence = read_weights(path)
    put_weights(module, tensors, name=name, where=path)
    return licence


def put_weights(module: nn.Module, tensors: Mapping[str, Tensor], *, name: str, where: Path) -> None:
    """Copy named tensors into a whole network; none may be missing, a removed output layer may be left over.

    Raises:
        UsageError: tensors of another network.
    """
    own = module.state_dict()
    matches = {prefix: sum(prefix + key in tensors for key in own) for prefix in _PREFIXES}
    prefix = max(_PREFIXES, key=lambda prefix: matches[prefix])
    found = {key: tensors[prefix + key] for key in own if prefix + key in tensors}
    missing = [key for key in own if key not in found and not key.endswith("num_batches_tracked")]
    unlike = [key for key in found if found[key].shape != own[key].shape]
    if missing or unlike:
        first = (missing + unlike)[0]
        expected = f"{len(own)} tensors that fit, such as {first} {list(own[first].shape)}"
        got = f"{len(missing)} missing and {len(unlike)} of another shape"
        raise UsageError(f"weights for {name}", expected=expected, got=got, where=where)
    module.load_state_dict(found, strict=False)


def read_weights(path: Path) -> tuple[dict[str, Tensor], str | None]:
    """Named tensors of a .safetensors or .pt file, and their licence where named; raises UsageError.

    A mapping called `state_dict` or `model` inside a .pt file is unwrapped.
    """
    from safetensors import SafetensorError, safe_open

    try:
        if path.suffix == ".safetensors":
            with safe_open(path, framework="pt") as stream:
                facts = stream.metadata() or {}
                tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118 - not a mapping
            return tensors, next((facts[key] for key in _LICENCE_KEYS if facts.get(key)), None)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise UsageError("weights", expected="a file", got="nothing there", where=path) from None
    except (SafetensorError, pickle.UnpicklingError, OSError, RuntimeError, EOFError, ValueError) as error:
        expected = ".safetensors, or a .pt file of plain tensors"
        got = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise UsageError("weights", expected=expected, got=got, where=path) from None
    for key in _WRAPPERS:
        content = content.get(key, content) if isinstance(content, dict) else content
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise UsageError("weights", expected="a mapping of names to tensors", got=type(content).__name__, where=path)
    return content, None
