"""Ranks: processes that share each batch. Each embeds its part of the images, all see the vectors of the whole batch.

`torchrun --nproc-per-node N -m lookalike train ...` starts N ranks; one process alone is a group of one rank. Mining
needs every image of a batch, so vectors are gathered across ranks and the loss of the joined batch is computed on each.

Decisions a reader would question:
- Every rank computes the same loss, so the gradient of a rank's own vectors is already whole; what remains is the sum
  of the parameters' gradients over ranks. DistributedDataParallel takes their mean, hence the factor in `backward`.
- Rank r takes images r, r + size, r + 2 size ... of the batch: classes spread over ranks, as batch statistics like it.
  On GPUs batch normalisation is synchronised; torch has no such layer for CPUs, where each rank normalises its share.
"""

from __future__ import annotations

import contextlib
import datetime
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn

from artifact.arrays import Indices
from artifact.errors import LookalikeError, UsageError
from trainer.networks.joined_statistics import with_joined_statistics

Given = TypeVar("Given")

_PATIENCE = datetime.timedelta(hours=3)
"""How long ranks wait for each other: the first one validates and writes the report alone."""


@dataclass(frozen=True, kw_only=True)
class Ranks:
    """This process among those that train together.

    Attributes:
        rank: 0 .. size - 1; rank 0 validates, reports and writes.
        size: how many there are.
        device: where this one computes.
    """

    rank: int
    size: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def share(self, rows: Indices) -> Indices:
        """This rank's images of a batch."""
        return rows[self.rank :: self.size]

    def gather(self, vectors: Tensor, total: int) -> Tensor:
        """Vectors of the whole batch in its order, gradients to this rank's own: float32 [share, n] -> [total, n]."""
        if self.size == 1:
            return vectors
        gathered: Tensor = _Gather.apply(vectors, self, total)  # type: ignore[no-untyped-call]
        return gathered

    def wrap(self, module: nn.Module) -> nn.Module:
        """The module whose backward pass adds gradients up over ranks."""
        if self.size == 1:
            return module
        if self.device.type == "cuda":
            module = with_joined_statistics(module)
        devices = [self.device] if self.device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(module, device_ids=devices, find_unused_parameters=False)

    def agree(self, value: Any) -> Any:
        """Rank 0's value, on every rank; it must be picklable."""
        if self.size == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0, device=self.device)
        return box[0]

    def on_first(self, act: Callable[[], Given]) -> Given:
        """What rank 0 does or reads while the others wait, given to all; what it refuses is refused on every rank.

        Files of the run are read and written in here only: no other rank need see them. What is given is picklable.
        """
        given: Given | None = None
        refused: LookalikeError | None = None
        if self.is_first:
            try:
                given = act()
            except LookalikeError as error:
                refused = error
        if self.size > 1:
            text, given = self.agree((None if refused is None else str(refused), given))
            if refused is None and text is not None:
                raise LookalikeError(text)
        if refused is not None:
            raise refused
        return cast(Given, given)

    def any(self, flag: bool) -> bool:
        """Whether the flag is set on any rank."""
        if self.size == 1:
            return flag
        found = torch.tensor([float(flag)], device=self.device)
        dist.all_reduce(found, op=dist.ReduceOp.MAX)
        return bool(found.item())


class _Gather(torch.autograd.Function):
    """Shares of a batch to the whole batch; backward takes this rank's rows of the gradient."""

    @staticmethod
    def forward(context: Any, vectors: Tensor, ranks: Ranks, total: int) -> Tensor:
        context.ranks = ranks
        largest = -(-total // ranks.size)
        padded = vectors.new_zeros(largest, vectors.shape[1])
        padded[: len(vectors)] = vectors.detach()
        parts = [torch.empty_like(padded) for _ in range(ranks.size)]
        dist.all_gather(parts, padded)
        # row i of the batch is row i // size of rank i % size, which is the order of this transposed stack
        return torch.stack(parts, dim=1).flatten(0, 1)[:total]

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        ranks: Ranks = context.ranks
        return gradients[0][ranks.rank :: ranks.size].contiguous() * ranks.size, None, None


def apart(module: nn.Module) -> contextlib.AbstractContextManager[None]:
    """Passes of a module from `Ranks.wrap` whose gradients stay with this rank, to be added up with later ones.

    Both passes belong inside: the forward pass prepares what the backward pass does.
    """
    if isinstance(module, nn.parallel.DistributedDataParallel):
        passes: contextlib.AbstractContextManager[None] = module.no_sync()
        return passes
    return contextlib.nullcontext()


def is_first_process() -> bool:
    """Whether this process is the one that speaks: rank 0 of torchrun's, or the only one."""
    return os.environ.get("RANK", "0") == "0" or os.environ.get("WORLD_SIZE", "1") == "1"


@contextlib.contextmanager
def joined(device: str) -> Iterator[Ranks]:
    """Take this process's place among those that torchrun started; alone, a group of one.

    Args:
        device: `auto` (a GPU where there is one), `cpu` or `cuda`.

    Raises:
        UsageError: CUDA is asked for and there is none, or more ranks than GPUs on this machine.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise UsageError("device", expected="cpu", got="cuda, and torch finds no GPU", where="--set loop.device=...")
    kind = "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield Ranks(rank=0, size=1, device=torch.device(kind))
        return
    local = int(os.environ.get("LOCAL_RANK", "0"))
    if kind == "cuda" and local >= torch.cuda.device_count():
        expected = f"at most {torch.cuda.device_count()}, one for each GPU"
        raise UsageError("processes on this machine", expected=expected, got=str(local + 1), where="--nproc-per-node")
    place = torch.device(kind, local) if kind == "cuda" else torch.device(kind)
    if kind == "cuda":
        torch.cuda.set_device(place)
    ours = not dist.is_initialized()
    if ours:
        dist.init_process_group("nccl" if kind == "cuda" else "gloo", timeout=_PATIENCE)
    try:
        yield Ranks(rank=dist.get_rank(), size=dist.get_world_size(), device=place)
    finally:
        if ours:
            dist.destroy_process_group()
