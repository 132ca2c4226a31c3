"""A training step of ours beside a bare one: how much of the network's own speed an epoch reaches.

Ours is `train_epoch` as `fit` calls it: pixels fetched, changed at random, embedded, all tuples of the batch and their
statistics, the update, an event a step. Bare is forward, backward and AdamW's step of the same network, in the same
precision and memory layout, on one batch that lies in memory, with the sum of squares for a loss. Rounds of both
alternate; the ratio is the median of each round's.
"""

from __future__ import annotations

import copy
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.sets.emoji_folders import prepare_emoji_folders
from trainer.config.config import make_config
from trainer.loop.distributed import Ranks
from trainer.loop.epoch import train_epoch
from trainer.loop.interruption import Interruption
from trainer.loop.kept_memory import kept_memory
from trainer.loop.preparation import prepare
from trainer.loop.saving import Saves
from trainer.loop.training import Training, make_training

CASES: dict[str, dict[str, Any]] = {
    "conv4 64 px": {"base": "conv4", "size": 64},
    "resnet10t 64 px": {"base": "resnet10t", "size": 64},
    "resnet18 112 px": {"base": "resnet18", "size": 112},
    "vit_tiny 64 px": {"base": "vit_tiny_patch16_224", "size": 64},
}
STEPS, ROUNDS = 12, 7
WANTED = 0.85


def run() -> dict[str, Any]:
    """{case: {"ours_ms", "bare_ms" a step, "share": bare / ours}}."""
    images, _ = prepare_emoji_folders()
    with kept_memory():
        return {"wanted": WANTED, "steps": STEPS} | {name: _measure(images, case) for name, case in CASES.items()}


def _measure(images: Path, case: dict[str, Any]) -> dict[str, Any]:
    settings = case | {"images": images, "kind": "triplet", "epochs": ROUNDS + 1, "validation": "none"}
    settings |= {"sampling": {"batches_per_epoch": STEPS}, "head": "trained", "progressive": {"share": 0}}
    ours, bare = list[float](), list[float]()
    with tempfile.TemporaryDirectory() as folder, Interruption() as interruption:
        prepared = prepare(make_config(settings), report=lambda event: None)
        training = make_training(prepared, Ranks(rank=0, size=1, device=torch.device("cpu")), Path(folder))
        saves, step = Saves(training), _bare(training)
        for round_ in range(ROUNDS + 1):
            started = time.perf_counter()
            train_epoch(training, lambda event: None, saves=saves, interruption=interruption)
            middle = time.perf_counter()
            for _ in range(STEPS):
                step()
            if round_:  # the first round warms up
                ours.append((middle - started) / STEPS)
                bare.append((time.perf_counter() - middle) / STEPS)
    found = {
        "precision": prepared.config.loop.precision,
        "ours_ms": round(1000 * statistics.median(ours), 1),
        "bare_ms": round(1000 * statistics.median(bare), 1),
        "share": round(statistics.median(b / a for a, b in zip(ours, bare, strict=True)), 3),
    }
    print(case, found, flush=True)
    return found


def _bare(training: Training) -> Any:
    """One step of a copy of the network on one batch."""
    module = copy.deepcopy(training.own_module).train()
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-5)
    rows = next(iter(training.batches.epoch(0))).rows
    images = torch.from_numpy(np.ascontiguousarray(training.prepared.train.pixels(rows)))

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        module(images).square().sum().backward()
        optimizer.step()

    return step
