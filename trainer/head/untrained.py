"""The head of a network that is taken as it is, for good or to begin with: LDA of classes enough, else whitened PCA.

Decisions a reader would question:
- There is no trained layer to be better than, and a random one is no head. So PCA takes its place: with classes to set
  aside, LDA has to find more than PCA there; with fewer, but enough to be fitted, it is taken with the usual lambda.
  So it is where the classes set aside tell nothing, because no two of their images are of one class.
- What cannot be fitted is refused, where a trained run would keep its layer.
- Vectors of free length get the margin as mean distance of two classes: the loss asks that of a trained network, and
  `score --loss` reads it so. Under cosine no length changes a distance, and they stay as the formula has them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from artifact.errors import DataError
from trainer.config.config import TrainConfig
from trainer.config.head import AUTO, LDA, MIN_LDA_CLASSES, PCA
from trainer.data.images import Images
from trainer.head.choice import Choice, best_lda, other_one
from trainer.head.closed_form import ClosedHead, fit_head, head_of
from trainer.head.features import TrainingFeatures, training_features
from trainer.head.final import FinalHead, scaled, tried, unchosen_lambda, usual_lambda
from trainer.head.scatter import find_scatter
from trainer.networks.branch import Branch

USUAL_SHRINKAGE = 30.0
"""From MIN_LDA_CLASSES on LDA is taken without a look at PCA, with this lambda: it found images of other classes as
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
        scatter = find_scatter(features.values, labels if chosen.name == LDA else None, dim=config.dim)
    except DataError as error:
        if config.head != AUTO:
            raise
        chosen = Choice(PCA, f"lda could not be fitted: {error}")
        scatter = find_scatter(features.values, None, dim=config.dim)
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


def head_before_training(branch: Branch, config: TrainConfig, train: Images, *, folder: Path) -> ClosedHead:
    """LDA of the features that the network begins with, with the usual lambda; the branch stays as it is.

    Args:
        branch: with the weights that it begins with.
        config: resolved.
        train: images that will be trained on, turned and mirrored ones included.
        folder: the run's.

    Raises:
        DataError: features that no LDA can be fitted to.
        OutputError: no room for a file of features.
    """
    features = training_features(branch, train, None, folder=folder, seed=config.seed)
    scatter = find_scatter(features.values, features.labels, dim=config.dim)
    layer = head_of(scatter, dim=config.dim, method=LDA, shrinkage=USUAL_SHRINKAGE)
    return scaled(layer, None, features.values, features.labels, config)[0]


def _choose(features: TrainingFeatures, train: Images, set_aside: Images | None, config: TrainConfig) -> Choice:
    """The method and its lambda, the usual one where nothing can be chosen."""
    asked = "asked for; " if config.head == LDA else ""
    if config.head == PCA:
        return Choice(PCA, "asked for")
    if set_aside is None:
        return _usual(config, train, asked)
    pca = fit_head(features.values[: features.num_trained], None, dim=config.dim, method=PCA)
    try:
        candidates, chosen_on = tried(features, train, set_aside, pca, config, name=PCA)
    except DataError as error:
        return Choice(LDA, asked + unchosen_lambda(USUAL_SHRINKAGE, error), USUAL_SHRINKAGE)
    best, other = best_lda(candidates), other_one(candidates)
    gain = f"recall@1 {other.recall:.3f} by pca, {best.recall:.3f} by lda, on {chosen_on['classes']} classes set aside"
    if asked or best.recall > other.recall:
        return Choice(LDA, asked + gain, best.shrinkage, candidates, chosen_on)
    return Choice(PCA, f"lda was not better: {gain}", None, candidates, chosen_on)


def _usual(config: TrainConfig, train: Images, asked: str) -> Choice:
    """The head of classes of which none were set aside, or of images without any."""
    number = len(train.files.classes)
    counted = "there is 1 class" if number == 1 else f"there are {number or 'no'} classes"
    if asked or number >= MIN_LDA_CLASSES:
        return Choice(LDA, (asked or f"{counted}; ") + usual_lambda(USUAL_SHRINKAGE, config, train), USUAL_SHRINKAGE)
    return Choice(PCA, f"{counted}, lda takes {MIN_LDA_CLASSES}" if number else counted)
