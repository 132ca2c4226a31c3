"""Checkpoints: weights for export, and the state from which an unfinished run continues; safetensors, never pickle.

Decisions a reader would question:
- Batches, augmentation, dropout and learning rate are pure functions of seed and step, so the state is only tensors
  (weights, the optimizer's, the average's) and a few numbers: there is no sampler or generator to save.
- The state repeats the weights, so that one file, replaced at once, is always consistent in itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from artifact.atomic import write_atomically
from artifact.errors import RunError
from trainer.run.folder import CHECKPOINT, STATE

_KEY = "lookalike"
"""One metadata key only: safetensors writes several in no fixed order, and equal runs must give equal bytes."""


@dataclass(kw_only=True)
class Position:
    """The place of a run in its schedule; all else that it needs follows from this, the configuration and the tensors.

    Attributes:
        epoch: finished epochs.
        batch: finished batches of the epoch under way.
        sums, counts: running sums of that epoch's statistics, by name.
        collapsed: steps in a row with all vectors at one point.
        scaler: state of the float16 gradient scaler.
    """

    epoch: int = 0
    batch: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    counts: dict[str, float] = field(default_factory=dict)
    collapsed: int = 0
    scaler: dict[str, Any] = field(default_factory=dict)


def save_checkpoint(path: Path, branch: nn.Module, *, head: Mapping[str, Any] | None = None) -> None:
    """Write the weights that export will read, replaced at once.

    Args:
        path: the run folder.
        branch: whose weights.
        head: facts of the closed-form head that stands in them, or None.
    """
    notes = None if head is None else {_KEY: json.dumps({"head": dict(head)})}
    write_atomically(path / CHECKPOINT, save(_plain(branch.state_dict()), notes))


def head_in(file: Path) -> dict[str, Any] | None:
    """Facts of the closed-form head in a checkpoint; None: the trained layer stands in it. Raises RunError."""
    try:
        with safe_open(file, framework="pt") as stream:
            notes = (stream.metadata() or {}).get(_KEY)
        head: dict[str, Any] | None = None if notes is None else json.loads(notes)["head"]
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        got = " ".join(str(error).split())[:200]
        raise RunError("head of a checkpoint", expected="its facts", got=got, where=file) from None
    return head


def save_state(
    path: Path, branch: nn.Module, optimizer: torch.optim.Optimizer, average: AveragedModel | None, position: Position
) -> None:
    """Write all that a resumed run needs, replaced at once."""
    tensors = {f"weights.{name}": tensor for name, tensor in _plain(branch.state_dict()).items()}
    for index, values in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value for name, value in _plain(values).items()}
    if average is not None:
        tensors |= {f"average.{name}": tensor for name, tensor in _plain(average.state_dict()).items()}
    write_atomically(path / STATE, save(tensors, {_KEY: json.dumps(asdict(position))}))


def read_state(path: Path) -> tuple[Position, dict[str, Tensor]]:
    """Where an unfinished run stands, and its tensors by name, on the CPU; raises RunError."""
    file = path / STATE
    try:
        with safe_open(file, framework="pt") as stream:
            position = Position(**json.loads(stream.metadata()[_KEY]))
            return position, {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise _damaged(error, file) from None


def put_state(
    tensors: dict[str, Tensor],
    branch: nn.Module,
    optimizer: torch.optim.Optimizer,
    average: AveragedModel | None,
    *,
    where: Path,
) -> None:
    """Put everything back as it was when the state `where` was written; raises RunError."""
    try:
        branch.load_state_dict(_below("weights.", tensors))
        if average is not None:
            average.load_state_dict(_below("average.", tensors))
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in _below("optimizer.", tensors).items():
            index, key = name.split(".")
            state.setdefault(int(index), {})[key] = tensor
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise _damaged(error, where / STATE) from None


def _damaged(error: Exception, file: Path) -> RunError:
    got = " ".join(str(error).split())[:200]
    return RunError("state of an unfinished run", expected="a whole file", got=got, where=file)


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _plain(tensors: dict[str, Any]) -> dict[str, Tensor]:
    """On the CPU, contiguous and apart from the live weights; what is not a tensor becomes one."""
    plain = {}
    for name, value in tensors.items():
        if value is None:  # SGD's momentum before the first step
            continue
        tensor = value if isinstance(value, Tensor) else torch.tensor(value)
        plain[name] = tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
    return plain
