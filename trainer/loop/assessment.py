"""Measures of a run: held-out images or tuples after an epoch, and the decision threshold when it ends."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from analysis.measures.pairs import Pairs, choose_pairs
from analysis.measures.retrieval import retrieval_metrics
from analysis.measures.threshold import threshold_of_pairs, why_none
from artifact.arrays import Vectors
from trainer.data.images import Images
from trainer.loop.assessed import Assessed
from trainer.loop.attribute_measures import attribute_metrics, measure_attributes
from trainer.loop.training import Training
from trainer.networks.branch import Branch, evaluating

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


def assess(training: Training) -> dict[str, float]:
    """Metrics of the weights that would be kept, on what is held out, and of how many; empty where nothing is."""
    held_out, branch = training.prepared.held_out, training.kept_branch
    return {} if held_out is None else measure(training, embed(branch, held_out), branch=branch)


def measure(run: Assessed, vectors: Vectors, *, branch: Branch | None = None) -> dict[str, float]:
    """Metrics of vectors of the held-out images, float32 [N, n], and of how many queries or tuples.

    Args:
        branch: that gave them; None: the run's own.
    """
    prepared = run.prepared
    assert prepared.held_out is not None
    if prepared.rows is not None:
        return attribute_metrics(measure_attributes(run, branch or run.branch, vectors))
    if prepared.held_out_tuples is not None:
        tuples = prepared.held_out_tuples
        different = None if tuples.different is None else torch.from_numpy(tuples.different)
        outcome = run.objective(torch.from_numpy(vectors), tuples=torch.from_numpy(tuples.images), different=different)
        share = round(100 * float(outcome.share_correct), 4)
        return {"held_out_pct_correct": share, "num_held_out_tuples": len(tuples)}
    metrics = retrieval_metrics(vectors, prepared.held_out.labels, distance=run.config.distance, ks=(1,))
    return {name: float(metrics[name]) for name in ("recall@1", "mAP@R")} | {"num_queries": int(metrics["queries"])}


def held_out_pairs(run: Assessed, vectors: Vectors | None) -> Pairs | None:
    """The pairs that threshold and report are taken from; None where nothing with classes is held out.

    Args:
        vectors: float32 [N, n] of the held-out images, or None; where they are not finite there are no pairs.
    """
    prepared, config = run.prepared, run.config
    if vectors is None or prepared.held_out is None or not prepared.has_classes:
        return None
    if not np.isfinite(vectors).all():  # the run ends all the same, and its page says so
        return None
    return choose_pairs(vectors, prepared.held_out.labels, distance=config.distance, seed=config.seed)


def find_threshold(run: Assessed, pairs: Pairs | None) -> dict[str, Any] | None:
    """The decision threshold at the usual false-accept rate, and "measured_on": which classes it was measured on.

    None where same and different cannot be told apart.
    """
    threshold = None if pairs is None else threshold_of_pairs(pairs)
    return None if threshold is None else threshold | {"measured_on": held_out_classes(run)}


def held_out_classes(run: Assessed) -> dict[str, int]:
    """{"trained_classes", "new_classes"}: how many of the held-out classes were trained on, and how many were not.

    The vectors of images of a class that was trained on lie closer together than those of one that was not. Classes
    that were set aside to choose the head by count as trained on: a closed-form head is fitted on them too.
    """
    prepared = run.prepared
    classes = set() if prepared.held_out is None else set(prepared.held_out.files.classes)
    known = {name for side in (prepared.train, prepared.set_aside) if side is not None for name in side.files.classes}
    trained = len(classes & known)
    return {"trained_classes": trained, "new_classes": len(classes) - trained}


def why_no_threshold(run: Assessed, pairs: Pairs | None) -> str | None:
    """Why a run has no decision threshold; None where it has one."""
    prepared = run.prepared
    if not prepared.num_images:
        return "there were no images to measure one on"
    if prepared.held_out is None:
        if prepared.has_classes and not prepared.train.files.classes:
            return "the images have no classes"
        return "nothing was held out"
    if prepared.held_out_tuples is not None:
        return "held-out tuples have no classes"
    if prepared.rows is not None:
        return "images with attributes have no classes"
    return "the vectors hold NaN or infinity" if pairs is None else why_none(pairs)
