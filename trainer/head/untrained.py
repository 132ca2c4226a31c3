"""The head of a network that is taken as it is: LDA where there are classes enough, else whitened PCA.

Decisions a reader would question:
- There is no trained layer to be better than, and a random one is no head. So PCA takes its place: with classes to set
  aside, LDA has to find more than PCA there; with fewer, but enough to be fitted, it is taken with the usual lambda.
- What cannot be fitted is refused, where a trained run would keep its layer.
- Vectors of free length get the margin as mean distance of two classes: the loss asks that of a trained network, and
  `score --loss` reads it so.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from artifact.errors import DataError
from trainer.config.config import TrainConfig
from trainer.config.head import AUTO, MIN_CLASSES
from trainer.data.images import Images
from trainer.head.choice import Candidate, best_lda, other_one
from trainer.head.closed_form import LDA, PCA, fit_head, head_of
from trainer.head.features import TrainingFeatures, training_features
from trainer.head.final import FinalHead, scaled, tried
from trainer.head.scatter import find_scatter
from trainer.networks.branch import Branch

MIN_LDA_CLASSES, USUAL_SHRINKAGE = 8, 30.0
"""From so many classes on LDA is taken without a look at PCA, with this lambda: it found images of other classes as
well as PCA, and new images of the same ones far better (docs/decisions/0027). Of fewer classes it is the worse of the
two for others.
"""


def head_without_training(
    branch: Branch, config: TrainConfig, train: Images, set_aside: Images | None, *, folder: Path
) -> FinalHead:
    """The head that the settings ask for; the branch stays as it is. Each image goes through the network once.

    Args:
        branch: with the weights that it begins and ends with.
        config: resolved; its head is `lda`, `pca` or `auto`.
        train: all images but those held out and set aside, turned and mirrored ones included; with classes or without.
        set_aside: images of other classes to choose the head on, as they are, or None.
        folder: the run's.

    Raises:
        DataError: fewer than two images, features that are all equal or not finite, or classes that LDA cannot use.
        OutputError: no room for a file of features.
    """
    ways = {"turns": config.augment.turns, "mirrors": config.augment.mirrors}
    turned = None if set_aside is None else set_aside.with_turns(**ways)
    features = training_features(branch, train, turned, folder=folder, seed=config.seed)
    labels = features.labels if train.files.classes else None
    try:
        chosen = _choose(features, train, set_aside, config)
        scatter = find_scatter(features.values, labels if chosen.name == LDA else None)
    except DataError as error:
        if config.head != AUTO:
            raise
        chosen = _Choice(PCA, f"lda could not be fitted: {error}")
        scatter = find_scatter(features.values, None)
    layer = head_of(scatter, dim=config.dim, method=chosen.name, shrinkage=chosen.shrinkage)
    pairs_of = features.labels if len(train.files.classes) > 1 else np.arange(len(features.labels))
    layer, distances = scaled(layer, None, features.values, pairs_of, config)
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


class _Choice(NamedTuple):
    """A head by name, why it is this one, and what it was chosen by."""

    name: str
    why: str
    shrinkage: float | None = None
    candidates: Sequence[Candidate] = ()
    chosen_on: dict[str, int] | None = None


def _choose(features: TrainingFeatures, train: Images, set_aside: Images | None, config: TrainConfig) -> _Choice:
    """The method and its lambda; raises DataError where LDA is to be tried and cannot be fitted."""
    if config.head == PCA:
        return _Choice(PCA, "asked for")
    if set_aside is None:
        return _usual(train, asked=config.head == LDA)
    pca = fit_head(features.values[: features.num_trained], None, dim=config.dim, method=PCA)
    candidates, chosen_on = tried(features, train, set_aside, pca, config, name=PCA)
    best, other = best_lda(candidates), other_one(candidates)
    gain = f"recall@1 {other.recall:.3f} by pca, {best.recall:.3f} by lda, on {chosen_on['classes']} classes set aside"
    if config.head == LDA:
        return _Choice(LDA, f"asked for; {gain}", best.shrinkage, candidates, chosen_on)
    if best.recall > other.recall:
        return _Choice(LDA, gain, best.shrinkage, candidates, chosen_on)
    return _Choice(PCA, f"lda was not better: {gain}", None, candidates, chosen_on)


def _usual(train: Images, *, asked: bool) -> _Choice:
    """The head of classes that are too few to set some of them aside, or of images without any."""
    number = len(train.files.classes)
    if asked:
        why = f"asked for, with the usual lambda: choosing it takes {MIN_CLASSES} classes"
        return _Choice(LDA, why, USUAL_SHRINKAGE)
    if number >= MIN_LDA_CLASSES:
        why = f"there are {number} classes; lambda is the usual one, choosing it takes {MIN_CLASSES}"
        return _Choice(LDA, why, USUAL_SHRINKAGE)
    if not number:
        return _Choice(PCA, "there are no classes")
    return _Choice(
        PCA, f"there {'is 1 class' if number == 1 else f'are {number} classes'}, lda takes {MIN_LDA_CLASSES}"
    )
