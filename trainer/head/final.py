"""The final head of a run: the trained layer, or one by a formula in its place, and what is to be known of it.

Decision a reader would question: a head that cannot be fitted (all features equal, numbers that are not finite, no room
for a file) leaves the trained layer in its place, with the reason. Hours of training are not lost for a formula.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from artifact.arrays import Indices, Vectors
from artifact.errors import DataError, LookalikeError
from trainer.config.config import TrainConfig
from trainer.config.head import LDA, PCA, TRAINED, num_own_classes, why_none_set_aside, why_trained
from trainer.data.images import Images
from trainer.head.choice import Candidate, Choice, best_lda, other_one, try_heads
from trainer.head.closed_form import DEFAULT_SHRINKAGE, ClosedHead, head_of
from trainer.head.features import TrainingFeatures, training_features
from trainer.head.scale import mean_different_distance, sample_for_distances, scale_for, vectors_of
from trainer.head.scatter import find_scatter
from trainer.networks.branch import Branch


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
    candidates: Sequence[Candidate] = ()
    distances: dict[str, float | None] = field(default_factory=dict)
    layer: ClosedHead | None = None
    fitted_on: dict[str, int | None] | None = None
    failed: bool = False

    def to_dict(self) -> dict[str, Any]:
        """The facts of a run; of a closed-form head also what features were reduced to, how many neurons are not 0."""
        facts = {
            "name": self.name,
            "why": self.why,
            "lambda": self.shrinkage,
            "chosen_on": self.chosen_on,
            "candidates": [each.to_dict() for each in self.candidates],
            "mean_different_distance": self.distances or None,
        }
        if self.layer is not None:
            facts |= {name: self.layer.facts[name] for name in ("reduced_to", "directions")}
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
    """
    why = why_trained(config, num_classes=len(train.files.classes) if has_classes else 0)
    if why is not None:
        return FinalHead(name=TRAINED, why=why)
    try:
        return _closed_form(branch, config, train, set_aside, has_classes=has_classes, folder=folder)
    except LookalikeError as error:
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
    chosen = _choose(features, train, set_aside, trained, config)
    if chosen.name == TRAINED:
        return FinalHead(name=TRAINED, why=chosen.why, chosen_on=chosen.chosen_on, candidates=chosen.candidates)
    labels = features.labels if has_classes else None
    scatter = find_scatter(features.values, labels if chosen.name == LDA else None, dim=config.dim)
    layer = head_of(scatter, dim=config.dim, method=chosen.name, shrinkage=chosen.shrinkage)
    pairs_of = features.labels if has_classes else np.arange(len(features.labels))
    layer, distances = scaled(layer, trained, features.values, pairs_of, config)
    return FinalHead(
        name=chosen.name,
        why=chosen.why,
        shrinkage=float(layer.facts["lambda"]),
        chosen_on=chosen.chosen_on,
        candidates=chosen.candidates,
        distances=distances,
        layer=layer,
        fitted_on={"images": scatter.images, "of": features.num_images, "classes": scatter.classes},
    )


def _choose(
    features: TrainingFeatures, train: Images, set_aside: Images | None, trained: ClosedHead, config: TrainConfig
) -> Choice:
    """The method and its lambda; raises DataError where `auto` has nothing to compare heads on."""
    usual = DEFAULT_SHRINKAGE[LDA]
    if config.head == PCA:
        return Choice(PCA, "asked for")
    if set_aside is None:
        return Choice(LDA, f"asked for; {usual_lambda(usual, config, train)}", usual)
    try:
        candidates, chosen_on = tried(features, train, set_aside, trained, config)
    except DataError as error:
        if config.head != LDA:
            raise
        return Choice(LDA, f"asked for; {unchosen_lambda(usual, error)}", usual)
    best, before = best_lda(candidates), other_one(candidates)
    gain = f"recall@1 {before.recall:.3f} -> {best.recall:.3f} on {chosen_on['classes']} classes set aside"
    if config.head != LDA and best.recall <= before.recall:
        return Choice(TRAINED, f"lda was not better: {gain}", None, candidates, chosen_on)
    return Choice(LDA, gain if config.head != LDA else f"asked for; {gain}", best.shrinkage, candidates, chosen_on)


def usual_lambda(shrinkage: float, config: TrainConfig, train: Images) -> str:
    """Why LDA has its usual lambda where no classes were set aside."""
    reason = why_none_set_aside(num_own_classes(config, len(train.files.classes)))
    return f"lambda is the usual {shrinkage:g}, for no classes were set aside to choose it on, {reason}"


def unchosen_lambda(shrinkage: float, error: DataError) -> str:
    """Why LDA has its usual lambda where nothing can be tried on the classes set aside."""
    return f"lambda is the usual {shrinkage:g}, for none could be tried on the classes set aside: {error}"


def tried(
    features: TrainingFeatures,
    train: Images,
    set_aside: Images,
    other: ClosedHead,
    config: TrainConfig,
    *,
    name: str = TRAINED,
) -> tuple[list[Candidate], dict[str, int]]:
    """The other head and LDA, on the classes set aside as they are; and how many of what these are.

    Raises:
        DataError: classes that no LDA can be fitted to, or nothing set aside that it can be tried on.
    """
    seen = slice(features.num_trained)
    scatter = find_scatter(features.values[seen], features.labels[seen], dim=config.dim)
    unseen, labels = features.of_unseen(train, set_aside)
    normalize = bool(config.normalize)
    candidates = try_heads(scatter, other, unseen, labels, name=name, distance=config.distance, normalize=normalize)
    return candidates, {"classes": len(np.unique(labels)), "images": len(labels)}


def scaled(
    layer: ClosedHead, trained: ClosedHead | None, features: Vectors, labels: Indices, config: TrainConfig
) -> tuple[ClosedHead, dict[str, float | None]]:
    """The layer with the trained one's mean distance of two classes, and that distance before and after.

    Where nothing was trained it is the margin, the distance that the loss asks of two classes; 1 where there is none.
    """
    some, of_some = sample_for_distances(features, labels, seed=config.seed)
    normalize = bool(config.normalize)

    def mean(head: ClosedHead) -> float:
        vectors = vectors_of(some, head.weight, head.bias, normalize=normalize)
        return mean_different_distance(vectors, of_some, distance=config.distance, seed=config.seed)

    before = math.nan if trained is None else mean(trained)
    if not normalize:
        target = (config.margin or 1.0) if trained is None else before
        vectors = vectors_of(some, layer.weight, layer.bias, normalize=False)
        scale = np.float32(scale_for(target, vectors, of_some, distance=config.distance, seed=config.seed))
        layer = layer._replace(weight=layer.weight * scale, bias=layer.bias * scale)
    found = {"trained": before, "head": mean(layer)}
    return layer, {name: value if math.isfinite(value) else None for name, value in found.items()}
