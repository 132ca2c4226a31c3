"""Mistakes of a ranking and recall by class beside plain loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from analysis.evaluation.examples import confidently_wrong
from analysis.measures.confusion import recall_by_class
from analysis.measures.ranking import Mistakes, Ranking, rank_within
from analysis.measures.retrieval import retrieval_metrics
from artifact.distances import DISTANCES
from tests.analysis.measures.test_pairs import grouped


def ranked(vectors: Any, labels: Any, *, distance: str) -> tuple[Ranking, Mistakes]:
    ranking = rank_within(vectors, labels, distance=distance, with_mistakes=True)
    assert ranking is not None
    assert ranking.mistakes is not None
    return ranking, ranking.mistakes


@pytest.mark.parametrize("distance", list(DISTANCES))
def test_ranks_agree_with_a_plain_loop(distance: str) -> None:
    """The place of the first right image, ties against it, and the nearest wrong one."""
    vectors, labels = grouped(70, 6)
    vectors[10:20] = vectors[10]  # ties
    ranking, mistakes = ranked(vectors, labels, distance=distance)
    for at, query in enumerate(ranking.rows.tolist()):
        apart = {row: float(DISTANCES[distance](vectors[query], vectors[row])) for row in range(70) if row != query}
        right = min(value for row, value in apart.items() if labels[row] == labels[query])
        others = [value for row, value in apart.items() if labels[row] != labels[query]]
        if abs(right - min(others, key=lambda value: abs(value - right))) > 1e-5:  # rounding decides no rank
            assert mistakes.ranks[at] == 1 + sum(value <= right for value in others)
        assert mistakes.wrong_distances[at] == pytest.approx(min(others), abs=1e-5)
        assert labels[mistakes.wrong[at]] != labels[query]


def test_ranks_are_exact_however_far() -> None:
    """Pairs among 1,500 images at random places: far beyond the depth to which the other values look."""
    vectors = np.random.default_rng(0).integers(0, 40, (1500, 2)).astype(np.float32)
    labels = np.arange(1500) // 2
    ranking, mistakes = ranked(vectors, labels, distance="squared_euclidean")
    apart = np.square(vectors[:, None] - vectors[None]).sum(axis=-1)
    partner = np.arange(1500) ^ 1
    nearer = apart <= apart[np.arange(1500), partner][:, None]
    nearer[np.arange(1500), np.arange(1500)] = nearer[np.arange(1500), partner] = False
    np.testing.assert_array_equal(mistakes.ranks, 1 + nearer.sum(axis=1))
    np.testing.assert_array_equal(ranking.values["recall@1"], mistakes.ranks == 1)
    assert np.median(mistakes.ranks) > 500


def test_ranks_and_classes_give_the_recall_of_the_metrics() -> None:
    """The share of rank 1 is recall@1, over all and as the mean over classes by their size."""
    vectors, labels = grouped(300, 9)
    expected = retrieval_metrics(vectors, labels, distance="euclidean", ks=(1, 5))
    ranking, mistakes = ranked(vectors, labels, distance="euclidean")
    classes = recall_by_class(ranking, labels)
    assert (mistakes.ranks == 1).mean() == pytest.approx(expected["recall@1"])
    assert (mistakes.ranks <= 5).mean() == pytest.approx(expected["recall@5"])
    assert sum(each.recall * each.queries for each in classes) / 300 == pytest.approx(expected["recall@1"])
    assert [each.recall for each in classes] == sorted(each.recall for each in classes)
    assert all(each.confused_with not in (each.code,) for each in classes)


def test_images_that_are_infinitely_far_are_taken_for_nothing() -> None:
    """Squares beyond float32: no nearest wrong image, though every query misses, and the last row is not blamed."""
    vectors = np.float32([[3e38, 0], [-3e38, 0], [0, 3e38], [0, -3e38], [3e38, 3e38]])
    labels = np.array([0, 0, 1, 1, 2])
    ranking, mistakes = ranked(vectors, labels, distance="squared_euclidean")
    assert mistakes.wrong.tolist() == [-1] * 4
    assert (mistakes.ranks > 1).all()
    assert [(each.recall, each.confused_with) for each in recall_by_class(ranking, labels)] == [(0.0, None)] * 2
    assert confidently_wrong(ranking, 4, besides=np.empty(0, np.int64)).tolist() == []


def test_no_class_with_two_images_gives_no_ranking() -> None:
    """Nothing to find; and where there is one class only there is nothing to mistake it for."""
    vectors, _ = grouped(6, 2)
    assert rank_within(vectors, np.arange(6), distance="euclidean") is None
    assert rank_within(vectors[:0], np.arange(0), distance="euclidean") is None
    ranking, mistakes = ranked(vectors, np.zeros(6, np.int64), distance="euclidean")
    assert ranking.values["recall@1"].tolist() == [1.0] * 6
    assert mistakes.ranks.tolist() == [1] * 6
    assert mistakes.wrong.tolist() == [-1] * 6
    assert np.isinf(mistakes.wrong_distances).all()
    assert [each.confused_with for each in recall_by_class(ranking, np.zeros(6, np.int64))] == [None]
