"""Features that a closed-form head is fitted on: of the training images, or of a sample of them by class.

Decisions a reader would question:
- Of many images a sample is taken, as many of each class as there is room for. A covariance of a thousand features is
  known from some ten thousand images; more of them would cost time and disk alone.
- Of very many classes whole ones are left out, but none of the few that were set aside to choose the head on: the
  choice would rest on what chance leaves of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from artifact.arrays import Indices, Vectors
from artifact.images.decoding import Pixels
from trainer.data.images import Images
from trainer.head.sample import sample_by_class
from trainer.networks.branch import Branch
from trainer.weights.frozen_features import FrozenFeatures

MAX_IMAGES = 50_000
_MAX_BYTES = 2**32
"""Of features: fewer images where each has very many."""
_KEPT = 0.1
"""Share of a sample that images set aside may have, whatever their share of all images is."""


@dataclass(frozen=True, kw_only=True)
class TrainingFeatures:
    """Features of the training side, those of images that were trained on first.

    Attributes:
        values: float32 [N, F], in memory or memory-mapped.
        labels: int64 [N], class of each.
        rows: int64 [N], place of each among the images trained on and, after them, those set aside.
        num_trained: how many of the N the network was trained on; the rest are of the classes set aside.
        num_images: how many there are, of which these N are all or a sample.
    """

    values: Vectors
    labels: Indices
    rows: Indices
    num_trained: int
    num_images: int

    def of_unseen(self, train: Images, set_aside: Images) -> tuple[Vectors, Indices]:
        """Features and classes of what was set aside, as it is: neither turned nor with copies of what was trained on.

        Args:
            train: what was trained on.
            set_aside: images that `training_features` got first among those set aside.

        Returns:
            float32 [n, F] and int64 [n], classes of `set_aside`.
        """
        seen = set(train.hashes)
        places = self.rows - len(train)
        own = np.flatnonzero((places >= 0) & (places < len(set_aside)))
        own = own[[set_aside.hashes[place] not in seen for place in places[own].tolist()]]
        return self.values[own], set_aside.labels[places[own]]


@dataclass(frozen=True)
class _Joined:
    """Images of several views, one view after the other."""

    parts: Sequence[Images]

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def pixels(self, indices: Indices, /) -> Pixels:
        """uint8 [n, H, W, 3]; indices rise."""
        ends = np.cumsum([len(part) for part in self.parts])
        starts = ends - [len(part) for part in self.parts]
        chosen = [
            indices[(indices >= start) & (indices < end)] - start for start, end in zip(starts, ends, strict=True)
        ]
        found = [part.pixels(rows) for part, rows in zip(self.parts, chosen, strict=True) if len(rows)]
        return found[0] if len(found) == 1 else np.concatenate(found)


def training_features(
    branch: Branch, train: Images, set_aside: Images | None, *, folder: Path, seed: int, max_images: int = MAX_IMAGES
) -> TrainingFeatures:
    """Run the images through the base network, in evaluation mode.

    Args:
        branch: with the weights that are kept.
        train: what it was trained on, turned and mirrored images included.
        set_aside: classes that it was not trained on, or None.
        folder: for a file that has no name, where the features are too many for memory.
        seed: of the sample.
        max_images: how many at most.

    Raises:
        OutputError: no room for that file.
    """
    parts = [train] if set_aside is None else [train, set_aside]
    labels = train.labels
    if set_aside is not None:
        labels = np.concatenate([labels, set_aside.labels + len(train.files.classes)])
    room = max(2, min(max_images, _MAX_BYTES // (4 * branch.num_features)))
    rows = sample_by_class(labels, room, seed=seed)
    num_trained = int(np.searchsorted(rows, len(train)))
    if set_aside is not None and len(rows) < len(labels):
        of_aside = sample_by_class(set_aside.labels, max(len(rows) - num_trained, int(_KEPT * room)), seed=seed)
        of_train = sample_by_class(train.labels, max(2, room - len(of_aside)), seed=seed)
        rows, num_trained = np.concatenate([of_train, len(train) + of_aside]), len(of_train)
    split = [rows[:num_trained], rows[num_trained:] - len(train)]
    chosen = [part.take(of_part) for part, of_part in zip(parts, split, strict=False) if len(of_part)]
    values = FrozenFeatures(branch, _Joined(chosen), folder=folder).values
    return TrainingFeatures(
        values=values, labels=labels[rows], rows=rows, num_trained=num_trained, num_images=len(labels)
    )
