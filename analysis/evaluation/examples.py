"""Examples to look at of how queries were answered: some at random, the worst, and those that are confidently wrong.

Decision a reader would question: at equal distance an image of another class ranks first, as in all figures of
retrieval (analysis/measures/ranking.py), so vectors that all lie on one point look as bad as they are.
"""

from __future__ import annotations

import numpy as np

from analysis.measures.ranking import Ranking
from artifact.arrays import Indices


def at_random(ranking: Ranking, count: int, *, seed: int = 0) -> Indices:
    """Up to `count` queries, drawn from the classes in turn, the classes in random order: int64, rows of images."""
    order = np.random.default_rng(seed).permutation(len(ranking.rows))
    return ranking.rows[order[classes_in_turn(ranking.codes[order], count)]]


def worst(ranking: Ranking, count: int) -> Indices:
    """Up to `count` queries whose first right image comes last; only those where it is not the nearest."""
    assert ranking.mistakes is not None
    ranks = ranking.mistakes.ranks
    order = np.argsort(-ranks, kind="stable")
    return ranking.rows[order[ranks[order] > 1]][:count]


def confidently_wrong(ranking: Ranking, count: int, *, besides: Indices) -> Indices:
    """Up to `count` queries whose nearest image is of another class, the nearest such pairs first, each pair once.

    Args:
        ranking: with its mistakes.
        besides: int64, queries that are shown already.
    """
    mistakes = ranking.mistakes
    assert mistakes is not None
    left_out: set[int] = set(besides.tolist())
    chosen: list[int] = []
    for at in np.argsort(mistakes.wrong_distances, kind="stable"):
        if mistakes.ranks[at] == 1 or mistakes.wrong[at] < 0 or len(chosen) == count:
            continue
        query, other = int(ranking.rows[at]), int(mistakes.wrong[at])
        if query not in left_out:
            chosen.append(query)
            left_out |= {query, other}
    return np.array(chosen, np.int64)


def classes_in_turn(codes: Indices, count: int) -> Indices:
    """Places of up to `count` rows, one of each class, then the next of each: int64.

    Args:
        codes: int64 [N], the class of each row; within a turn the rows keep their order.
    """
    _, dense = np.unique(codes, return_inverse=True)
    by_class = np.argsort(dense, kind="stable")
    sizes = np.bincount(dense)
    turns = np.empty(len(codes), np.int64)
    turns[by_class] = np.arange(len(codes)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.argsort(turns, kind="stable")[:count]
