"""How much each view counts: as much as it helps to find errors that were planted in the very same labels.

Some labels are changed, half of them to any class and half to one that their class is taken for; all views judge again;
and a logistic regression learns to tell the planted errors from the rest. Its odds rank the real ones. It is learning
from positive and unlabelled rows (Elkan, Noto 2008, "Learning classifiers from only positive and unlabeled data"): the
rest holds the real errors too, which changes the odds and not the order.

Decisions a reader would question:
- No view has a negative weight: more doubt never makes a label better.
- How many errors there are is read off the same odds (share_wrong.py), once for each half of the planted ones, for
  nobody knows of which kind the real ones are, and the larger counts. A half that does not stand out counts nothing:
  what cannot be seen where it was planted cannot be counted where it was not. Where neither does, nothing is told.
- A class is proposed by the view that named the right one of most planted errors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.datasets.mislabelled.confidence import CONFIDENT, Curve, sigmoid
from analysis.datasets.mislabelled.planting import ALIKE, ANY, LEFT
from analysis.datasets.mislabelled.share_wrong import share_wrong, stand_out
from artifact.arrays import Flags, Indices, Numbers

_PENALTY = 0.1
"""Of squared weights, for each planted error: twenty of them then decide little, a thousand much."""

_STEPS = 50


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What the views say of m cases of a planting.

    Attributes:
        views: float64 [m, views].
        kinds: int64 [m], LEFT, ANY or ALIKE: not planted, planted as any class, planted as one alike.
        right: bool [planted, proposers], whether each proposer names the class that a planted case had before.
    """

    views: Numbers
    kinds: Indices
    right: Flags


@dataclass(frozen=True, kw_only=True)
class Mix:
    """What the views are worth together.

    Attributes:
        weights: float64 [views], none below 0, of views less `centre`, over `spread`.
        centre, spread: float64 [views].
        offset: log odds where all of these are 0, of a case being planted.
        planted_odds: {ANY, ALIKE: float64, log odds of the planted errors of that kind}.
        other_odds: float64, of the cases beside them.
        right: float64 [proposers], share of the planted errors whose class before each proposer names.
    """

    weights: Numbers
    centre: Numbers
    spread: Numbers
    offset: float
    planted_odds: dict[int, Numbers]
    other_odds: Numbers
    right: Numbers

    @property
    def num_planted(self) -> int:
        """Planted errors that this rests on."""
        return sum(map(len, self.planted_odds.values()))

    def log_odds(self, views: Numbers) -> Numbers:
        """float64 [M] of views float64 [M, views]."""
        odds: Numbers = ((views - self.centre) / self.spread) @ self.weights + self.offset
        return odds

    def share_and_curve(self, log_odds: Numbers) -> tuple[float, Curve] | None:
        """The share of the labels with these odds that is wrong, about, and how likely each is; None if not known."""
        seen = [planted for planted in self.planted_odds.values() if stand_out(log_odds, planted)]
        if not seen:
            return None
        share = max(share_wrong(log_odds, planted) for planted in seen)
        return share, Curve.fitted(np.concatenate(seen), self.other_odds, share)

    def recall(self, curve: Curve) -> float:
        """Share of the planted errors that would be suspected."""
        planted = np.concatenate(list(self.planted_odds.values()))
        return float((curve.confidence(planted) >= CONFIDENT).mean())


def learn_mix(judged: list[Judgement]) -> Mix:
    """The mix from some plantings."""
    views = np.concatenate([each.views for each in judged])
    kinds = np.concatenate([each.kinds for each in judged])
    centre, spread = views.mean(axis=0), views.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    scaled = (views - centre) / spread
    kept = list(range(views.shape[1]))
    while True:
        fitted = _logistic(scaled[:, kept], kinds != LEFT)
        helpful = [view for view, weight in zip(kept, fitted, strict=False) if weight >= 0]
        if helpful == kept:
            break
        kept = helpful
    weights = np.zeros(views.shape[1])
    weights[kept] = fitted[:-1]
    log_odds = scaled @ weights + fitted[-1]
    return Mix(
        weights=weights,
        centre=centre,
        spread=spread,
        offset=float(fitted[-1]),
        planted_odds={kind: log_odds[kinds == kind] for kind in (ANY, ALIKE)},
        other_odds=log_odds[kinds == LEFT],
        right=np.concatenate([each.right for each in judged]).mean(axis=0),
    )


def _logistic(views: Numbers, truth: Flags) -> Numbers:
    """Weights and offset of a logistic regression by Newton's method: float64 [views + 1]."""
    inputs = np.column_stack([views, np.ones(len(views))])
    penalty = np.full(inputs.shape[1], _PENALTY * truth.sum())
    penalty[-1] = 1e-6
    weights = np.zeros(inputs.shape[1])
    for _ in range(_STEPS):
        chance = sigmoid(inputs @ weights)
        slope = inputs.T @ (truth - chance) - penalty * weights
        curvature = (inputs * (chance * (1 - chance))[:, None]).T @ inputs + np.diag(penalty)
        step = np.linalg.solve(curvature, slope)
        weights = weights + np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-8:
            break
    return weights
