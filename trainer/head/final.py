"""The final head of a run: the trained layer, or one by a formula in its place, and what is to be known of it.

Decision a reader would question: a head that cannot be fitted (all features equal, numbers that are not finite, no room
for a file) leaves the trained layer in its place, with the reason. Hours of training are not lost for a formula.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from artifact.arrays import Indices, Vectors
from artifact.errors import LookalikeError
from trainer.config.config import TrainConfig
from trainer.config.head import why_trained
from trainer.data.images import Images
from trainer.data.split import without_copies
from trainer.head.choice import Candidate, best_lda, trained_one, try_heads
from trainer.head.closed_form import LDA, PCA, TRAINED, ClosedHead, head_of
from trainer.head.features import TrainingFeatures, training_features
from trainer.head.scale import mean_different_distance, sample_for_distances, scale_for, vectors_of
from trainer.head.scatter import find_scatter
from trainer.networks.branch import Branch
from trainer.weights.frozen_features import FrozenFeatures


@dataclass(frozen=True, kw_only=True)
class FinalHead:
    """What a run ends with.

    Attributes:
        name: `trained`, `lda` or `pca`.
        why: one line.
        shrinkage: lambda; None: trained.
        chosen_on: {"classes", "images"} set aside, or None.
        candidates: all heads that were tried on them.
        distances: {"trained", "head"}: mean distance of pairs of two classes in training; empty where the trained layer
            stays.
        layer: to be put in place of the trained one, or None.
        fitted_on: {"images", "of", "classes"} of a closed-form head; else None.
        failed: whether it is trained because another head could not be fitted.
    """

    name: str
    why: str
    shrinkage: float | None = None
    chosen_on: dict[str, int] | None = None
    candidates: list[Candidate] = field(default_factory=list)
    distances: dict[str, float | None] = field(default_factory=dict)
    layer: ClosedHead | None = None
    fitted_on: dict[str, int | None] | None = None
    failed: bool = False

    def to_dict(self) -> dict[str, Any]:
        """The facts of a run."""
        facts = {
            "name": self.name,
            "why": self.why,
            "lambda": self.shrinkage,
            "chosen_on": self.chosen_on,
            "candidates": [each.to_dict() for each in self.candidates],
            "mean_different_distance": self.distances or None,
        }
        return facts | ({"fitted_on": self.fitted_on} if self.fitted_on is not None else {})


def find_head(
    branch: Branch,
    config: TrainConfig,
    train: Images,
    set_aside: Images | None,
    *,
    has_classes: bool,
    folder: Path,
) -> FinalHead:
    """The head that the settings ask for; the branch stays as it is.

    Args:
        branch: with the weights that are kept.
        config: resolved.
        train: images that were trained on, turned and mirrored ones included.
        set_aside: images of the training side's other classes, as they are, or None.
        has_classes: whether images have classes; those of a table of tuples have none.
        folder: the run's.

    Raises:
        LookalikeError: a head that was asked for cannot be fitted, and nothing was trained that could stay instead.
    """
    why = why_trained(config, has_classes=has_classes)
    if why is not None:
        return FinalHead(name=TRAINED, why=why)
    try:
        return _closed_form(branch, config, train, set_aside, has_classes=has_classes, folder=folder)
    except LookalikeError as error:
        if config.epochs == 0:
            raise
        return FinalHead(name=TRAINED, why=f"another could not be fitted: {error}", failed=True)


def put_head(branch: Branch, layer: ClosedHead) -> None:
    """Set the branch's embedding layer."""
    with torch.no_grad():
        branch.embedding.weight.copy_(torch.from_numpy(layer.weight))
        branch.embedding.bias.copy_(torch.from_numpy(layer.bias))


def _closed_form(
    branch: Branch, config: TrainConfig, train: Images, set_aside: Images | None, *, has_classes: bool, folder: Path
) -> FinalHead:
    turned = (
        None if set_aside is None else set_aside.with_turns(turns=config.augment.turns, mirrors=config.augment.mirrors)
    )
    features = training_features(branch, train, turned, folder=folder, seed=config.seed)
    trained = ClosedHead(
        weight=branch.embedding.weight.detach().cpu().numpy(),
        bias=branch.embedding.bias.detach().cpu().numpy(),
        facts={},
    )
    name, shrinkage, candidates, chosen_on = LDA, None, list[Candidate](), None
    if config.head == PCA:
        name, why = PCA, "asked for"
    elif set_aside is None:
        why = "asked for, with the usual lambda: there are too few classes to choose it on"
    else:
        candidates, chosen_on = _tried(branch, config, train, set_aside, features, trained, folder)
        best, before = best_lda(candidates), trained_one(candidates)
        shrinkage = best.shrinkage
        gain = f"recall@1 {before.recall:.3f} -> {best.recall:.3f} on {chosen_on['classes']} classes set aside"
        if config.head != LDA and best.recall <= before.recall:
            kept = f"lda was not better: {gain}"
            return FinalHead(name=TRAINED, why=kept, chosen_on=chosen_on, candidates=candidates)
        why = gain if config.head != LDA else f"asked for; {gain}"
    labels = features.labels if has_classes else None
    scatter = find_scatter(features.values, labels if name == LDA else None)
    layer = head_of(scatter, dim=config.dim, method=name, shrinkage=shrinkage)
    pairs_of = features.labels if has_classes else np.arange(len(features.labels))
    layer, distances = _scaled(layer, trained, features.values, pairs_of, config)
    return FinalHead(
        name=name,
        why=why,
        shrinkage=float(layer.facts["lambda"]),
        chosen_on=chosen_on,
        candidates=candidates,
        distances=distances,
        layer=layer,
        fitted_on={"images": scatter.images, "of": features.num_images, "classes": scatter.classes},
    )


def _tried(
    branch: Branch,
    config: TrainConfig,
    train: Images,
    set_aside: Images,
    features: TrainingFeatures,
    trained: ClosedHead,
    folder: Path,
) -> tuple[list[Candidate], dict[str, int]]:
    """All heads on the classes set aside, as they are: neither turned nor with copies of what was trained on."""
    scatter = find_scatter(features.values[: features.num_trained], features.labels[: features.num_trained])
    unseen, _ = without_copies(set_aside, train)
    candidates = try_heads(
        scatter,
        trained,
        FrozenFeatures(branch, unseen, folder=folder).values,
        unseen.labels,
        distance=config.distance,
        normalize=bool(config.normalize),
    )
    return candidates, {"classes": len(unseen.files.classes), "images": len(unseen)}


def _scaled(
    layer: ClosedHead, trained: ClosedHead, features: Vectors, labels: Indices, config: TrainConfig
) -> tuple[ClosedHead, dict[str, float | None]]:
    """The layer with the trained one's mean distance of two classes, and that distance before and after."""
    some, of_some = sample_for_distances(features, labels, seed=config.seed)
    normalize = bool(config.normalize)

    def mean(head: ClosedHead) -> float:
        vectors = vectors_of(some, head.weight, head.bias, normalize=normalize)
        return mean_different_distance(vectors, of_some, distance=config.distance, seed=config.seed)

    target = mean(trained)
    if not normalize:
        vectors = vectors_of(some, layer.weight, layer.bias, normalize=False)
        scale = np.float32(scale_for(target, vectors, of_some, distance=config.distance, seed=config.seed))
        layer = layer._replace(weight=layer.weight * scale, bias=layer.bias * scale)
    found = {"trained": target, "head": mean(layer)}
    return layer, {name: value if math.isfinite(value) else None for name, value in found.items()}
