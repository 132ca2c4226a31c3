"""The plain strong user of pytorch-metric-learning: what people write who read its documentation, one file.

Contrastive loss, MultiSimilarityMiner, MPerClassSampler(m=4), batches of 64, AdamW with cosine decay to the end of the
time, affine augmentation (of whole batches, which is cheaper than one image after the other), float32.

    python -m benchmarks.plain_user --train DIR --unseen DIR --base conv4 --size 64 --dim 64 --rate 1e-3 --until SECONDS

trains until the clock (seconds since 1970) says so, everything from the start of the process counted, and prints the
figures on the unseen folder as one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import math
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
from artifact.images.preprocessing import Preprocessing, load_pixels
from trainer.networks.base_networks import build_base

FIGURES = ("recall@1", "recall@5", "mAP@R")
BATCH, PER_CLASS = 64, 4
Classes = dict[str, list[Path]]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plain_user")
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--unseen", type=Path, required=True)
    parser.add_argument("--base", required=True)
    parser.add_argument("--pooling")
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--dim", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--until", type=float, required=True)
    given = parser.parse_args()
    seconds = given.until - time.time()
    user = PlainUser(base=given.base, pooling=given.pooling, size=given.size, dim=given.dim, seed=given.seed)
    started = time.perf_counter()
    steps = user.train(*read(given.train, given.size), rate=given.rate, until=started + seconds)
    pixels, labels = read(given.unseen, given.size)
    print(json.dumps(figures(user.embed(pixels), labels) | {"steps": steps}))


class PlainUser:
    """A network and its training loop.

    Args:
        base: a base network by name, from random weights.
        pooling: of its last map; None: its own.
        size: side of its input in pixels.
        dim: of the vectors.
        seed: of weights, batches and augmentation.
    """

    def __init__(self, *, base: str, pooling: str | None, size: int, dim: int, seed: int) -> None:
        torch.manual_seed(seed)
        np.random.seed(seed)  # MPerClassSampler draws from it
        network = build_base(base, size=size, pooling=pooling)
        self.network = nn.Sequential(network.module, nn.Linear(network.num_features, dim))
        self.mean, self.std = (torch.tensor(values).view(1, 3, 1, 1) for values in (network.mean, network.std))

    def train(self, images: npt.NDArray[np.uint8], names: list[str], *, rate: float, until: float) -> int:
        """Train until `time.perf_counter()` says `until`; returns the number of steps."""
        codes = np.unique(names, return_inverse=True)[1]
        data = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
        optimizer = torch.optim.AdamW(self.network.parameters(), lr=rate)
        loss, miner = losses.ContrastiveLoss(), miners.MultiSimilarityMiner()
        sampler = samplers.MPerClassSampler(codes, m=PER_CLASS, batch_size=BATCH, length_before_new_iter=1000 * BATCH)
        started, steps, share = time.perf_counter(), 0, 0.0
        self.network.train()
        while share < 1:
            for rows in torch.tensor(list(sampler)).split(BATCH):
                share = (time.perf_counter() - started) / (until - started)
                if share >= 1:
                    break
                for group in optimizer.param_groups:
                    group["lr"] = rate * 0.5 * (1 + math.cos(math.pi * share))
                vectors = self.network((affine(data[rows].float() / 255) - self.mean) / self.std)
                targets = torch.from_numpy(codes[rows.numpy()])
                optimizer.zero_grad()
                loss(vectors, targets, miner(vectors, targets)).backward()
                optimizer.step()
                steps += 1
        return steps

    @torch.no_grad()
    def embed(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Unit vectors, as pytorch-metric-learning's distances take them: float32 [N, dim]."""
        self.network.eval()
        parts = []
        for at in range(0, len(pixels), 128):
            planes = torch.from_numpy(pixels[at : at + 128]).permute(0, 3, 1, 2).float() / 255
            parts.append(F.normalize(self.network((planes - self.mean) / self.std)).numpy())
        return np.concatenate(parts)


def affine(images: Tensor, *, rotate_deg: float = 10.0, translate: float = 0.08, scale: float = 0.1) -> Tensor:
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


def read(folder: Path, size: int) -> tuple[npt.NDArray[np.uint8], list[str]]:
    """uint8 [N, size, size, 3] and the class of each, of a folder of class folders."""
    how = Preprocessing(height=size, width=size)
    paths = sorted(path for path in folder.glob("*/*") if path.is_file())
    return np.stack([load_pixels(path.read_bytes(), how) for path in paths]), [path.parent.name for path in paths]


def figures(vectors: npt.NDArray[np.float32], labels: list[str], *, distance: str = "euclidean") -> dict[str, Any]:
    measured = retrieval_metrics(vectors, labels, distance=distance)
    return {name: round(measured[name], 4) for name in FIGURES}


def raw_pixels(pixels: npt.NDArray[np.uint8], labels: list[str]) -> dict[str, Any]:
    """Figures of pictures as they are: each a vector of its pixels."""
    return figures(pixels.reshape(len(pixels), -1).astype(np.float32) / np.float32(255), labels)


if __name__ == "__main__":
    main()
