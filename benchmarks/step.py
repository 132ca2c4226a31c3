"""One training step of ResNet-18: time per anchor, beside the step that most people write first.

Naive: 32 triplets drawn at random, one forward for each of the three branches (shared weights), torch's own
TripletMarginLoss, float32, torch's default layout. Ours: the same 96 images as 24 classes with 4 images each through
the branch once, mined into all triplets. Both: zero_grad, forward, loss, backward, AdamW step. An anchor counts if it
enters the loss in at least one triplet above zero.

Steps alternate within each round, so whatever else the machine does falls on all of them alike.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from artifact.losses import LOSSES
from trainer.networks.base_networks import branch_of, build_base
from trainer.networks.branch import Branch
from trainer.objective.objective import Objective
from trainer.weights.precision import InPrecision

NUM_TRIPLETS, IMAGES_PER_CLASS, DIM, MARGIN, ROUNDS = 32, 4, 64, 1.0, 7
NUM_IMAGES = 3 * NUM_TRIPLETS


def run() -> dict[str, Any]:
    return {f"{size} px": _measure(size) for size in (64, 112)} | {"wanted": {"fp32": 2.5, "bf16": 5.0}}


def _measure(size: int) -> dict[str, Any]:
    images = torch.randint(0, 256, (NUM_IMAGES, size, size, 3), dtype=torch.uint8)
    labels = torch.arange(NUM_IMAGES) // IMAGES_PER_CLASS
    steps = {"naive fp32": _naive(size, images)}
    steps |= {f"ours {precision}": _ours(size, images, labels, precision) for precision in ("fp32", "bf16")}
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    anchors: dict[str, list[int]] = {name: [] for name in steps}
    for round_ in range(ROUNDS + 1):
        for name, step in steps.items():
            started = time.perf_counter()
            counted = step()
            if round_:  # the first round warms up
                seconds[name].append(time.perf_counter() - started)
                anchors[name].append(counted)
    per_anchor = {
        name: statistics.median(t / n for t, n in zip(seconds[name], anchors[name], strict=True)) for name in steps
    }
    ratios = {
        name: statistics.median(
            (naive / a) / (own / b)
            for naive, a, own, b in zip(
                seconds["naive fp32"], anchors["naive fp32"], seconds[name], anchors[name], strict=True
            )
        )
        for name in steps
    }
    return {
        name: {
            "step_ms": round(1000 * statistics.median(seconds[name]), 1),
            "anchors": statistics.median(anchors[name]),
            "ms_per_anchor": round(1000 * per_anchor[name], 3),
            "times_naive": round(ratios[name], 2),
        }
        for name in steps
    }


def _branch(size: int) -> Branch:
    torch.manual_seed(0)
    base = build_base("resnet18", size=size)
    return branch_of(base, embedding_dim=DIM, normalize=False).train()


def _naive(size: int, images: Tensor) -> Callable[[], int]:
    """Three forwards in torch's default layout; the images are normalised floats already."""
    branch = _branch(size)
    network = nn.Sequential(branch.base, branch.embedding)
    planes = (images.float() / 255 - 0.45).div(0.225).permute(0, 3, 1, 2).contiguous()
    anchors, positives, negatives = planes.split(NUM_TRIPLETS)
    loss_of = nn.TripletMarginLoss(margin=MARGIN, reduction="none")
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-5)

    def step() -> int:
        optimizer.zero_grad(set_to_none=True)
        losses = loss_of(network(anchors), network(positives), network(negatives))
        losses.mean().backward()
        optimizer.step()
        return int((losses > 0).sum())

    return step


def _ours(size: int, images: Tensor, labels: Tensor, precision: str) -> Callable[[], int]:
    branch = _branch(size)
    branch.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    module = InPrecision(branch, precision)
    objective = Objective(loss=LOSSES["triplet"], distance="euclidean", mining="all", margin=MARGIN, margin2=0.0)
    optimizer = torch.optim.AdamW(branch.parameters(), lr=1e-5)

    def step() -> int:
        optimizer.zero_grad(set_to_none=True)
        vectors = module(images)
        objective(vectors, labels).loss.backward()
        optimizer.step()
        return _active_anchors(vectors.detach(), labels)

    return step


def _active_anchors(vectors: Tensor, labels: Tensor) -> int:
    """Anchors whose farthest positive is not a margin nearer than their nearest negative."""
    distances = torch.cdist(vectors, vectors)
    same = labels[:, None] == labels
    positive = distances.where(same, torch.zeros(())).amax(dim=1)
    negative = distances.where(~same, torch.tensor(torch.inf)).amin(dim=1)
    return int((positive + MARGIN > negative).sum())
