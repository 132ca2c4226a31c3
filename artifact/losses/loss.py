"""Loss: a formula of a tuple's distances, and what configuration, sampling, training and scoring ask about it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from artifact.distances import Distance
from artifact.kinds import KINDS
from artifact.namespace import NUMPY, Array

PAIR, TRIPLET, QUARTET = "pair", "triplet", "quartet"
NUM_IMAGES: dict[str, int] = {PAIR: 2, TRIPLET: 3, QUARTET: 4}
"""{form: images of one tuple}."""

OTHER_CLASS, SAME_CLASS = "other_class", "same_class"
"""A quartet's second negative: of a class that is neither the anchor's nor the first negative's; or of the latter."""


@dataclass(frozen=True, kw_only=True)
class Loss:
    """A loss and every fact that another room asks for.

    Attributes:
        name: as settings and manifests say it; of a user's own loss `module:function`.
        formula: (namespace, *distances, **margins) -> one value per tuple, 0 where nothing is left to learn. Of pairs
            it takes the distance and `different` (bool); of triplets anchor-positive and anchor-negative; of quartets a
            third one, see `second_negative`. They broadcast together; margins are in units of the distance.
        form: which tuples it takes: `pair`, `triplet` or `quartet`.
        unit_margin: default margin where no distance can be above 2: of unit vectors under the euclidean distance.
        free_margin: default margin where distances have no bound.
        mining: default miner.
        unit_length: whether vectors are put on the unit sphere unless the user says otherwise.
        margin_names: the margins that the formula takes, `margin` and maybe `margin2`; and `cap`, its largest value.
        needs_margin: whether it teaches nothing with a margin of 0.
        needs_smaller_margin2: whether its second margin must be below the first.
        second_negative: of quartets, OTHER_CLASS (the formula takes negative-negative2) or SAME_CLASS (it takes
            anchor-negative2).
        hinges: where the loss is the sum of max(0, first term - other term + its margin) over its other terms, the
            names of their margins; all tuples of a batch are then summed in [N, N] memory (trainer/objective/hinge.py).
    """

    name: str
    formula: Callable[..., Array]
    form: str
    unit_margin: float
    free_margin: float
    mining: str = "all"
    unit_length: bool = False
    margin_names: tuple[str, ...] = ("margin",)
    needs_margin: bool = False
    needs_smaller_margin2: bool = False
    second_negative: str | None = None
    hinges: tuple[str, ...] = ()

    @property
    def num_images(self) -> int:
        """Images of one of its tuples: 2, 3 or 4."""
        return NUM_IMAGES[self.form]

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of model that may use it; a triplet holds the pairs (a, p) and (a, n), a quartet two triplets."""
        return tuple(name for name, kind in KINDS.items() if len(kind.streams) >= self.num_images)

    def default_margin(self, distance: Distance, *, normalized: bool) -> float:
        """The margin for a distance, of unit vectors or of free ones; it grows with the distance's bound."""
        bound = distance.largest(normalized=normalized)
        return self.free_margin if bound is None else self.unit_margin * bound / 2

    def margins(self, *, margin: float, margin2: float, cap: float = math.inf) -> dict[str, float]:
        """Those of the three that the formula takes, by name."""
        values = {"margin": margin, "margin2": margin2, "cap": cap}
        return {name: values[name] for name in self.margin_names}

    def resting_value(self, margins: Mapping[str, float]) -> float:
        """The loss of a batch whose vectors are all equal: of pairs the sum of a same and of a different one."""
        zero = np.zeros(1)
        terms: list[tuple[Array, ...]]
        if self.form == PAIR:
            terms = [(zero, np.array([different])) for different in (False, True)]
        else:
            terms = [(zero,) * (self.num_images - 1)]
        return float(sum(self.formula(NUMPY, *each, **margins)[0] for each in terms))
