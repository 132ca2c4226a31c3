"""The decision threshold against a loop over every pair and every candidate value."""

from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np
import pytest

from analysis.measures.threshold import decision_threshold
from artifact.distances import DISTANCES
from artifact.errors import UsageError


def held_out(seed: int = 0, num_rows: int = 40) -> tuple[Any, Any]:
    """Overlapping unbalanced classes (one singleton), unnormalised, in mixed order."""
    rng = np.random.default_rng(seed)
    labels = np.array(["lone"] + ["b"] * 5 + ["c"] * 12 + ["d"] * (num_rows - 18))
    labels = labels[rng.permutation(num_rows)]
    centres = {label: rng.normal(size=4) for label in ("lone", "b", "c", "d")}
    vectors = np.stack([centres[label] + rng.normal(size=4) * 0.5 for label in labels])
    return (vectors * rng.uniform(0.5, 2, size=(num_rows, 1))).astype(np.float32), labels


def pair_distances(vectors: Any, labels: Any, distance: str) -> tuple[list[float], list[float]]:
    same, different = [], []
    for i, j in itertools.combinations(range(len(labels)), 2):
        apart = float(DISTANCES[distance](vectors[i], vectors[j]))
        (same if labels[i] == labels[j] else different).append(apart)
    return same, different


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("far", [0.0, 0.01, 0.1, 0.5])
def test_threshold_is_the_largest_within_the_rate(distance: str, far: float) -> None:
    """Rates at the value are as a loop counts them, and the next float32 up accepts too many."""
    vectors, labels = held_out()
    found = decision_threshold(vectors, labels, distance=distance, far=far)
    assert found is not None
    rates, counts = ["value", "rule", "far", "frr", "eer"], ["pairs", "protocol", "same_pairs", "different_pairs"]
    assert list(found) == [*rates, *counts, "classes", "is_enough", "rests_on"]
    same, different = pair_distances(vectors, labels, distance)
    assert found["pairs"] == len(same) + len(different) == 40 * 39 // 2
    assert found["far"] == sum(d <= found["value"] for d in different) / len(different) <= far
    assert found["frr"] == sum(d > found["value"] for d in same) / len(same)
    above = float(np.nextafter(np.float32(found["value"]), np.float32(np.inf)))
    assert sum(d <= above for d in different) / len(different) > far
    assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize("seed", range(4))
def test_equal_error_rate_equals_a_loop_over_every_threshold(seed: int) -> None:
    """The threshold where |far - frr| is least, the mean of the two."""
    vectors, labels = held_out(seed)
    same, different = pair_distances(vectors, labels, "cosine")
    best = (2.0, 0.0)
    for value in [-1.0, *sorted({*same, *different})]:
        accepted = sum(d <= value for d in different) / len(different)
        rejected = sum(d > value for d in same) / len(same)
        best = min(best, (abs(accepted - rejected), (accepted + rejected) / 2))
    found = decision_threshold(vectors, labels, distance="cosine")
    assert found is not None
    assert found["eer"] == pytest.approx(best[1], abs=1e-12)
    assert 0 < found["eer"] < 0.5


def test_separated_classes_have_no_errors() -> None:
    """Same pairs 1 apart, different pairs at least 99: nothing is rejected, nothing falsely accepted at far 0."""
    found = decision_threshold(
        np.array([[0], [1], [100], [101]], np.float32), list("aabb"), distance="euclidean", far=0
    )
    assert found is not None
    assert (found["far"], found["frr"], found["eer"], found["pairs"]) == (0, 0, 0, 6)
    assert 1 <= found["value"] < 99


def test_ties_at_the_threshold_are_all_kept_out() -> None:
    """Of six different pairs four may be accepted, but the fourth and fifth are both at 2: so only three are."""
    vectors = np.array([[0], [1], [2], [-2], [0.5]], np.float32)
    labels = ["q", "r", "r", "r", "q"]
    same, different = pair_distances(vectors, labels, "euclidean")
    assert sorted(different) == [0.5, 1, 1.5, 2, 2, 2.5]
    found = decision_threshold(vectors, labels, distance="euclidean", far=4 / 6)
    assert found is not None
    assert found["far"] == 3 / 6
    assert found["value"] == np.nextafter(np.float32(2), np.float32(0))
    assert found["frr"] == sum(d >= 2 for d in same) / len(same)


def test_a_collapsed_network_accepts_nothing() -> None:
    """All distances 0: any acceptance accepts everything, so the value lies below 0 by a margin that no flush hides."""
    found = decision_threshold(np.zeros((4, 2), np.float32), list("aabb"), distance="euclidean")
    assert found is not None
    assert (found["value"], found["far"], found["frr"]) == (-1.0, 0, 1)


def test_rate_of_one_accepts_everything() -> None:
    """far=1 takes the largest distance there is."""
    vectors, labels = held_out()
    found = decision_threshold(vectors, labels, distance="euclidean", far=1)
    assert found is not None
    assert (found["far"], found["frr"]) == (1, 0)
    found = decision_threshold(np.array([[0], [100], [40]], np.float32), list("aab"), distance="euclidean", far=1)
    assert found is not None
    assert (found["value"], found["far"], found["frr"]) == (100, 1, 0)


def test_sample_is_seeded_uniform_and_within_the_limit() -> None:
    """The sampled rates stay near the exact ones, another seed gives another sample, the protocol says so."""
    vectors, labels = held_out(1, 400)
    exact = decision_threshold(vectors, labels, distance="euclidean", far=0.05)
    sampled = decision_threshold(vectors, labels, distance="euclidean", far=0.05, max_pairs=8000, seed=3)
    again = decision_threshold(vectors, labels, distance="euclidean", far=0.05, max_pairs=8000, seed=3)
    other = decision_threshold(vectors, labels, distance="euclidean", far=0.05, max_pairs=8000, seed=4)
    assert exact is not None
    assert sampled is not None
    assert other is not None
    assert sampled == again != other
    assert exact["pairs"] == 79800
    assert sampled["pairs"] == 8000
    assert sampled["frr"] == pytest.approx(exact["frr"], abs=0.03)
    assert sampled["eer"] == pytest.approx(exact["eer"], abs=0.03)
    same, different = pair_distances(vectors, labels, "euclidean")
    assert exact["protocol"] == (
        f"{len(same)} same and {len(different)} different held-out pairs (all there are); "
        "the largest value with far <= 0.05"
    )
    assert f"(uniform samples (seed 3) of {len(same)} and {len(different)})" in sampled["protocol"]


def test_sample_of_rare_same_pairs_takes_all_of_them() -> None:
    """3 same pairs among 4,950: a sample of 200 pairs holds the 3 and 197 distinct different ones."""
    vectors = np.arange(100, dtype=np.float32)[:, None] ** 2
    labels = [str(i) if i > 2 else "0" for i in range(100)]
    found = decision_threshold(vectors, labels, distance="euclidean", max_pairs=200)
    assert found is not None
    assert found["protocol"].startswith(
        "3 same and 197 different held-out pairs (uniform samples (seed 0) of 3 and 4947)"
    )


@pytest.mark.parametrize("labels", [["a", "a", "a"], ["a", "b", "c"], ["a"], []])
def test_one_sort_of_pair_alone_gives_none(labels: list[str]) -> None:
    """No threshold can be chosen without both same and different pairs."""
    vectors = np.arange(2 * len(labels), dtype=np.float32).reshape(-1, 2)
    assert decision_threshold(vectors, labels, distance="cosine") is None


def test_threshold_refuses_a_rate_that_is_none() -> None:
    """far is a share."""
    with pytest.raises(UsageError) as caught:
        decision_threshold(np.zeros((2, 2), np.float32), ["a", "b"], distance="cosine", far=1.5)
    assert str(caught.value) == "far: expected a rate in [0, 1], got 1.5"
