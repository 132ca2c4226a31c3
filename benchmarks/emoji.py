"""Emoji, symbols never seen: our recipe beside the plain strong user of pytorch-metric-learning, in equal seconds.

Both train the same base network at the same size from random weights on the same class folders, one after the other,
for three seeds. Ours goes first: `trainer.fit` with RECIPE, whole, reading of the images and last validation included,
for as many epochs as fit into SECONDS by a rate measured beforehand. The user's loop then gets exactly the seconds
that ours took, images in memory before its clock starts, and its learning rate follows the clock, so it ends when the
time does. Nobody looks at the unseen symbols before the end.

The user is plain_user.py's, at a rate of 1e-3. A second one flattens the last feature map as our recipe does, which is
a setting here and his own code there.

Every run is kept in PARTIAL as it ends: a benchmark that was cut off goes on where it stopped.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.arms import Arms
from benchmarks.plain_user import FIGURES, PlainUser, figures, raw_pixels, read
from lookalike.demo.emoji import write_emoji
from trainer import fit, make_config

BASE, SIZE_PX, DIM = "resnet10t", 64, 128
SECONDS = 90.0
SEEDS = (0, 1, 2)
RECIPE: dict[str, Any] = {
    "kind": "triplet",
    "base": BASE,
    "size": SIZE_PX,
    "dim": DIM,
    "pooling": "flatten",
    "normalize": True,
    "loss": "contrastive_linear",
    "margin": 1.0,
    "mining": "multi_similarity",
    "validation": "classes:0.05",
    "sampling": {"classes_per_batch": 32, "images_per_class": 4},
    "optimizer": {"learning_rate": 3e-3},
    "loop": {"precision": "auto", "validate_every": 100_000},
}
USERS: dict[str, str | None] = {"pytorch_metric_learning": None, "pytorch_metric_learning_flattened": "flatten"}
"""{who: pooling of the user's network}; None: the network's own average."""
PARTIAL = Path("build/benchmark-emoji.json")


def run() -> dict[str, Any]:
    """Figures on unseen symbols: {"raw_pixels", "ours", each of USERS, "gain_of_recall@1_by_seed", ...}."""
    arms = Arms(PARTIAL, (RECIPE, BASE, SIZE_PX, DIM, SECONDS))
    with tempfile.TemporaryDirectory() as folder:
        train, unseen = write_emoji(Path(folder))
        pixels, labels = read(unseen, SIZE_PX)
        arms.get("raw_pixels", lambda: raw_pixels(pixels, labels))
        an_epoch = arms.get("seconds_per_epoch", lambda: _seconds_per_epoch(train, Path(folder)))
        epochs = max(1, int(SECONDS / an_epoch))
        for seed in SEEDS:
            run_folder = Path(folder) / f"run{seed}"
            ours = arms.get(f"ours {seed}", partial(_ours, train, run_folder, epochs, seed, pixels, labels))
            for user, pooling in USERS.items():
                arms.get(
                    f"{user} {seed}",
                    partial(_user, train, ours["seconds"], seed, pixels, labels, pooling=pooling),
                )
    runs = {who: [arms[f"{who} {seed}"] for seed in SEEDS] for who in ("ours", *USERS)}
    arms.forget()
    return {
        "base": BASE,
        "size_px": SIZE_PX,
        "dim": DIM,
        "threads": torch.get_num_threads(),
        "epochs": epochs,
        "unseen": {"images": len(labels), "symbols": len(set(labels))},
        "recipe": RECIPE,
        "raw_pixels": arms["raw_pixels"],
        **{who: _mean(of_seeds) for who, of_seeds in runs.items()},
        "gain_of_recall@1_by_seed": {user: _gains(runs["ours"], runs[user]) for user in USERS},
        "by_seed": runs,
    }


def _gains(ours: list[dict[str, Any]], user: list[dict[str, Any]]) -> list[float]:
    return [round(a["recall@1"] - b["recall@1"], 4) for a, b in zip(ours, user, strict=True)]


def _ours(
    train: Path, run_folder: Path, epochs: int, seed: int, pixels: npt.NDArray[np.uint8], labels: list[str]
) -> dict[str, Any]:
    started = time.perf_counter()
    trained = fit(make_config(RECIPE | {"images": train, "epochs": epochs, "seed": seed}), run_folder)
    seconds = time.perf_counter() - started
    vectors = _embed(lambda batch: trained.branch(torch.from_numpy(batch)), pixels)
    return figures(vectors, labels, distance=trained.distance) | {"seconds": round(seconds, 1), "epochs": epochs}


def _seconds_per_epoch(train: Path, folder: Path) -> float:
    """From a short and a longer run, so that what comes once does not count."""
    seconds = []
    for epochs in (1, 4):
        started = time.perf_counter()
        fit(make_config(RECIPE | {"images": train, "epochs": epochs}), folder / f"rate{epochs}")
        seconds.append(time.perf_counter() - started)
    return (seconds[1] - seconds[0]) / 3


def _user(
    train: Path,
    seconds: float,
    seed: int,
    pixels: npt.NDArray[np.uint8],
    labels: list[str],
    *,
    pooling: str | None,
) -> dict[str, Any]:
    user = PlainUser(base=BASE, pooling=pooling, size=SIZE_PX, dim=DIM, seed=seed)
    images, names = read(train, SIZE_PX)
    started = time.perf_counter()
    steps = user.train(images, names, rate=1e-3, until=started + seconds)
    spent = time.perf_counter() - started
    return figures(user.embed(pixels), labels) | {"seconds": round(spent, 1), "steps": steps}


@torch.no_grad()
def _embed(network: Any, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    return np.concatenate([network(pixels[at : at + 128]).numpy() for at in range(0, len(pixels), 128)])


def _mean(runs: list[dict[str, Any]]) -> dict[str, float]:
    means = {name: round(statistics.fmean(each[name] for each in runs), 4) for name in (*FIGURES, "seconds")}
    return means | {"sd_of_recall@1": round(statistics.stdev(each["recall@1"] for each in runs), 4)}
