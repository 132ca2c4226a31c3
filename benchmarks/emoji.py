"""Emoji, symbols never seen: our recipe beside the plain strong user of pytorch-metric-learning, in equal seconds.

Both train the same base network at the same size from random weights on the same class folders, one after the other,
for three seeds. Ours goes first: `trainer.fit` with RECIPE, whole, reading of the images and last validation included,
for as many epochs as fit into SECONDS by a rate measured beforehand. The user's loop then gets exactly the seconds
that ours took, images in memory before its clock starts, and its learning rate follows the clock, so it ends when the
time does. Nobody looks at the unseen symbols before the end.

The user: contrastive loss + MultiSimilarityMiner + MPerClassSampler(m=4), batches of 64, AdamW 1e-3 with cosine decay,
affine augmentation (of whole batches, which is cheaper than one image after the other), float32. A second user flattens
the last feature map as our recipe does, which is a setting here and his own code there.

Every run is kept in PARTIAL as it ends: a benchmark that was cut off goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import json
import math
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own idiom
from pytorch_metric_learning import losses, miners, samplers
from torch import Tensor, nn

from analysis.measures.retrieval import retrieval_metrics
from artifact.atomic import write_atomically
from artifact.images.preprocessing import Preprocessing, load_pixels
from lookalike.demo.emoji import write_emoji
from trainer import fit, make_config
from trainer.networks.base_networks import build_base

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
FIGURES = ("recall@1", "recall@5", "mAP@R")


def run() -> dict[str, Any]:
    """Figures on unseen symbols: {"raw_pixels", "ours", each of USERS, "gain_of_recall@1_by_seed", ...}."""
    done = _done()
    with tempfile.TemporaryDirectory() as folder:
        train, unseen = write_emoji(Path(folder))
        pixels, labels = _read(unseen)
        if "raw_pixels" not in done:
            flat = pixels.reshape(len(pixels), -1).astype(np.float32) / np.float32(255)
            _keep(done, "raw_pixels", _figures(flat, labels))
        if "seconds_per_epoch" not in done:
            _keep(done, "seconds_per_epoch", _seconds_per_epoch(train, Path(folder)))
        epochs = max(1, int(SECONDS / done["seconds_per_epoch"]))
        for seed in SEEDS:
            if f"ours {seed}" not in done:
                _keep(done, f"ours {seed}", _ours(train, Path(folder) / f"run{seed}", epochs, seed, pixels, labels))
            for user, pooling in USERS.items():
                if f"{user} {seed}" not in done:
                    seconds = done[f"ours {seed}"]["seconds"]
                    _keep(done, f"{user} {seed}", _user(train, seconds, seed, pixels, labels, pooling=pooling))
    runs = {who: [done[f"{who} {seed}"] for seed in SEEDS] for who in ("ours", *USERS)}
    PARTIAL.unlink()
    return {
        "base": BASE,
        "size_px": SIZE_PX,
        "dim": DIM,
        "threads": torch.get_num_threads(),
        "epochs": epochs,
        "unseen": {"images": len(labels), "symbols": len(set(labels))},
        "recipe": RECIPE,
        "raw_pixels": done["raw_pixels"],
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
    return _figures(vectors, labels, distance=trained.distance) | {"seconds": round(seconds, 1), "epochs": epochs}


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
    torch.manual_seed(seed)
    np.random.seed(seed)  # MPerClassSampler draws from it
    images, names = _read(train)
    codes = np.unique(names, return_inverse=True)[1]
    data = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
    base = build_base(BASE, size=SIZE_PX, pooling=pooling)
    network = nn.Sequential(base.module, nn.Linear(base.num_features, DIM))
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (base.mean, base.std))
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    loss, miner = losses.ContrastiveLoss(), miners.MultiSimilarityMiner()
    sampler = samplers.MPerClassSampler(codes, m=4, batch_size=64, length_before_new_iter=64_000)
    started, steps, share = time.perf_counter(), 0, 0.0
    network.train()
    while share < 1:
        for rows in torch.tensor(list(sampler)).split(64):
            share = (time.perf_counter() - started) / seconds
            if share >= 1:
                break
            for group in optimizer.param_groups:
                group["lr"] = 1e-3 * 0.5 * (1 + math.cos(math.pi * share))
            vectors = network((_affine(data[rows].float() / 255) - mean) / std)
            targets = torch.from_numpy(codes[rows.numpy()])
            optimizer.zero_grad()
            loss(vectors, targets, miner(vectors, targets)).backward()
            optimizer.step()
            steps += 1
    spent = time.perf_counter() - started
    network.eval()
    vectors = _embed(
        lambda batch: F.normalize(network((torch.from_numpy(batch).permute(0, 3, 1, 2).float() / 255 - mean) / std)),
        pixels,
    )
    return _figures(vectors, labels) | {"seconds": round(spent, 1), "steps": steps}


def _affine(images: Tensor, *, rotate_deg: float = 10.0, translate: float = 0.08, scale: float = 0.1) -> Tensor:
    """Turn, shift and zoom each image of a batch at random, white around; [N, 3, H, W] in 0..1."""
    count = len(images)
    angle = torch.empty(count).uniform_(-rotate_deg, rotate_deg).deg2rad()
    zoom = torch.exp(torch.empty(count).uniform_(-1, 1) * math.log1p(scale))
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0] = theta[:, 1, 1] = angle.cos() / zoom
    theta[:, 1, 0] = angle.sin() / zoom
    theta[:, 0, 1] = -theta[:, 1, 0]
    theta[:, :, 2] = torch.empty(count, 2).uniform_(-2 * translate, 2 * translate)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    return F.grid_sample(images - 1, grid, align_corners=False) + 1


def _read(folder: Path) -> tuple[npt.NDArray[np.uint8], list[str]]:
    """uint8 [N, SIZE_PX, SIZE_PX, 3] and the class of each."""
    how = Preprocessing(height=SIZE_PX, width=SIZE_PX)
    paths = sorted(folder.glob("*/*.png"))
    return np.stack([load_pixels(path.read_bytes(), how) for path in paths]), [path.parent.name for path in paths]


@torch.no_grad()
def _embed(network: Any, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    return np.concatenate([network(pixels[at : at + 128]).numpy() for at in range(0, len(pixels), 128)])


def _figures(vectors: npt.NDArray[np.float32], labels: list[str], *, distance: str = "euclidean") -> dict[str, float]:
    measured = retrieval_metrics(vectors, labels, distance=distance)
    return {name: round(measured[name], 4) for name in FIGURES}


def _mean(runs: list[dict[str, Any]]) -> dict[str, float]:
    means = {name: round(statistics.fmean(each[name] for each in runs), 4) for name in (*FIGURES, "seconds")}
    return means | {"sd_of_recall@1": round(statistics.stdev(each["recall@1"] for each in runs), 4)}


def _done() -> dict[str, Any]:
    """What an earlier run of this very benchmark left."""
    key = hashlib.sha256(repr((RECIPE, BASE, SIZE_PX, DIM, SECONDS)).encode()).hexdigest()
    if PARTIAL.is_file():
        done: dict[str, Any] = json.loads(PARTIAL.read_text())
        if done.get("key") == key:
            return done
    return {"key": key}


def _keep(done: dict[str, Any], name: str, value: Any) -> None:
    done[name] = value
    write_atomically(PARTIAL, (json.dumps(done, indent=1) + "\n").encode())
    print(name, value, flush=True)
