"""A program for two processes that torchrun's variables join: gradients of a small branch on a batch, to a file."""

import contextlib
import os
import sys

import numpy as np
import torch
from torch import nn

from artifact.losses import LOSSES
from trainer.loop.distributed import Ranks, apart, joined
from trainer.networks.branch import Branch
from trainer.objective.objective import Objective
from trainer.weights.precision import InPrecision

CASES = ((12, "all", 1), (13, "batch_hard", 1), (12, "all", 3))
"""(images in the batch, miner, batches whose gradients are added up); the second cannot be halved."""


def make_branch() -> Branch:
    """No batch normalisation: torch synchronises its statistics on GPUs only."""
    torch.manual_seed(3)
    base = nn.Sequential(nn.Conv2d(3, 8, 3), nn.GroupNorm(2, 8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return Branch(base, num_features=8, embedding_dim=4, mean=(0.5,) * 3, std=(0.5,) * 3, normalize=False)


def make_batch(count: int, *, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """uint8 [count, 9, 9, 3] and the classes of its images, three of each."""
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (count, 9, 9, 3), dtype=np.uint8)
    return torch.from_numpy(images), torch.from_numpy(np.arange(count) // 3)


def gradients(count: int, *, mining: str, num_batches: int, ranks: Ranks) -> dict[str, torch.Tensor]:
    """Loss and gradients on joined batches, computed by however many ranks there are."""
    branch = make_branch()
    module = ranks.wrap(InPrecision(branch, "fp32"))
    own = ranks.share(np.arange(count))
    objective = Objective(loss=LOSSES["triplet"], distance="euclidean", mining=mining, margin=0.5, margin2=0.0)
    for number in range(num_batches):
        images, labels = make_batch(count, seed=5 + number)
        with contextlib.nullcontext() if number == num_batches - 1 else apart(module):
            vectors = ranks.gather(module(images[torch.from_numpy(own)]), count)
            loss = objective(vectors, labels).loss
            loss.backward()
    return {"loss": loss.detach()} | {name: p.grad for name, p in branch.named_parameters() if p.grad is not None}


if __name__ == "__main__":
    torch.set_num_threads(1)
    with joined("cpu") as ranks:
        found = [gradients(count, mining=mining, num_batches=number, ranks=ranks) for count, mining, number in CASES]
    torch.save(found, f"{sys.argv[1]}/rank{os.environ['RANK']}.pt")
