"""Tiny artifacts, images, and their vectors by numpy, for tests of the Scorer and of its jobs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from artifact.images.preprocessing import Preprocessing, load_pixels
from artifact.kinds import KINDS
from artifact.modes import BRANCH, FULL
from artifact.repository.publishing import publish
from tests.shared.tiny_artifact import linear_vectors, write_tiny_artifact

SIZE, DIM = 8, 4
HALF = (0.5, 0.5, 0.5)
PREPROCESSING = Preprocessing(height=SIZE, width=SIZE, mean=HALF, std=HALF)
BAD = b"this is no image"
MODELS = [f"{kind}_{mode}" for kind in KINDS for mode in (BRANCH, FULL)]


def publish_models(root: Path, files: Path, *, seed: int = 0, models: Sequence[str] = MODELS) -> Path:
    """A repository with a model of every kind and mode, named KIND_MODE, all of the same weights."""
    files.mkdir(parents=True, exist_ok=True)
    for name in models:
        kind, mode = name.split("_")
        file = files / f"{name}-{seed}.onnx"
        write_tiny_artifact(file, name=name, kind=kind, mode=mode, size=SIZE, dim=DIM, seed=seed)
        publish(file, root)
    return root


def write_images(folder: Path, num_images: int, *, seed: int = 7) -> list[Path]:
    """Noise of different sizes, as PNG, JPEG and BMP files; no two alike."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    paths = []
    for number in range(num_images):
        height, width = random.integers(5, 30, 2)
        path = folder / f"{number:05d}.{('png', 'jpg', 'bmp')[number % 3]}"
        Image.fromarray(random.integers(0, 256, (height, width, 3), np.uint8)).save(path)
        paths.append(path)
    return paths


def expected_vectors(paths: Sequence[Path], *, seed: int = 0) -> np.ndarray:
    """float32 [N, DIM] by numpy, without any of the code under test."""
    pixels = np.stack([load_pixels(path.read_bytes(), PREPROCESSING) for path in paths])
    return linear_vectors(pixels, seed=seed, dim=DIM)
