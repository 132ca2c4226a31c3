"""Errors planted in labels, to see what finds them: half of them any class, half one that their class is taken for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from artifact.arrays import Flags, Indices

PLANTED_SHARE = 0.05
MOST_PLANTED = 5_000

LEFT, ANY, ALIKE = 0, 1, 2
"""Not planted, planted as any class, planted as one alike."""


@dataclass(frozen=True, kw_only=True)
class Planting:
    """Changed labels.

    Attributes:
        cases: int64 [m], rising.
        classes: int64 [m], the class that each has now.
        is_alike: bool [m], whether that is one that its own class is taken for.
    """

    cases: Indices
    classes: Indices
    is_alike: Flags


def plant(
    candidates: Indices, given: Indices, taken_for: Indices, present: Indices, rng: np.random.Generator
) -> Planting:
    """Change the labels of PLANTED_SHARE of the cases, at least of one.

    Args:
        candidates: int64, cases that may be changed, rising.
        given: int64 [M], classes.
        taken_for: int64 [M], another class that each case looks like.
        present: int64, the classes that there are, rising; at least 2.
    """
    count = min(MOST_PLANTED, max(1, round(PLANTED_SHARE * len(candidates))))
    cases = np.sort(rng.choice(candidates, count, replace=False))
    place = np.searchsorted(present, given[cases])
    classes = present[(place + rng.integers(1, len(present), count)) % len(present)]
    alike = rng.random(count) < 0.5
    by_class = candidates[np.argsort(given[candidates], kind="stable")]
    firsts = np.searchsorted(given[by_class], given[cases], side="left")
    ends = np.searchsorted(given[by_class], given[cases], side="right")
    comrades = by_class[firsts + (rng.random(count) * (ends - firsts)).astype(np.int64)]
    return Planting(cases=cases, classes=np.where(alike, taken_for[comrades], classes), is_alike=alike)
