"""How likely a label is wrong, by the log odds of its being planted.

Decision a reader would question: a logistic regression on planted against others cannot say it, for the real errors are
among the others: its curve is bent down where they lie. So the curve of the errors is fitted times the share of planted
ones among all errors, which is known once the share of wrong labels is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from artifact.arrays import Numbers

CONFIDENT = 0.5
"""A label is suspected where it is more likely wrong than right."""

_STEPS = 200


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Probability that a label is wrong: a logistic function of its log odds.

    Attributes:
        slope, offset: of the log odds; the slope is not below 0.
    """

    slope: float
    offset: float

    def confidence(self, log_odds: Numbers) -> Numbers:
        """float64 [M] in [0, 1]."""
        found: Numbers = sigmoid(self.slope * log_odds + self.offset)
        return found

    @classmethod
    def fitted(cls, planted: Numbers, others: Numbers, share_wrong: float) -> Curve:
        """By likelihood; of all errors the planted are n / (n + share_wrong * others), which bounds the fit.

        Args:
            planted, others: log odds of both.
        """
        odds = np.concatenate([planted, others])
        is_planted = np.arange(len(odds)) < len(planted)
        most = len(planted) / (len(planted) + max(share_wrong, 1 / (1 + len(others))) * len(others))
        centre, spread = float(odds.mean()), float(odds.std()) or 1.0
        inputs = np.column_stack([(odds - centre) / spread, np.ones(len(odds))])
        weights, likelihood = np.zeros(2), -np.inf
        step = np.array([1.0, 0.0])
        for _ in range(_STEPS):  # Fisher scoring; a step that leads down is halved
            error = sigmoid(inputs @ (weights + step))
            chance = np.minimum(most * error, 1 - 1e-9)
            reached = float(np.log(np.where(is_planted, chance, 1 - chance)).sum())
            if reached < likelihood and np.abs(step).max() > 1e-8:
                step = step / 2
                continue
            weights, likelihood = weights + step, reached
            steep = most * error * (1 - error)  # d chance / d (inputs @ weights)
            information = steep**2 / np.maximum(chance * (1 - chance), 1e-12)
            slope = inputs.T @ (steep * (is_planted - chance) / np.maximum(chance * (1 - chance), 1e-12))
            step = np.linalg.solve((inputs * information[:, None]).T @ inputs + 1e-6 * np.eye(2), slope)
            if np.abs(step).max() < 1e-8:
                break
        steepness = max(0.0, float(weights[0]) / spread)
        # the same curve where nothing is planted: of all errors only the real ones are left
        offset = float(weights[1]) - steepness * centre + float(np.log(max(1 - most, 1e-12)))
        return cls(slope=steepness, offset=offset)


def sigmoid(values: Numbers) -> Numbers:
    found: Numbers = 1 / (1 + np.exp(-np.clip(values, -50, 50)))
    return found
