"""Vectors of held-out images, and whether retrieval among them means anything."""

from __future__ import annotations

import numpy as np
import torch

from artifact.arrays import Vectors
from trainer.data.images import Images
from trainer.networks.branch import Branch, evaluating

FALSE_ACCEPT_RATE = 0.01
_BATCH = 128


def embed(branch: Branch, images: Images) -> Vectors:
    """Vectors of all images, in evaluation mode (restored afterwards): float32 [images, embedding_dim]."""
    device = branch.scale.device
    parts = []
    with evaluating(branch), torch.inference_mode():
        for start in range(0, len(images), _BATCH):
            pixels = images.pixels(np.arange(start, min(start + _BATCH, len(images)), dtype=np.int64))
            parts.append(branch(torch.from_numpy(pixels).to(device)).cpu().numpy())
    return np.concatenate(parts)


def can_validate(images: Images | None) -> bool:
    """Whether leave-one-out retrieval means anything here: two classes, one of them with two images."""
    return images is not None and len(images.files.classes) > 1 and int(np.bincount(images.labels).max()) > 1
