"""Ranking accuracy against plain loops and the trainer's own share of correct tuples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from analysis.measures.ranking_accuracy import ranking_accuracy, sample_triplets, table_ranking_accuracy
from artifact.distances import DISTANCES
from artifact.errors import DataError, UsageError
from rows.vectors.table import VectorTable


def drawn(columns: int, *, num_tuples: int = 300, seed: int = 0) -> tuple[Any, Any]:
    """Vectors on a coarse grid, so that many distances are ties, and random tuples of rows."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 4, size=(50, 2)).astype(np.float32), rng.integers(0, 50, size=(num_tuples, columns))


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("columns", [3, 4])
def test_ranking_accuracy_equals_a_plain_loop(columns: int, distance: str) -> None:
    """Ties count as wrong; a quartet's positive must also be nearer than its negatives are to each other."""
    vectors, tuples = drawn(columns)
    vectors = vectors + np.float32(1)
    right = ties = 0
    for a, p, n, *rest in tuples:
        positive = DISTANCES[distance](vectors[a], vectors[p])
        others = [DISTANCES[distance](vectors[a], vectors[n])] + [
            DISTANCES[distance](vectors[n], vectors[x]) for x in rest
        ]
        right += all(positive < other for other in others)
        ties += positive == min(others)
    found = ranking_accuracy(vectors, tuples, distance=distance)
    assert found["ranking_accuracy"] == right / 300
    assert found["tuples"] == 300
    assert found["ranking_accuracy_low"] < right / 300 < found["ranking_accuracy_high"]
    assert ties > 10


def test_ranking_accuracy_is_what_training_reports() -> None:
    """trainer.objective.reduction.share_correct of the same distances, for triplets and quartets."""
    import torch

    from artifact.losses.loss import QUARTET, TRIPLET
    from trainer.objective.reduction import share_correct
    from trainer.objective.tuples import Tuples

    for columns, form in ((3, TRIPLET), (4, QUARTET)):
        vectors, tuples = drawn(columns, seed=1)
        a, p, n, *rest = tuples.T
        pairs = [(a, p), (a, n)] + [(n, x) for x in rest]
        terms = tuple(torch.from_numpy(DISTANCES["euclidean"](vectors[x], vectors[y])) for x, y in pairs)
        every = torch.ones(len(tuples), dtype=torch.bool)
        given = Tuples(form=form, terms=terms, valid=every, mined=every, hardness_terms=None)
        expected = float(share_correct(given, margin=1.0))
        assert ranking_accuracy(vectors, tuples, distance="euclidean")["ranking_accuracy"] == pytest.approx(expected)


@pytest.mark.parametrize("quartet", [False, True])
def test_ranking_accuracy_of_a_scored_table(quartet: bool) -> None:
    """From its distance columns; the distance from anchor to negative2 is not looked at, as in training."""
    rng = np.random.default_rng(0)
    ap, an, nn, an2 = rng.integers(0, 9, size=(4, 200)).astype(np.float32)
    columns = {"id": np.arange(200), "distance_anchor_positive": ap, "distance_anchor_negative": an}
    if quartet:
        columns |= {"distance_negative_negative2": nn, "distance_anchor_negative2": an2 * 0}
    table = VectorTable.from_arrays(np.zeros((200, 2), np.float32), columns, column="embedding_anchor")
    found = table_ranking_accuracy(table)
    assert found is not None
    expected = sum(x < y and (not quartet or x < z) for x, y, z in zip(ap, an, nn, strict=True)) / 200
    assert (found["ranking_accuracy"], found["tuples"]) == (expected, 200)


def test_a_table_without_tuples_has_none_and_a_broken_one_is_refused() -> None:
    """No distance columns; a null or NaN among them."""
    vectors = np.zeros((2, 2), np.float32)
    assert table_ranking_accuracy(VectorTable.from_arrays(vectors, {"distance_left_right": [1.0, 2.0]})) is None
    for bad in (None, float("nan")):
        columns = {"distance_anchor_positive": [1.0, 2.0], "distance_anchor_negative": [1.0, bad]}
        with pytest.raises(DataError) as caught:
            table_ranking_accuracy(VectorTable.from_arrays(vectors, columns))
        assert str(caught.value) == (
            'column "distance_anchor_negative": expected a number in every row, got none in some (vectors in memory)'
        )


def test_sampled_triplets_are_uniform() -> None:
    """Anchors of classes with two images, positives and negatives each equally often; never the anchor itself."""
    labels = list("abacabbd")  # a: 0 2 4, b: 1 5 6, c: 3, d: 7
    triplets = sample_triplets(labels, 60_000, seed=1)
    assert triplets is not None
    counts: dict[tuple[int, ...], int] = {}
    for row in map(tuple, triplets.tolist()):
        counts[row] = counts.get(row, 0) + 1
    expected = {
        (a, p, n)
        for a in range(8)
        for p in range(8)
        for n in range(8)
        if a != p and labels[a] == labels[p] and labels[n] != labels[a]
    }
    assert set(counts) == expected
    assert len(expected) == 60
    assert all(850 < count < 1150 for count in counts.values())
    assert (sample_triplets(labels, 9, seed=1) == triplets[:9]).all() or len(triplets) > 9
    again = sample_triplets(labels, 60_000, seed=1)
    assert again is not None
    assert (again == triplets).all()


def test_no_triplets_of_one_class_or_of_single_images() -> None:
    """Nothing to draw."""
    assert sample_triplets(list("aaa"), 5) is None
    assert sample_triplets(list("abc"), 5) is None
    assert sample_triplets([], 5) is None


def test_interval_by_classes_is_wider_than_by_tuples() -> None:
    """Twelve classes, half of them easy: a hundred thousand triplets do not make the next class known."""
    rng = np.random.default_rng(0)
    labels = np.arange(600) % 12
    noise = np.where(labels % 2, 0.1, 3.0)[:, None]
    vectors = (rng.normal(size=(12, 4))[labels] + rng.normal(size=(600, 4)) * noise).astype(np.float32)
    triplets = sample_triplets(labels, 20_000)
    assert triplets is not None
    by_class = ranking_accuracy(vectors, triplets, distance="euclidean", labels=labels, bootstrap=200)
    by_tuple = ranking_accuracy(vectors, triplets, distance="euclidean")
    assert by_class["ranking_accuracy"] == by_tuple["ranking_accuracy"]
    widths = [found["ranking_accuracy_high"] - found["ranking_accuracy_low"] for found in (by_class, by_tuple)]
    assert widths[0] > 5 * widths[1]


@pytest.mark.parametrize(
    ("tuples", "options", "text"),
    [
        ([[0, 1]], {}, "tuples: expected integers of shape [T, 3] or [T, 4], got int64 of shape [1, 2]"),
        ([[0.0, 1, 2]], {}, "tuples: expected integers of shape [T, 3] or [T, 4], got float64 of shape [1, 3]"),
        (np.zeros((0, 3), int), {}, "tuples: expected integers of shape [T, 3] or [T, 4], got int64 of shape [0, 3]"),
        ([[0, 1, 4]], {}, "tuples: expected rows 0 to 3, got 4"),
        ([[0, -1, 2]], {}, "tuples: expected rows 0 to 3, got -1"),
        ([[0, 1, 2]], {"bootstrap": 5}, "bootstrap: expected labels, to draw classes of anchors, got none"),
        ([[0, 1, 2]], {"distance": "l1"}, "distance: expected one of euclidean, squared_euclidean, cosine, got 'l1'"),
    ],
)
def test_bad_tuples_are_refused(tuples: Any, options: dict[str, Any], text: str) -> None:
    """One line each."""
    with pytest.raises((DataError, UsageError)) as caught:
        ranking_accuracy(np.eye(4, dtype=np.float32), tuples, **({"distance": "cosine"} | options))
    assert str(caught.value) == text
