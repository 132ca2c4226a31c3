"""Loss and gradient of one batch's mined tuples beside pytorch-metric-learning, in interleaved rounds.

The headline: batch-all triplet loss and its gradient to the vectors, N = 512 images, 128 dimensions, K = 4 of a class,
780,288 triplets, against TripletMarginLoss on all triplets with its default mean over non-zero ones. The other rows are
the miners that both libraries have, and batch-all with more images of a class, where the other side is left out: it
lists 16 million triplets and more.

Timed in float32, as both are used. Gradients are compared in float64: in float32 the two round distances differently,
so about one triplet in a million falls on the other side of the margin.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.losses import TripletMarginLoss
from pytorch_metric_learning.miners import BatchHardMiner, MultiSimilarityMiner, TripletMarginMiner
from torch import Tensor

from artifact.losses import LOSSES
from trainer.objective.objective import Objective

NUM_IMAGES, DIM, MARGIN, ROUNDS = 512, 128, 0.2, 15
DISTANCE = LpDistance(normalize_embeddings=False)
MINERS: dict[str, Any] = {
    "all": None,
    "batch_hard": BatchHardMiner(distance=DISTANCE),
    "semi_hard": TripletMarginMiner(MARGIN, "semihard", distance=DISTANCE),
    "hard": TripletMarginMiner(MARGIN, "hard", distance=DISTANCE),
    "multi_similarity": MultiSimilarityMiner(0.1, distance=DISTANCE),
}


def batch(per_class: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Unit vectors, the images of a class nearer to each other: float [N, n], int64 [N]."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(NUM_IMAGES) // per_class
    centres = torch.randn(int(labels[-1]) + 1, DIM, generator=generator, dtype=torch.float64)
    points = centres[labels] + torch.randn(NUM_IMAGES, DIM, generator=generator, dtype=torch.float64)
    return torch.nn.functional.normalize(points).to(dtype).requires_grad_(), labels


def ours(vectors: Tensor, labels: Tensor, miner: str) -> Tensor:
    objective = Objective(loss=LOSSES["triplet"], distance="euclidean", mining=miner, margin=MARGIN, margin2=0.0)
    return torch.autograd.grad(objective(vectors, labels).loss, vectors)[0]


def theirs(vectors: Tensor, labels: Tensor, miner: str) -> Tensor:
    mined = MINERS[miner](vectors, labels) if MINERS[miner] else None
    loss = TripletMarginLoss(MARGIN, distance=DISTANCE)(vectors, labels, mined)
    return torch.autograd.grad(loss, vectors)[0]


def milliseconds(function: Callable[[], object]) -> float:
    started = time.perf_counter()
    function()
    return 1e3 * (time.perf_counter() - started)


def beside(miner: str, per_class: int) -> dict[str, float]:
    """Medians of interleaved rounds, their ratio, and how far the gradients are apart."""
    exact = batch(per_class, torch.float64)
    apart = float((ours(*exact, miner) - theirs(*exact, miner)).abs().max())
    vectors, labels = batch(per_class, torch.float32)
    mine, other = [], []
    for _ in range(ROUNDS):
        mine.append(milliseconds(lambda: ours(vectors, labels, miner)))
        other.append(milliseconds(lambda: theirs(vectors, labels, miner)))
    return {
        "ours_ms": round(statistics.median(mine), 2),
        "pytorch_metric_learning_ms": round(statistics.median(other), 2),
        "times_faster": round(statistics.median(b / a for a, b in zip(mine, other, strict=True)), 1),
        "gradients_apart": apart,
    }


def run() -> dict[str, Any]:
    result: dict[str, Any] = {"images": NUM_IMAGES, "dimensions": DIM, "threads": torch.get_num_threads()}
    for miner in MINERS:
        ours(*batch(4, torch.float32), miner), theirs(*batch(4, torch.float32), miner)
        result[f"{miner}_4_of_a_class"] = beside(miner, 4)
    for per_class in (16, 64):
        vectors, labels = batch(per_class, torch.float32)
        times = [milliseconds(lambda v=vectors, y=labels: ours(v, y, "all")) for _ in range(ROUNDS)]
        triplets = NUM_IMAGES * (per_class - 1) * (NUM_IMAGES - per_class)
        result[f"all_{per_class}_of_a_class"] = {"ours_ms": round(statistics.median(times), 2), "triplets": triplets}
    return result
