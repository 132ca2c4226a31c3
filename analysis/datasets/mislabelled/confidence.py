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

_STEPS = 50


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
        inputs = np.column_stack([odds, np.ones(len(odds))])
        weights = np.array([1.0, 0.0])
        for _ in range(_STEPS):  # Fisher scoring
            error = sigmoid(inputs @ weights)
            chance = np.minimum(most * error, 1 - 1e-9)
            steep = most * error * (1 - error)  # d chance / d (inputs @ weights)
            information = steep**2 / np.maximum(chance * (1 - chance), 1e-12)
            slope = inputs.T @ (steep * (is_planted - chance) / np.maximum(chance * (1 - chance), 1e-12))
            step = np.linalg.solve((inputs * information[:, None]).T @ inputs + 1e-6 * np.eye(2), slope)
            weights = weights + np.clip(step, -1, 1)
            if np.abs(step).max() < 1e-8:
                break
        # the same curve where nothing is planted: of all errors only the real ones are left
        return cls(slope=max(0.0, float(weights[0])), offset=float(weights[1] + np.log(max(1 - most, 1e-12))))


def sigmoid(values: Numbers) -> Numbers:
    found: Numbers = 1 / (1 + np.exp(-np.clip(values, -50, 50)))
    return found
