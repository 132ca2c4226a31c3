"""Features of all images, computed once, while the base network stands still and images do not change.

A step then runs the branch's head alone. Features are a pure function of weights and images, so they are not kept
with the run: a resumed one computes them again and gets the same.

Decision a reader would question: the file is deleted as soon as it is open. The space goes back by itself, however the
process ends, and no run folder is left with gigabytes that nobody reads.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from artifact.arrays import Indices, Vectors
from artifact.errors import OutputError
from artifact.images.decoding import Pixels
from trainer.config.settings import AugmentConfig, FreezeConfig
from trainer.networks.branch import Branch, evaluating

MAX_MEMORY_BYTES = 2**30
"""More than this goes into the file."""
_BATCH = 128


class PixelSource(Protocol):
    """Images by their positions, such as trainer/data/images.py has them."""

    def __len__(self) -> int: ...

    def pixels(self, indices: Indices, /) -> Pixels:
        """uint8 [n, H, W, 3]."""


def features_stay(epoch: int, freeze: FreezeConfig, augment: AugmentConfig) -> bool:
    """Whether an image's features are the same throughout this epoch and were so since the first."""
    return epoch < (freeze.epochs or 0) and not augment.changes_pixels


class FrozenFeatures:
    """Features of all images: float32 [images, num_features], in memory or, above a bound, in a memory-mapped file.

    Args:
        branch: its base network gives the features, in evaluation mode; every module's mode is put back.
        images: all of them are run through it, in batches.
        folder: for the file, such as the run folder.

    Raises:
        OutputError: no room for the file.

    Attributes:
        values: float32 [images, num_features].
        in_memory: whether they are.
    """

    def __init__(self, branch: Branch, images: PixelSource, *, folder: Path) -> None:
        self._branch = branch
        shape = (len(images), branch.num_features)
        self.in_memory = 4 * shape[0] * shape[1] <= MAX_MEMORY_BYTES
        self.values = np.empty(shape, np.float32) if self.in_memory else _mapped(shape, folder)
        with evaluating(branch), torch.no_grad():
            for start in range(0, len(images), _BATCH):
                rows = np.arange(start, min(start + _BATCH, len(images)), dtype=np.int64)
                pixels = torch.from_numpy(images.pixels(rows)).to(branch.scale.device)
                self.values[start : start + len(rows)] = branch.features(pixels).float().cpu().numpy()

    def rows(self, indices: Indices) -> Tensor:
        """float32 [n, num_features] of the images at `indices`, on the branch's device, without gradients."""
        return torch.from_numpy(self.values[indices]).to(self._branch.scale.device)


def _mapped(shape: tuple[int, int], folder: Path) -> Vectors:
    """A memory-mapped array in a file that has no name; raises OutputError."""
    num_bytes = 4 * shape[0] * shape[1]
    try:
        with tempfile.TemporaryFile(dir=folder, prefix="features-") as file:
            if hasattr(os, "posix_fallocate"):  # a full disk is told now, not by a crash later
                os.posix_fallocate(file.fileno(), 0, num_bytes)
            else:
                file.truncate(num_bytes)
            return np.memmap(file, np.float32, "r+", shape=shape)
    except OSError as error:
        got = error.strerror or str(error)
        expected = f"room for {num_bytes / 2**20:.0f} MB"
        raise OutputError("features of all images", expected=expected, got=got, where=folder) from None
