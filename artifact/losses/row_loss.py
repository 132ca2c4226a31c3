"""Losses of single tuples, from their distances: what training would have for each tuple of a table alone.

Decisions a reader would question:
- It is the loss of the tuple itself. Training mines tuples of its own, leaves out those with a loss of 0, and may
  weigh classes; so the mean of a table's losses is not the loss that training reported.
- A loss of fewer images than the tuple has is laid out as in training: a loss of pairs takes (anchor, positive) as
  same and (anchor, each negative) as different and adds the two means; a loss of triplets takes each negative in turn.
  A mean is over the terms above 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from artifact.arrays import AnyArray, Flags, Vectors
from artifact.errors import UsageError
from artifact.kinds import KINDS, distance_name
from artifact.losses import LOSSES
from artifact.losses.loss import OTHER_CLASS, QUARTET, TRIPLET
from artifact.namespace import NUMPY

_POSITIVE, _NEGATIVE, _NEGATIVE2, _NEGATIVES = map(distance_name, KINDS["quartet"].pairs)


@dataclass(frozen=True, kw_only=True)
class RowLoss:
    """The loss that an artifact was trained with, for tuples of its kind; construct it with `row_loss`.

    Attributes:
        name: a key of artifact.losses.LOSSES.
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

    def __call__(self, distances: Mapping[str, AnyArray], different: Flags | None = None) -> Vectors:
        """The loss of each of K tuples.

        Args:
            distances: {`distance_<a>_<b>`: float32 [K]} for every pair of the kind.
            different: bool [K], of pairs only.

        Returns:
            float32 [K], 0 or more.
        """
        loss = LOSSES[self.name]
        if self.needs_target:
            if different is None:
                raise ValueError("pairs need `different`")
            return self._values(distances[distance_name(KINDS[self.kind].pairs[0])], different)
        positive = distances[_POSITIVE]
        negatives = [distances[name] for name in (_NEGATIVE, _NEGATIVE2) if name in distances]
        if loss.form == QUARTET:
            third = _NEGATIVES if loss.second_negative == OTHER_CLASS else _NEGATIVE2
            return self._values(positive, negatives[0], distances[third])
        if loss.form == TRIPLET:
            return _mean_of_active([self._values(positive, negative) for negative in negatives])
        apart = [self._values(negative, np.True_) for negative in negatives]
        return self._values(positive, np.False_) + _mean_of_active(apart)

    def _values(self, *terms: Any) -> Vectors:
        return np.asarray(LOSSES[self.name].formula(NUMPY, *terms, **self.margins), dtype=np.float32)


def row_loss(
    name: str | None,
    *,
    kind: str,
    margin: float | None,
    margin2: float | None,
    cap: float | None = None,
    where: str,
) -> RowLoss:
    """The loss of an artifact's training.

    Args:
        name: as the artifact says it.
        kind: a key of artifact.kinds.KINDS.
        margin, margin2, cap: as the artifact says them, in units of its distance.
        where: the artifact, for messages.

    Raises:
        UsageError: the artifact does not say its loss or a margin of it, or it is a user's own function or none for
            this kind.
    """
    if name is None:
        mend = "score without --loss; an artifact exported from a run says it"
        raise UsageError("the artifact does not say its loss", where=where, mend=mend)
    known = [key for key, loss in LOSSES.items() if kind in loss.kinds]
    if name not in known:
        raise UsageError(
            "loss of each row",
            expected=f"an artifact trained with one of {', '.join(known)}",
            got=name,
            where=where,
            mend="score without --loss and compute it from the distances",
        )
    told = {"margin": margin, "margin2": margin2, "cap": cap}
    margins = {key: value for key in LOSSES[name].margin_names if (value := told[key]) is not None}
    missing = [key for key in LOSSES[name].margin_names if key not in margins]
    if missing:
        raise UsageError(
            f"the artifact does not say the {missing[0]} of its loss {name}", where=where, mend="export its run again"
        )
    return RowLoss(name=name, kind=kind, margins=margins)


def _mean_of_active(terms: Sequence[Vectors]) -> Vectors:
    """Mean of the terms above 0, 0 where there is none: float32 [K] each -> float32 [K]."""
    values = np.stack(terms)
    num_active = np.maximum((values > 0).sum(axis=0), 1).astype(np.float32)
    return np.asarray(values.sum(axis=0) / num_active, dtype=np.float32)
