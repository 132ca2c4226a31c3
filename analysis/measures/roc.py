"""The ROC curve of same and different pairs: both rates at every threshold, AUC, and the equal error rate.

far: share of different pairs that are called same. tar: share of same pairs that are. Both at "same iff distance <= t".
frr, the share of same pairs that are rejected, is 1 - tar.

AUC and rates are exact over the pairs given; only the curve that is handed out is thinned to a few hundred points.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from artifact.arrays import Numbers, Vectors

_CURVE_STEPS = 100
"""Of far (by its logarithm) and of tar, at which the thinned curve is given."""


class RocCurve:
    """The receiver operating characteristic of pairs; what does not depend on their weights is looked up once.

    Args:
        same, different: float32 [S] and [D], distances, each rising; at least one of each.

    Attributes:
        thresholds: float32 [T], every distance once, rising.
    """

    def __init__(self, same: Vectors, different: Vectors) -> None:
        self.same, self.different = same, different
        self._below = np.searchsorted(different, same, side="left")  # [S], different pairs nearer than each same pair
        self._up_to = np.searchsorted(different, same, side="right")
        self.thresholds = np.unique(np.concatenate([same, different]))  # [T]
        self._same_at = np.searchsorted(same, self.thresholds, side="right")  # [T], how many are accepted
        self._different_at = np.searchsorted(different, self.thresholds, side="right")

    def rates(self, fars: Sequence[float] = ()) -> Numbers:
        """[AUC, EER, tar at each far]: float64 [2 + F], every pair counted once."""
        return self.weighted_rates(np.ones(len(self.same)), np.ones(len(self.different)), fars)

    @property
    def equal_error_rate(self) -> float:
        """Mean of the false-accept and the false-reject rate at the threshold where they are nearest to each other."""
        return float(self.rates()[1])

    def weighted_rates(self, same_weights: Numbers, different_weights: Numbers, fars: Sequence[float]) -> Numbers:
        """`rates` with pairs that count more or less than once: weights float64 [S] and [D], neither all 0."""
        accepted = np.append(0.0, np.cumsum(same_weights))  # [S + 1], weight of the nearest pairs
        admitted = np.append(0.0, np.cumsum(different_weights))  # [D + 1]
        total_same, total_different = accepted[-1], admitted[-1]
        before = (admitted[self._below] + admitted[self._up_to]) / 2
        auc = 1.0 - float(same_weights @ before) / (total_same * total_different)
        found = [auc, self._equal_error_rate(accepted / total_same, admitted / total_different)]
        for far in fars:
            allowed = int(np.searchsorted(admitted[1:], far * total_different + 1e-9, side="right"))
            if allowed >= len(self.different):
                found.append(1.0)
            else:  # ties are kept out together
                nearer = np.searchsorted(self.same, self.different[allowed], side="left")
                found.append(float(accepted[nearer] / total_same))
        return np.array(found)

    def _equal_error_rate(self, tar: Numbers, far: Numbers) -> float:
        """Mean of both error rates where they are nearest; far - frr rises with the threshold, so it is bisected."""

        def errors(at: int) -> tuple[float, float]:
            if at < 0:
                return 0.0, 1.0
            return float(far[self._different_at[at]]), 1.0 - float(tar[self._same_at[at]])

        low, high = -1, len(self.thresholds) - 1  # far <= frr at low, far >= frr at high: everything is accepted
        while high - low > 1:
            middle = (low + high) // 2
            accepts, rejects = errors(middle)
            low, high = (middle, high) if accepts < rejects else (low, middle)
        (far_low, frr_low), (far_high, frr_high) = errors(low), errors(high)
        if abs(far_low - frr_low) <= abs(far_high - frr_high):
            return (far_low + frr_low) / 2
        return (far_high + frr_high) / 2

    def points(self) -> tuple[Numbers, Numbers, Numbers]:
        """(threshold, far, tar), float64 [T + 1] each, rising: every point, the first below every distance."""
        return (
            np.append(-1.0, self.thresholds),
            np.append(0.0, self._different_at / len(self.different)),
            np.append(0.0, self._same_at / len(self.same)),
        )

    def thinned(self) -> dict[str, list[float]]:
        """{"threshold", "far", "tar"}: a few hundred of the points, the first and the last among them."""
        threshold, far, tar = self.points()
        steps = np.geomspace(1 / len(self.different), 1.0, _CURVE_STEPS)
        last = len(self.thresholds) - 1
        by_far = np.searchsorted(far[1:], steps)
        by_tar = np.searchsorted(tar[1:], np.linspace(0.0, 1.0, _CURVE_STEPS + 1))
        at = np.append(0, 1 + np.unique(np.append(np.concatenate([by_far, by_tar]).clip(max=last), last)))
        return {"threshold": threshold[at].tolist(), "far": far[at].tolist(), "tar": tar[at].tolist()}
