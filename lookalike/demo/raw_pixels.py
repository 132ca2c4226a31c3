"""Raw pixels as vectors: the figures that an embedding has to beat."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np


def evaluate_raw_pixels(held_out: Path, preprocessing: Mapping[str, Any], *, clusters: bool = True) -> dict[str, float]:
    """Leave-one-out retrieval and k-means over the pixels that the network sees, by euclidean distance.

    Args:
        held_out: class folders.
        preprocessing: the artifact's: size and fit of the pixels.
        clusters: k-means too, as many clusters as classes; 500 of them on colour pixels take two minutes.

    Returns:
        As `lookalike evaluate` gives: "recall@1", "recall@5", ..., "mAP@R", and of clusters "purity", "nmi".
    """
    from analysis.clusters.kmeans import kmeans
    from analysis.measures.clustering import clustering_metrics
    from analysis.measures.retrieval import retrieval_metrics
    from artifact.images.preprocessing import Preprocessing, load_pixels

    paths = sorted(held_out.glob("*/*.png"))
    how = Preprocessing.from_dict(preprocessing)
    bytes_ = np.stack([load_pixels(path.read_bytes(), how).ravel() for path in paths])
    pixels = bytes_.astype(np.float32) / np.float32(255)
    labels = [path.parent.name for path in paths]
    metrics = retrieval_metrics(pixels, labels, distance="euclidean")
    if not clusters:
        return metrics
    return metrics | clustering_metrics(kmeans(pixels, len(set(labels))).assignments, labels)
