"""Verification figures, same or not by distance: AUC, EER and TAR at given FARs, each with its interval, and the curve.

Decisions a reader would question:
- A rate is given only where the different pairs can tell it (analysis/measures/support.py): of a thousand pairs nobody
  can tell what happens once in ten thousand. Below that it is None.
- Intervals come from drawing whole classes (Bolle, Ratha, Pankanti, "Error analysis of pattern recognition systems: the
  subsets bootstrap", 2004): thousands of pairs share one image and millions one class, so an interval that takes them
  for independent has next to no width. A same pair counts as often as its class is drawn, a different one the product.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from analysis.measures.intervals import MIN_CLASSES, draw_classes, percentiles
from analysis.measures.pairs import MAX_PAIRS, Pairs, choose_pairs
from analysis.measures.roc import RocCurve
from analysis.measures.support import tells_false_accepts
from analysis.neighbours.labels import Labels
from analysis.neighbours.samples import check_sampling
from artifact.arrays import Indices, Numbers, Vectors
from artifact.errors import UsageError

FALSE_ACCEPT_RATES = (1e-1, 1e-2, 1e-3, 1e-4)


def verification_metrics(
    vectors: Vectors,
    labels: Labels,
    *,
    distance: str,
    fars: Sequence[float] = FALSE_ACCEPT_RATES,
    max_pairs: int = MAX_PAIRS,
    bootstrap: int = 200,
    seed: int = 0,
) -> dict[str, Any] | None:
    """Rates at which one threshold on the distance tells same from different.

    Args:
        vectors: float32 [N, n].
        labels: [N], any hashable.
        distance: a name in artifact.distances.DISTANCES.
        fars: false-accept rates in (0, 1) to give the true-accept rate at.
        max_pairs: above this many pairs a seeded sample is taken (see analysis.measures.pairs.choose_pairs).
        bootstrap: resamples of the classes for the intervals; 0 for none.
        seed: of the sample and of the bootstrap.

    Returns:
        {"AUC": share of (same, different) pairs of pairs in the right order, ties half, "EER": see
        analysis.measures.roc, "TAR@FAR=<far>": None where the pairs cannot tell, with "<name>_low" and "<name>_high"
        of each where `bootstrap` is not 0 (None with same pairs of fewer than five classes);
        "roc": {"threshold", "far", "tar"} lists, rising, the first threshold below every distance;
        "same_pairs", "different_pairs", "pairs_sampled", "protocol"}; None where there is no same or no different pair.

    Raises:
        UsageError: an unknown distance, a rate outside (0, 1), fewer than 2 pairs, a negative bootstrap or seed.
        DataError: shapes that do not fit, or numbers that are not finite.
    """
    if not all(0.0 < far < 1.0 for far in fars):
        raise UsageError("fars", expected="rates in (0, 1)", got=", ".join(f"{far:g}" for far in fars))
    check_sampling(bootstrap=bootstrap, seed=seed)
    pairs = choose_pairs(vectors, labels, distance=distance, max_pairs=max_pairs, seed=seed)
    if not pairs.are_of_both_sorts:
        return None
    resolved = resolved_rates(fars, len(pairs.different))
    names = ["AUC", "EER", *(f"TAR@FAR={far:g}" for far in resolved)]
    curve = RocCurve(pairs.same, pairs.different)
    found: dict[str, Any] = {"AUC": None, "EER": None} | {f"TAR@FAR={far:g}": None for far in fars}
    found |= dict(zip(names, curve.rates(resolved).tolist(), strict=True))
    if bootstrap:
        resampled = _resampled(curve, pairs, resolved, bootstrap, seed)
        intervals = [(None, None)] * len(names) if resampled is None else percentiles(resampled)
        for name, (low, high) in zip(names, intervals, strict=True):
            found |= {f"{name}_low": low, f"{name}_high": high}
    return found | {
        "roc": curve.thinned(),
        "same_pairs": len(pairs.same),
        "different_pairs": len(pairs.different),
        "pairs_sampled": pairs.sampled,
        "protocol": pairs.protocol,
    }


def resolved_rates(fars: Sequence[float], num_different: int) -> list[float]:
    """The false-accept rates that so many different pairs can tell."""
    return [far for far in fars if tells_false_accepts(far, num_different)]


def _resampled(curve: RocCurve, pairs: Pairs, fars: Sequence[float], resamples: int, seed: int) -> Numbers | None:
    """Rates of each resample of the classes, [resamples, M]; None with same pairs of too few classes."""
    if len(np.unique(pairs.same_classes)) < MIN_CLASSES:
        return None
    num_classes = 1 + int(max(pairs.same_classes.max(), pairs.different_classes.max()))
    present = np.unique(np.append(pairs.same_classes, pairs.different_classes))
    rng = np.random.default_rng(seed)
    drawn: Indices = np.zeros(num_classes, np.int64)
    found = np.full((resamples, 2 + len(fars)), np.nan)
    for row in found:
        drawn[present] = draw_classes(len(present), 1, rng)[0]
        same = drawn[pairs.same_classes].astype(float)
        different = (drawn[pairs.different_classes[0]] * drawn[pairs.different_classes[1]]).astype(float)
        if same.any() and different.any():
            row[:] = curve.weighted_rates(same, different, fars)
    return found
