"""A classifier of which set a vector is from, asked only about vectors that it has not seen (cross-fitting).

Decisions a reader would question:
- Ridge regression on the landmark features of the test, solved in closed form. It sees what kernels see and what a
  linear one on the raw numbers does not, and five folds cost little more than one: their sums of products are added up
  once and each fold's are taken away again.
- How strong the ridge is, each fold learns on one further fold that is then trained on as well.
- Both sets weigh the same, however many rows they have: a probability of 1/2 says that the vector could be of either.
- Equal vectors are in one fold, so a copy never votes for itself.
- AUC is taken within folds, whose classifiers have scales of their own, and averaged.
- Intervals are those of half as many vectors. Every two folds judge each other's data twice, once each way, so the
  average varies twice as much as that of independent tests; with the plain interval .5 was outside in 17 % of splits of
  one set. Y. Bengio, Y. Grandvalet 2004, "No unbiased estimator of the variance of k-fold cross-validation", on why no
  better can be had; C. Nadeau, Y. Bengio 2003, "Inference for the generalization error", on corrections like this one.

Source: D. Lopez-Paz, M. Oquab 2017, "Revisiting classifier two-sample tests"; S. Rabanser et al. 2019, "Failing
loudly"; J. Platt 1999, "Probabilistic outputs for support vector machines".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from analysis.datasets.comparison.landmarks import Landmarks
from analysis.measures.auc import area_under_curve, auc_interval
from analysis.measures.intervals import difference_interval
from artifact.arrays import AnyArray, Flags, Indices, Numbers, Vectors

FOLDS = 5
MIN_UNITS = 2 * FOLDS
"""Different vectors of each set; below, a fold has too few of it to say anything."""

LANDMARKS = 256
"""Of those of the test: with 512 no area was larger by .005, and the folds take four times as long."""

SCALE = 1.0
"""Of the bandwidth. Half of it overfits in few dims: of 200 vectors, 30 of them far away, 9 of the 24 it called least
like the others were not among those 30, and with the whole one 2."""

_TIMES_JUDGED = 2.0
_UNITS_AT_ONCE = 4096
_RIDGES = 10.0 ** np.arange(2, -7, -1)
"""In units of the mean eigenvalue, the strongest first: of equals the strongest is taken."""

_NEWTON_STEPS = 25
_PRIOR = 1.0
"""Weight, in units, of the pull of a probability's slope to 0: where the sets are apart it would be infinite."""


@dataclass(frozen=True, kw_only=True)
class DomainClassifier:
    """How well the sets are told apart, and by which vectors.

    Attributes:
        auc, auc_low, auc_high: chance that of a vector of each set the one of B looks more like B; .5 is a coin.
        told_apart, told_apart_low, told_apart_high: of the vectors taken for B, the share of B's less that of A's. At
            least so large a share of either set would have to be others for the sets to be alike.
        probability_b: float64 [U], in (0, 1), of each unit.
    """

    auc: float
    auc_low: float
    auc_high: float
    told_apart: float
    told_apart_low: float
    told_apart_high: float
    probability_b: Numbers


def classify_domains(
    vectors_of: Callable[[slice], Vectors],
    in_a: Flags,
    in_b: Flags,
    groups: Indices,
    *,
    landmarks: Landmarks,
    alpha: float,
    rng: np.random.Generator,
) -> DomainClassifier | None:
    """Cross-fit the classifier; None where a set has fewer than MIN_UNITS different vectors.

    Args:
        vectors_of: gives float32 [m, n] of some units.
        in_a, in_b: bool [U].
        groups: int64 [U], from 0, the same for units of equal vectors.
        landmarks: chosen without looking at the sets.
        alpha: how often each interval may leave the truth out, in (0, 1).
    """
    num_a, num_b = int(in_a.sum()), int(in_b.sum())
    group_in_a, group_in_b = (np.bincount(groups[each], minlength=int(groups.max()) + 1) > 0 for each in (in_a, in_b))
    if min(group_in_a.sum(), group_in_b.sum()) < MIN_UNITS:
        return None
    folds = _folds(group_in_a, group_in_b, rng)[groups]
    scores = _scores(vectors_of, in_a, in_b, folds, landmarks.fewer(LANDMARKS, rng))
    aucs, weights = [], []
    for fold in range(FOLDS):
        own = folds == fold
        of_a, of_b = scores[own & in_a], scores[own & in_b]
        if len(of_a) and len(of_b):  # of every row's copies, one vector may fill a fold
            aucs.append(area_under_curve(of_a, of_b))
            weights.append(len(of_a) * len(of_b))
    auc = float(np.average(aucs, weights=weights))
    low, high = auc_interval(auc, num_a / _TIMES_JUDGED, num_b / _TIMES_JUDGED, alpha=alpha)
    probability = _probabilities(scores, in_a / num_a, in_b / num_b, folds)
    taken = probability > 0.5
    shares = (float(taken[in_b].mean()), float(taken[in_a].mean()))
    apart_low, apart_high = difference_interval(
        shares[0], num_b / _TIMES_JUDGED, shares[1], num_a / _TIMES_JUDGED, alpha=alpha
    )
    return DomainClassifier(
        auc=auc,
        auc_low=low,
        auc_high=high,
        told_apart=shares[0] - shares[1],
        told_apart_low=apart_low,
        told_apart_high=apart_high,
        probability_b=probability,
    )


def _folds(in_a: Flags, in_b: Flags, rng: np.random.Generator) -> Indices:
    """The fold of each group: those of A alone, of B alone and of both are dealt evenly."""
    folds = np.empty(len(in_a), np.int64)
    start = 0
    for members in (in_a & ~in_b, in_b & ~in_a, in_a & in_b):
        rows = np.flatnonzero(members)
        folds[rows] = (start + rng.permutation(len(rows))) % FOLDS
        start += len(rows)
    return folds


def _scores(
    vectors_of: Callable[[slice], Vectors], in_a: Flags, in_b: Flags, folds: Indices, landmarks: Landmarks
) -> Numbers:
    """float64 [U]: what the classifier that has not seen a unit says of it; more is more like B."""
    weight_a, weight_b = in_a / (2 * in_a.sum()), in_b / (2 * in_b.sum())
    weights, targets = weight_a + weight_b, weight_b - weight_a
    whitening = landmarks.whitening(SCALE).astype(np.float32)
    dim = whitening.shape[1]

    def features() -> Iterator[tuple[slice, AnyArray]]:
        """float32 [m, D + 1] of a block of units, the last column 1."""
        for first in range(0, len(in_a), _UNITS_AT_ONCE):
            block = slice(first, min(first + _UNITS_AT_ONCE, len(in_a)))
            kernel = landmarks.kernel(landmarks.squared_distances(vectors_of(block)), SCALE)
            yield block, np.concatenate([kernel @ whitening, np.ones((len(kernel), 1), np.float32)], axis=1)

    products, moments = np.zeros((FOLDS, dim + 1, dim + 1)), np.zeros((FOLDS, dim + 1))
    for block, found in features():
        for fold in range(FOLDS):
            own = np.flatnonzero(folds[block] == fold)
            mine = found[own]
            scaled = mine * (weights[block][own] * len(in_a)).astype(np.float32)[:, None]
            products[fold] += (scaled.T @ mine).astype(np.float64) / len(in_a)
            moments[fold] += targets[block][own] @ mine
    learned = []
    for fold in range(FOLDS):
        judge = (fold + 1) % FOLDS
        others = [each for each in range(FOLDS) if each not in (fold, judge)]
        trial = _solve(products[others].sum(axis=0), moments[others].sum(axis=0))  # [D + 1, ridges]
        # sum of weight x (prediction - target)^2 over the judge's units, but for what no ridge changes
        errors = np.einsum("ir,ij,jr->r", trial, products[judge], trial) - 2 * moments[judge] @ trial
        kept = [*others, judge]
        learned.append(_solve(products[kept].sum(axis=0), moments[kept].sum(axis=0))[:, int(errors.argmin())])
    weights_of = np.stack(learned, axis=1)  # [D + 1, folds]
    scores = np.empty(len(in_a))
    for block, found in features():
        given = found @ weights_of
        scores[block] = given[np.arange(len(given)), folds[block]]
    return scores


def _solve(products: Numbers, moments: Numbers) -> Numbers:
    """Ridge regression with an intercept that is not shrunk: float64 [D + 1, ridges]."""
    total = products[-1, -1]
    mean = products[:-1, -1] / total
    sizes, directions = np.linalg.eigh(products[:-1, :-1] - total * np.outer(mean, mean))
    sizes = np.maximum(sizes, 0.0)
    ridges = _RIDGES * max(float(sizes.mean()), 1e-30)
    moved = directions.T @ (moments[:-1] - mean * moments[-1])
    slopes = directions @ (moved[:, None] / (sizes[:, None] + ridges))
    return np.vstack([slopes, moments[-1] / total - mean @ slopes])


def _probabilities(scores: Numbers, weight_a: Numbers, weight_b: Numbers, folds: Indices) -> Numbers:
    """Scores as probabilities of B, both sets of equal weight; each fold by a curve through the others' scores."""
    found = np.empty(len(scores))
    for fold in range(FOLDS):
        others, own = folds != fold, folds == fold
        middle, spread = float(scores[others].mean()), float(scores[others].std()) or 1.0
        places = (scores - middle) / spread
        slope, offset = _logistic(places[others], weight_a[others], weight_b[others])
        found[own] = 1 / (1 + np.exp(-np.clip(slope * places[own] + offset, -30, 30)))
    return found


def _logistic(places: Numbers, weight_a: Numbers, weight_b: Numbers) -> tuple[float, float]:
    """Slope, not below 0, and offset of a logistic curve, by Newton's method."""
    effective = 1 / max(float((weight_a**2).sum() + (weight_b**2).sum()), 1e-300)  # units that the weights amount to
    weight_a, weight_b = (each * effective / (2 * each.sum()) for each in (weight_a, weight_b))
    weights = weight_a + weight_b
    design = np.stack([places, np.ones_like(places)], axis=1)
    prior = np.diag([_PRIOR, 0.0])
    found = np.zeros(2)
    for _ in range(_NEWTON_STEPS):
        chance = 1 / (1 + np.exp(-np.clip(design @ found, -30, 30)))
        slope = design.T @ (weight_b - weights * chance) - prior @ found
        curvature = (design * (weights * chance * (1 - chance))[:, None]).T @ design + prior + 1e-9 * np.eye(2)
        step = np.linalg.solve(curvature, slope)
        found += np.clip(step, -2.0, 2.0)
        if np.abs(step).max() < 1e-8:
            break
    return max(0.0, float(found[0])), float(found[1])
