"""Tiny models that promise prefixes of their vectors, published for tests, and their vectors by numpy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from artifact.images.preprocessing import load_pixels
from artifact.model.manifest import Manifest
from tests.shared.scored_images import PREPROCESSING
from tests.shared.tiny_artifact import linear_vectors, promised, publish_tiny

DIM, SHORT, SHORTER = 8, 5, 3
THRESHOLDS = {SHORTER: 0.7, SHORT: None, DIM: 1.0}
"""Of each prefix, and of the whole vector."""


def publish_promising(root: Path, *, normalized: bool = True, models: Sequence[str] = ("triplet_branch",)) -> Manifest:
    """Models named KIND_MODE of the same weights, and `plain`, which gives the same vectors and promises nothing."""
    prefixes = [promised(dims, THRESHOLDS[dims]) for dims in (SHORTER, SHORT)]
    publish_tiny(root, name="plain", dim=DIM, normalized=normalized)
    for name in models:
        kind, mode = name.split("_")
        manifest = publish_tiny(
            root, name=name, kind=kind, mode=mode, dim=DIM, normalized=normalized, prefixes=prefixes
        )
    return manifest


def expected_prefixes(paths: Sequence[Path], dims: int, *, normalized: bool = True) -> np.ndarray:
    """float32 [N, dims] by numpy, without any of the code under test."""
    pixels = np.stack([load_pixels(path.read_bytes(), PREPROCESSING) for path in paths])
    vectors = linear_vectors(pixels, dim=DIM, normalized=normalized)[:, :dims]
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True) if normalized else vectors
