"""One batch: the images that go through the branch, and the tuples of them that the loss sees."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from artifact.arrays import Flags, Indices
from trainer.towers.candidates import Candidates


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Indices only; pixels are fetched while the batch before it is trained on.

    Attributes:
        rows: int64 [N], the DISTINCT images, as indices into the training images.
        tuples: int64 [T, streams], positions in `rows`, where tuples were drawn; None where the loss mines its own.
        different: bool [T], of drawn siamese pairs: True where the two images are of different classes.
        candidates: of two towers, the rows of attributes that the images are told from.
    """

    rows: Indices
    tuples: Indices | None = None
    different: Flags | None = None
    candidates: Candidates | None = None


class Batches(Protocol):
    """A source of batches: a pure function of (seed, epoch), so a resumed run deals the same ones."""

    @property
    def per_epoch(self) -> int:
        """Batches of every epoch."""

    @property
    def smallest(self) -> int:
        """A number of images that no batch of any epoch is below."""

    def epoch(self, epoch: int, *, first: int = 0) -> Iterator[Batch]:
        """The batches of one epoch (from 0), from the batch `first` on."""
