"""Examples of a ranking: the queries that each sort is named for."""

from __future__ import annotations

import numpy as np

from analysis.evaluation.examples import at_random, classes_in_turn, confidently_wrong, worst
from tests.analysis.measures.test_mistakes import ranked
from tests.analysis.measures.test_pairs import grouped


def test_galleries_hold_the_queries_that_they_are_named_for() -> None:
    """Random ones spread over the classes; worst ones by falling rank; confident ones wrong, near, each pair once."""
    vectors, labels = grouped(300, 9)
    ranking, mistakes = ranked(vectors, labels, distance="euclidean")
    rank = dict(zip(ranking.rows.tolist(), mistakes.ranks.tolist(), strict=True))
    near = dict(zip(ranking.rows.tolist(), mistakes.wrong_distances.tolist(), strict=True))
    assert len(set(labels[at_random(ranking, 9)].tolist())) == 9
    last = worst(ranking, 12).tolist()
    assert [rank[row] for row in last] == sorted(rank.values(), reverse=True)[:12]
    chosen = confidently_wrong(ranking, 8, besides=np.array(last)).tolist()
    assert not set(chosen) & set(last)
    assert all(rank[row] > 1 for row in chosen)
    assert [near[row] for row in chosen] == sorted(near[row] for row in chosen)


def test_classes_take_turns() -> None:
    """One of each class, then the second of each, in the order of the rows."""
    codes = np.array([5, 5, 5, 2, 2, 9])
    assert codes[classes_in_turn(codes, 5)].tolist() == [5, 2, 9, 5, 2]
    assert classes_in_turn(codes, 99).tolist() == [0, 3, 5, 1, 4, 2]
    assert classes_in_turn(codes[:0], 3).tolist() == []
