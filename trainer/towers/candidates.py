"""Candidates: the rows of attributes that an image of a batch is told from, and the images that a row is told from.

Decisions a reader would question:
- A row fits an image if no attribute that both know is another one. So rows equal in all attributes are the same,
  wherever they stand in the batch, and a row that tells only `red` fits every red image: neither is ever a negative.
- Numbers are the same up to half a standard deviation, as where retrieval is measured.
- A flipped row is told from every image that it does not fit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.measures.attribute_rows import HALF_SCALE
from artifact.arrays import Flags, Vectors
from artifact.attributes import NUMBER, Attributes
from trainer.towers.values import values_of


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """The rows of attributes of a batch.

    Attributes:
        rows: float32 [N + F, A]: each image's own, in the images' order, then flipped ones.
        fits: bool [N, N + F], which rows fit each image.
    """

    rows: Vectors
    fits: Flags

    @property
    def num_images(self) -> int:
        """N."""
        return len(self.fits)


def candidates_of(own: Vectors, told: Vectors, flipped: Vectors, attributes: Attributes) -> Candidates:
    """Candidates of a batch of images.

    Args:
        own: float32 [N, A], all that is known of each image.
        told: float32 [N, A], the row that stands for it: the same, or some of it.
        flipped: float32 [F, A], rows with attributes changed.
        attributes: what the columns are.
    """
    rows = np.concatenate([told, flipped])
    known, said = values_of(own, attributes), values_of(rows, attributes)
    fits = np.ones((len(own), len(rows)), bool)
    for place, attribute in enumerate(attributes.attributes):
        slack = HALF_SCALE if attribute.type == NUMBER else 0.0
        fits &= ~(np.abs(known[:, place, None] - said[:, place]) > slack)  # what either does not know is no difference
    return Candidates(rows=rows, fits=fits)
