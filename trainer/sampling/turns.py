"""Turns of classes: which classes each batch of an epoch holds, at random in proportion to what each has to deal.

Decisions a reader would question:
- A class takes its turns evenly over the epoch: its k-th turn falls at random within the k-th of as many equal parts of
  the epoch as it has hands. A batch takes the classes whose turns come first. So a small class is as likely in the
  first batch as in the last, and what is trained on at the end, at the lowest rate, is not the small classes alone.
- Every hand is dealt in `num_batches`, which seed and epoch do not change: a class with as many hands as there are
  batches left is taken, and classes that are dealt out play on only as far as there are places to spare.
- A class whose turn has not come is drawn again, but not before what was reached: the same chances as a time drawn
  once. Classes of as many hands each then take turns by lot, those that were dealt least first, which is also how they
  were dealt before there were turns: their batches are the same.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from artifact.arrays import Indices, Numbers

_FIRST = 1024.0
"""More than any turn is."""


def num_batches(hands: Indices, *, width: int) -> int:
    """Batches that deal so many hands of each class, int64 [classes], to `width` different classes each."""
    return max(-(-int(hands.sum()) // width), int(hands.max()))


def turns(hands: Indices, *, width: int, random: np.random.Generator) -> Iterator[Indices]:
    """The classes of each batch.

    Args:
        hands: int64 [classes], at least 1 each.
        width: classes of a batch, at most as many as there are.
        random: decides the order; one number for each class is drawn before each batch, nothing after it.

    Yields:
        int64 [width], no class twice; `num_batches` of them, in which each class comes at least as often as it has
        hands.
    """
    total = num_batches(hands, width=width)
    share = _turns_of(hands, width=width, total=total)
    dealt = np.zeros(len(hands))
    left = hands.copy()
    spare = total * width - int(hands.sum())
    reached = 0.0
    for batches_left in range(total, 0, -1):
        end = (dealt + 1) / share
        turn = end - (end - np.clip(reached, dealt / share, end)) * random.random(len(hands))
        turn[left == batches_left] -= _FIRST  # they would otherwise not be dealt in time
        idle = np.flatnonzero(left == 0)
        if len(idle) > spare:
            turn[idle[np.argsort(turn[idle])[spare:]]] = np.inf
        chosen = np.argpartition(turn, width - 1)[:width]
        chosen = chosen[np.argsort(turn[chosen])]
        yield chosen
        spare -= int((left[chosen] == 0).sum())
        reached = max(reached, float(turn[chosen[-1]]))
        dealt[chosen] += 1
        left[chosen] = np.maximum(left[chosen] - 1, 0)


def _turns_of(hands: Indices, *, width: int, total: int) -> Numbers:
    """How many turns each class has if all places are filled: in proportion to its hands, one a batch at most.

    Args:
        total: batches.

    Returns:
        float64 [classes], not whole; their sum is total * width.
    """
    found = np.zeros(len(hands))
    is_full = np.zeros(len(hands), bool)
    while True:
        places = total * (width - int(is_full.sum()))
        found[is_full] = total
        found[~is_full] = places * hands[~is_full] / max(1, int(hands[~is_full].sum()))
        is_over = ~is_full & (found >= total)
        if not is_over.any():
            return found
        is_full |= is_over
