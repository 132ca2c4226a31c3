"""The loss of single tuples in numpy, from their distances: what training would have for each tuple alone.

The same formulas as trainer/objective/losses.py, which names their sources. A new loss there is one function and one line in
FORMULAS here.

Decisions a reader would question:
- It is the loss of the tuple itself. Training mines tuples of its own, leaves out those with a loss of 0, and may
  weigh classes; so the mean of a table's losses is not the loss that training reported.
- A loss of fewer images than the tuple has is laid out as in training: a loss of pairs takes (anchor, positive) as
  same and (anchor, each negative) as different and adds the two means; a loss of triplets takes each negative in turn.
  A mean is over the terms above 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from artifact.arrays import Flags, Vectors
from artifact.errors import UsageError
from artifact.kinds import KINDS, distance_name
from artifact.model.manifest import Manifest

_POSITIVE, _NEGATIVE, _NEGATIVE2, _NEGATIVES = (
    distance_name(pair)
    for pair in (("anchor", "positive"), ("anchor", "negative"), ("anchor", "negative2"), ("negative", "negative2"))
)


def contrastive(distance: Vectors, different: Flags, *, margin: float) -> Vectors:
    """(1-Y)/2 D^2 + Y/2 max(0, m - D)^2, Y = different: float32 [K]."""
    wrong = contrastive_linear(distance, different, margin=margin)
    return np.float32(0.5) * wrong * wrong


def contrastive_linear(distance: Vectors, different: Flags, *, margin: float) -> Vectors:
    """D of a same pair, max(0, m - D) of a different one: float32 [K]."""
    return np.where(different, _positive_part(np.float32(margin) - distance), distance)


def triplet(positive: Vectors, negative: Vectors, *, margin: float) -> Vectors:
    """max(0, d_ap - d_an + m): float32 [K]."""
    return _positive_part(positive - negative + np.float32(margin))


def triplet_soft(positive: Vectors, negative: Vectors, *, margin: float) -> Vectors:
    """log(1 + exp(d_ap - d_an + m)): float32 [K]."""
    return np.asarray(np.logaddexp(np.float32(0), positive - negative + np.float32(margin)))


def quadruplet(positive: Vectors, negative: Vectors, negatives: Vectors, *, margin: float, margin2: float) -> Vectors:
    """max(0, d_ap - d_an + a1) + max(0, d_ap - d_n1n2 + a2): float32 [K]."""
    return triplet(positive, negative, margin=margin) + triplet(positive, negatives, margin=margin2)


def dlpy(positive: Vectors, negative: Vectors, negative2: Vectors, *, margin: float) -> Vectors:
    """max(0, d_ap - d_an1 + m) + max(0, d_ap - d_an2 + m): float32 [K]."""
    return triplet(positive, negative, margin=margin) + triplet(positive, negative2, margin=margin)


@dataclass(frozen=True, kw_only=True)
class Formula:
    """A loss and what it is a function of.

    Attributes:
        function: of distances, float32 [K] each (of pairs: and of `different`, bool [K]), and of its margins.
        num_images: of its tuples: 2, 3 or 4.
        third: the distance that a loss of quartets takes as its last.
        margins: names of its margins; both stand in the manifest.
    """

    function: Callable[..., Vectors]
    num_images: int
    third: str | None = None
    margins: tuple[str, ...] = ("margin",)


FORMULAS: dict[str, Formula] = {
    "contrastive": Formula(function=contrastive, num_images=2),
    "contrastive_linear": Formula(function=contrastive_linear, num_images=2),
    "triplet": Formula(function=triplet, num_images=3),
    "triplet_soft": Formula(function=triplet_soft, num_images=3),
    "quadruplet": Formula(function=quadruplet, num_images=4, third=_NEGATIVES, margins=("margin", "margin2")),
    "dlpy": Formula(function=dlpy, num_images=4, third=_NEGATIVE2),
}


@dataclass(frozen=True, kw_only=True)
class RowLoss:
    """The loss that an artifact was trained with, for tuples of its kind; construct it with `row_loss`.

    Attributes:
        name: a key of FORMULAS.
        kind: a key of artifact.kinds.KINDS.
        margins: in units of the artifact's distance.
    """

    name: str
    kind: str
    margins: Mapping[str, float]

    @property
    def needs_target(self) -> bool:
        """Whether a tuple does not say by itself which of its images are different: pairs."""
        return len(KINDS[self.kind].streams) == 2

    def __call__(self, distances: Mapping[str, npt.NDArray[Any]], different: Flags | None = None) -> Vectors:
        """The loss of each of K tuples.

        Args:
            distances: {`distance_<a>_<b>`: float32 [K]} for every pair of the kind.
            different: bool [K], of pairs only.

        Returns:
            float32 [K], 0 or more.
        """
        formula = FORMULAS[self.name]
        loss = formula.function
        if self.needs_target:
            if different is None:
                raise ValueError("pairs need `different`")
            distance = distances[distance_name(KINDS[self.kind].pairs[0])]
            return loss(distance, different, **self.margins)
        positive = distances[_POSITIVE]
        negatives = [distances[name] for name in (_NEGATIVE, _NEGATIVE2) if name in distances]
        if formula.third is not None:
            return loss(positive, negatives[0], distances[formula.third], **self.margins)
        if formula.num_images == 3:
            return _mean_of_active([loss(positive, negative, **self.margins) for negative in negatives])
        no, yes = np.False_, np.True_
        apart = [loss(negative, yes, **self.margins) for negative in negatives]
        return loss(positive, no, **self.margins) + _mean_of_active(apart)


def row_loss(manifest: Manifest) -> RowLoss:
    """The loss of an artifact's training.

    Raises:
        UsageError: the artifact does not say it or its margins, it is a user's own function, or none for this kind.
    """
    name, kind, where = manifest.loss, manifest.kind, f"artifact {manifest.name}"
    if name is None:
        mend = "score without --loss; an artifact exported from a run says it"
        raise UsageError("the artifact does not say its loss", where=where, mend=mend)
    known = [key for key, each in FORMULAS.items() if each.num_images <= len(KINDS[kind].streams)]
    if name not in known:
        raise UsageError(
            "loss of each row",
            expected=f"an artifact trained with one of {', '.join(known)}",
            got=name,
            where=where,
            mend="score without --loss and compute it from the distances",
        )
    both = {"margin": manifest.margin, "margin2": manifest.margin2}
    margins = {key: value for key in FORMULAS[name].margins if (value := both[key]) is not None}
    missing = [key for key in FORMULAS[name].margins if key not in margins]
    if missing:
        raise UsageError(
            f"the artifact does not say the {missing[0]} of its loss {name}", where=where, mend="export its run again"
        )
    return RowLoss(name=name, kind=kind, margins=margins)


def _positive_part(values: Vectors) -> Vectors:
    return np.maximum(values, np.float32(0))


def _mean_of_active(terms: Sequence[Vectors]) -> Vectors:
    """Mean of the terms above 0, 0 where there is none: float32 [K] each -> float32 [K]."""
    values = np.stack(terms)
    num_active = np.maximum((values > 0).sum(axis=0), 1).astype(np.float32)
    return np.asarray(values.sum(axis=0) / num_active, dtype=np.float32)
