"""Checkpoints: weights for export, and the state from which an unfinished run continues; safetensors, never pickle.

Decisions a reader would question:
- Batches, augmentation and learning rate are pure functions of seed, epoch and step, so the state is only weights, the
  optimizer's tensors and the number of finished epochs: there is no sampler or generator to save.
- The state repeats the weights, so that one file, replaced at once, is always consistent in itself.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from artifact.atomic import write_atomically
from artifact.errors import RunError
from trainer.branch import Branch
from trainer.run import CHECKPOINT, STATE

_KEY = "lookalike"
"""One metadata key only: safetensors writes several in no fixed order, and equal runs must give equal bytes."""


def save_checkpoint(path: Path, branch: Branch, optimizer: torch.optim.Optimizer, *, epoch: int) -> None:
    """Write checkpoint and state after `epoch` finished epochs, each replaced at once, the state last."""
    weights = _plain(branch.state_dict())
    tensors = {f"weights.{name}": tensor for name, tensor in weights.items()}
    for index, values in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value for name, value in _plain(values).items()}
    write_atomically(path / CHECKPOINT, save(weights))
    write_atomically(path / STATE, save(tensors, {_KEY: json.dumps({"epoch": epoch})}))


def load_state(path: Path, branch: Branch, optimizer: torch.optim.Optimizer) -> int:
    """Put weights and optimizer back as they were; returns the number of finished epochs; raises RunError."""
    file = path / STATE
    try:
        with safe_open(file, framework="pt") as stream:
            epoch = int(json.loads(stream.metadata()[_KEY])["epoch"])
            tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118 - not a mapping
        weights = {name.removeprefix("weights."): t for name, t in tensors.items() if name.startswith("weights.")}
        branch.load_state_dict(weights)
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            if name.startswith("optimizer."):
                _, index, key = name.split(".")
                state.setdefault(int(index), {})[key] = tensor
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        got = " ".join(str(error).split())[:200]
        raise RunError("state of an unfinished run", expected="a whole file", got=got, where=file) from None
    return epoch


def _plain(tensors: dict[str, Any]) -> dict[str, Tensor]:
    """On the CPU, contiguous and apart from the live weights; what is not a tensor becomes one."""
    plain = {}
    for name, value in tensors.items():
        if value is None:  # SGD's momentum before the first step
            continue
        tensor = value if isinstance(value, Tensor) else torch.tensor(value)
        plain[name] = tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
    return plain
