"""How good the branch is on held-out images: retrieval each epoch, a decision threshold at the end."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from analysis.metrics import retrieval_metrics
from analysis.verification import decision_threshold
from trainer.branch import Branch
from trainer.images import Images

FALSE_ACCEPT_RATE = 0.01
_BATCH = 128


def embed(branch: Branch, images: Images) -> npt.NDArray[np.float32]:
    """Vectors of all images, in evaluation mode (restored afterwards): float32 [images, embedding_dim]."""
    device = branch.scale.device
    was_training = branch.training
    branch.eval()
    parts = []
    with torch.inference_mode():
        for start in range(0, len(images), _BATCH):
            pixels = images.pixels(np.arange(start, min(start + _BATCH, len(images)), dtype=np.int64))
            parts.append(branch(torch.from_numpy(pixels).to(device)).cpu().numpy())
    branch.train(was_training)
    return np.concatenate(parts)


def can_validate(images: Images | None) -> bool:
    """Whether leave-one-out retrieval means anything here: two classes, one of them with two images."""
    return images is not None and len(images.files.classes) > 1 and int(np.bincount(images.labels).max()) > 1


def validate(branch: Branch, images: Images, *, distance: str) -> dict[str, float]:
    """{"recall@1", "mAP@R"}, leave-one-out within the held-out images."""
    metrics = retrieval_metrics(embed(branch, images), images.labels, distance=distance, ks=(1,))
    return {name: float(metrics[name]) for name in ("recall@1", "mAP@R")}


def find_threshold(branch: Branch, images: Images, *, distance: str, seed: int) -> dict[str, Any] | None:
    """The decision threshold at a false-accept rate of 1 % over held-out pairs."""
    vectors = embed(branch, images)
    return decision_threshold(vectors, images.labels, distance=distance, far=FALSE_ACCEPT_RATE, seed=seed)
