"""Buffers of classes: weighted samples of a stream of images, some of each class, the most relevant ones most likely.

Efraimidis and Spirakis 2006, "Weighted random sampling with a reservoir": an image of weight r gets the key u^(1/r)
with u uniform in 0..1, and a buffer keeps the images with the largest keys. The weight is an image's mean relevance to
its class, so pictures that nothing resembles are rare in triplets (Wang et al. 2014).

Decisions a reader would question:
- Relevance to the class is measured against a uniform sample of what has come of it so far, 32 images: the sum over the
  whole class, as the paper has it, takes the square of its size.
- Relevance is exp(-distance / scale), with the mean distance within the class for scale: of any vectors it is between 0
  and 1, and about a third for two that are as unlike as two of that class mostly are.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from analysis.neighbours.pairwise import distance_chunks
from artifact.arrays import Indices, Vectors

NUM_REFERENCES = 32
SMALLEST, LARGEST = 4, 256
MEMORY_BYTES = 256 * 2**20

Relevance = npt.NDArray[np.float64]


def relevance(distances: npt.NDArray[np.floating], scale: float) -> Relevance:
    """exp(-distance / scale), 1 for equal images; of a class of equal ones 1 throughout."""
    found: Relevance = np.exp(-np.asarray(distances, np.float64) / scale) if scale > 0 else np.ones(distances.shape)
    return found


def distances_between(queries: Vectors, references: Vectors, distance: str) -> Vectors:
    """float32 [Q, R]."""
    parts = [part.copy() for _, part in distance_chunks(queries, references, distance=distance)]
    return np.concatenate(parts) if parts else np.zeros((0, len(references)), np.float32)


def buffer_size(num_classes: int, dim: int) -> int:
    """Images of a class that are kept: all of them and what they are measured against in MEMORY_BYTES, 4 to 256."""
    of_class = MEMORY_BYTES // (4 * dim * max(num_classes, 1))
    return max(SMALLEST, min(LARGEST, max(of_class - NUM_REFERENCES, of_class // 2)))


class Buffers:
    """A buffer of each class.

    Args:
        num_classes: classes that may come.
        dim: numbers of an image's features.
        distance: a key of artifact.distances.DISTANCES.
        size: images of a class that are kept.
        random: decides everything.

    Attributes:
        rows: int64 [classes, size], which images are kept.
        features: float32 [classes, size, dim], of those.
        seen: int64 [classes], images that have come; the first min(seen, size) places of a class are filled.
    """

    def __init__(self, num_classes: int, dim: int, *, distance: str, size: int, random: np.random.Generator) -> None:
        self.rows = np.full((num_classes, size), -1, np.int64)
        self.features = np.empty((num_classes, size, dim), np.float32)  # no memory is taken before it is written to
        self.seen = np.zeros(num_classes, np.int64)
        self._keys = np.full((num_classes, size), -np.inf)
        self._references = np.empty((num_classes, min(NUM_REFERENCES, size), dim), np.float32)
        self._sums = np.zeros(num_classes)  # of distances between images of a class, and how many these were
        self._counts = np.zeros(num_classes, np.int64)
        self._distance, self._random = distance, random

    def kept(self, label: int) -> int:
        """Images of a class in its buffer."""
        return int(min(self.seen[label], self.rows.shape[1]))

    def add(self, labels: npt.NDArray[np.int32], rows: Indices, features: Vectors) -> None:
        """Take some images of the stream: int32 [b] classes, int64 [b], float32 [b, dim]."""
        for place, label in enumerate(labels.tolist()):
            self._add(label, int(rows[place]), features[place])

    def _add(self, label: int, row: int, features: Vectors) -> None:
        seen, (_, size) = int(self.seen[label]), self.rows.shape
        key = np.log(self._random.random() or 1e-300) / self._weight(label, features)
        place = seen if seen < size else int(self._keys[label].argmin())
        if seen < size or key > self._keys[label, place]:
            self._keys[label, place], self.rows[label, place] = key, row
            self.features[label, place] = features
        most = self._references.shape[1]
        at = seen if seen < most else int(self._random.integers(seen + 1))
        if at < most:
            self._references[label, at] = features
        self.seen[label] += 1

    def _weight(self, label: int, features: Vectors) -> float:
        """Mean relevance to what has come of the class; 1 for its first image."""
        known = self._references[label, : min(int(self.seen[label]), self._references.shape[1])]
        if not len(known):
            return 1.0
        distances = distances_between(features[None], known, self._distance)[0]
        self._sums[label] += float(distances.sum())
        self._counts[label] += len(known)
        scale = float(self._sums[label] / self._counts[label])
        return max(float(relevance(distances, scale).mean()), 1e-6)
