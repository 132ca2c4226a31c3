"""Verification, same or not by distance: ROC curve, AUC, EER and TAR at given FARs, each with its interval.

far: share of different pairs that are called same. tar: share of same pairs that are. Both at "same iff distance <= t".

Decisions a reader would question:
- A rate is given only where at least MIN_FALSE_ACCEPTS different pairs may be accepted under it: of a thousand pairs
  nobody can tell what happens once in ten thousand. Below that it is None.
- Intervals come from drawing whole classes (Bolle, Ratha, Pankanti, "Error analysis of pattern recognition systems: the
  subsets bootstrap", 2004): thousands of pairs share one image and millions one class, so an interval that takes them
  for independent has next to no width. A same pair counts as often as its class is drawn, a different one the product.
- AUC and rates are exact over the pairs taken; only the curve that is handed out is thinned to a few hundred points.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from analysis.measures.intervals import MIN_CLASSES, check_confidence, check_seed, draw_classes, percentiles
from analysis.measures.pairs import Pairs, choose_pairs
from analysis.neighbours.labels import Codes, Labels
from artifact.arrays import Vectors
from artifact.errors import UsageError

FALSE_ACCEPT_RATES = (1e-1, 1e-2, 1e-3, 1e-4)
MIN_FALSE_ACCEPTS = 10

_CURVE_STEPS = 100
"""Of far (by its logarithm) and of tar, at which the curve is given."""

Numbers = npt.NDArray[np.float64]


def verification_metrics(
    vectors: Vectors,
    labels: Labels,
    *,
    distance: str,
    fars: Sequence[float] = FALSE_ACCEPT_RATES,
    max_pairs: int = 2_000_000,
    bootstrap: int = 200,
    seed: int = 0,
    confidence: float = 0.95,
) -> dict[str, Any] | None:
    """How well one threshold on the distance tells same from different.

    Args:
        vectors: float32 [N, n].
        labels: [N], any hashable.
        distance: a name in artifact.distances.DISTANCES.
        fars: false-accept rates in (0, 1) to give the true-accept rate at.
        max_pairs: above this many pairs a seeded sample is taken (see analysis.measures.pairs.choose_pairs).
        bootstrap: resamples of the classes for the intervals; 0 for none.
        seed: of the sample and of the bootstrap.

    Returns:
        {"AUC": share of (same, different) pairs of pairs in the right order, ties half, "EER": as
        analysis.measures.verification.equal_error_rate, "TAR@FAR=<far>": None where the pairs cannot tell, with "<name>_low" and
        "<name>_high" of each where `bootstrap` is not 0 (None with same pairs of fewer than five classes);
        "roc": {"threshold", "far", "tar"} lists, rising, the first threshold below every distance;
        "same_pairs", "different_pairs", "pairs_sampled", "protocol"}; None where there is no same or no different pair.

    Raises:
        UsageError: an unknown distance, a rate outside (0, 1), fewer than 2 pairs, a negative bootstrap or seed.
        DataError: shapes that do not fit, or numbers that are not finite.
    """
    if not all(0.0 < far < 1.0 for far in fars):
        raise UsageError("fars", expected="rates in (0, 1)", got=", ".join(f"{far:g}" for far in fars))
    if bootstrap < 0:
        raise UsageError("bootstrap", expected="at least 0 resamples", got=str(bootstrap))
    check_seed(seed)
    check_confidence(confidence)
    pairs = choose_pairs(vectors, labels, distance=distance, max_pairs=max_pairs, seed=seed)
    if pairs is None:
        return None
    resolved = [far for far in fars if far * len(pairs.different) >= MIN_FALSE_ACCEPTS]
    names = ["AUC", "EER", *(f"TAR@FAR={far:g}" for far in resolved)]
    curve = Curve(pairs.same, pairs.different)
    found: dict[str, Any] = {"AUC": None, "EER": None} | {f"TAR@FAR={far:g}": None for far in fars}
    ones = np.ones(len(pairs.same)), np.ones(len(pairs.different))
    found |= dict(zip(names, curve.rates(*ones, resolved).tolist(), strict=True))
    if bootstrap:
        resampled = _resampled(curve, pairs, resolved, bootstrap, seed)
        intervals = [(None, None)] * len(names) if resampled is None else percentiles(resampled, confidence)
        for name, (low, high) in zip(names, intervals, strict=True):
            found |= {f"{name}_low": low, f"{name}_high": high}
    return found | {
        "roc": curve.thinned(),
        "same_pairs": len(pairs.same),
        "different_pairs": len(pairs.different),
        "pairs_sampled": pairs.sampled,
        "protocol": pairs.protocol,
    }


class Curve:
    """The ROC curve of weighted pairs; what does not depend on the weights is looked up once.

    Args:
        same, different: float32 [S] and [D], distances, each rising.
    """

    def __init__(self, same: Vectors, different: Vectors) -> None:
        self.same, self.different = same, different
        self._below = np.searchsorted(different, same, side="left")  # [S], different pairs nearer than each same pair
        self._up_to = np.searchsorted(different, same, side="right")
        self.thresholds = np.unique(np.concatenate([same, different]))  # [T]
        self._same_at = np.searchsorted(same, self.thresholds, side="right")  # [T], how many are accepted
        self._different_at = np.searchsorted(different, self.thresholds, side="right")

    def rates(self, same_weights: Numbers, different_weights: Numbers, fars: Sequence[float]) -> Numbers:
        """[AUC, EER, tar at each far]: float64; weights are float64 [S] and [D], not all 0."""
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

    def thinned(self) -> dict[str, list[float]]:
        """{"threshold", "far", "tar"}: points of the exact curve, its first (nothing accepted) and last among them."""
        far, tar = self._different_at / len(self.different), self._same_at / len(self.same)
        steps = np.geomspace(1 / len(self.different), 1.0, _CURVE_STEPS)
        wanted = [np.searchsorted(far, steps), np.searchsorted(tar, np.linspace(0.0, 1.0, _CURVE_STEPS + 1))]
        at = np.unique(np.concatenate([*wanted, [len(far) - 1]]).clip(max=len(far) - 1))
        return {
            "threshold": [-1.0, *self.thresholds[at].tolist()],
            "far": [0.0, *far[at].tolist()],
            "tar": [0.0, *tar[at].tolist()],
        }


def _resampled(curve: Curve, pairs: Pairs, fars: Sequence[float], resamples: int, seed: int) -> Numbers | None:
    """Rates of each resample of the classes, [resamples, M]; None with same pairs of too few classes."""
    if len(np.unique(pairs.same_classes)) < MIN_CLASSES:
        return None
    num_classes = 1 + int(max(pairs.same_classes.max(), pairs.different_classes.max()))
    present = np.unique(np.append(pairs.same_classes, pairs.different_classes))
    rng = np.random.default_rng(seed)
    drawn: Codes = np.zeros(num_classes, np.int64)
    found = np.full((resamples, 2 + len(fars)), np.nan)
    for row in found:
        drawn[present] = draw_classes(len(present), 1, rng)[0]
        same = drawn[pairs.same_classes].astype(float)
        different = (drawn[pairs.different_classes[0]] * drawn[pairs.different_classes[1]]).astype(float)
        if same.any() and different.any():
            row[:] = curve.rates(same, different, fars)
    return found
