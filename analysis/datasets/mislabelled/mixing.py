"""How much each view counts: as much as it helps to find errors that were planted in the very same labels.

Some labels are changed, half of them to any class and half to one that their class is taken for; all views judge again;
and a logistic regression learns to tell the planted errors from the rest. Its odds rank the real ones. It is learning
from positive and unlabelled rows (Elkan, Noto 2008, "Learning classifiers from only positive and unlabeled data"): the
rest holds the real errors too, which changes the odds and not the order.

Decisions a reader would question:
- No view has a negative weight: more doubt never makes a label better.
- How many errors there are is read off the same odds. Where E_p of the planted errors and E_u of all labels lie above
  some threshold, a share of E_u / E_p at most is wrong, and the least of these is taken (Blanchard, Lee, Scott 2010,
  "Semi-supervised novelty detection"): once for each half of the planted ones, for nobody knows of which kind the real
  ones are, and the larger counts. Where planted errors are hard to find it is too high: a bound, and called one.
- A class is proposed by the view that named the right one of most planted errors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.datasets.mislabelled.confidence import CONFIDENT, Curve, sigmoid
from analysis.datasets.mislabelled.planting import ALIKE, ANY, LEFT
from artifact.arrays import Flags, Indices, Numbers

_PENALTY = 0.1
"""Of squared weights, for each planted error: twenty of them then decide little, a thousand much."""

_STEPS = 50
_QUANTILES = np.linspace(0.2, 0.9, 15)


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

    def share_wrong(self, log_odds: Numbers) -> float:
        """The share of the cases with these odds that is wrong, at most."""
        return max(_bound(log_odds, planted) for planted in self.planted_odds.values() if len(planted))

    def curve(self, share_wrong: float) -> Curve:
        """How likely an error is by its log odds, where that share of all labels is wrong."""
        planted = np.concatenate(list(self.planted_odds.values()))
        return Curve.fitted(planted, self.other_odds, share_wrong)

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


def _bound(log_odds: Numbers, planted: Numbers) -> float:
    """See the module's text: the least ratio of the shares above any threshold that most planted errors tell."""
    thresholds = np.quantile(planted, _QUANTILES)
    found = (planted[:, None] >= thresholds).mean(axis=0)
    num_above = len(log_odds) - np.searchsorted(np.sort(log_odds), thresholds, side="left")
    above = (num_above + 1) / (len(log_odds) + 1)  # none of a hundred above it does not tell that none ever is
    return float(min(1.0, (above / found).min()))


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
