"""Relabellings: what the sets would be if chance alone had dealt the vectors, a block of units at a time.

Decision a reader would question: whole patterns are dealt, "in A", "in B" or "in both", not memberships one by one. A
vector that both sets have stays in both sets after a relabelling, so copies between the sets neither hide a difference
nor feign one. Blocks are dealt one after the other from what is left (a hypergeometric draw, then a shuffle in the
block), which is a uniform shuffle of all and holds one block in memory.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from artifact.arrays import Flags, Vectors

_BLOCK_VALUES = 1 << 22


def relabelled_weights(
    in_a: Flags, in_b: Flags, count: int, rng: np.random.Generator
) -> Iterator[tuple[slice, Vectors]]:
    """Weights of all units under the labels that there are and under `count` others drawn uniformly.

    The sum of weight x feature over the units is then the mean of A less the mean of B.

    Args:
        in_a, in_b: bool [U], sets of each unit; each at least in one.
        count: relabellings, R.

    Yields:
        (units, weights float32 [1 + R, m]): a block of units; the first row is that of the labels that there are.
    """
    num_a, num_b = int(in_a.sum()), int(in_b.sum())
    weights_of = np.array([1 / num_a, -1 / num_b, 1 / num_a - 1 / num_b], np.float32)
    patterns = np.where(in_a & in_b, 2, np.where(in_b, 1, 0)).astype(np.int8)
    left = np.tile(np.bincount(patterns, minlength=3), (count, 1))  # [R, 3]
    size = max(256, _BLOCK_VALUES // (count + 1))
    for first in range(0, len(patterns), size):
        block = slice(first, min(first + size, len(patterns)))
        num_units = block.stop - first
        only_a = rng.hypergeometric(left[:, 0], left[:, 1] + left[:, 2], num_units)
        only_b = rng.hypergeometric(left[:, 1], left[:, 2], num_units - only_a)
        left -= np.stack([only_a, only_b, num_units - only_a - only_b], axis=1)
        places = np.arange(num_units)
        dealt = (places >= only_a[:, None]).astype(np.int8) + (places >= (only_a + only_b)[:, None])
        yield block, weights_of[np.concatenate([patterns[None, block], rng.permuted(dealt, axis=1)])]
