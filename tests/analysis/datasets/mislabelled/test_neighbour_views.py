"""The views by neighbours, beside plain loops."""

from __future__ import annotations

import math

import numpy as np
import pytest

from analysis.datasets.mislabelled.neighbour_views import NUM_VOTES, Neighbours, neighbour_views, trust_of
from analysis.search.graph import neighbour_graph
from rows.vectors.table import VectorTable

CLASSES = 3


def _case() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    voted = rng.integers(0, CLASSES, 60)
    vectors = (rng.normal(size=(CLASSES, 4))[voted] + 0.8 * rng.normal(size=(60, 4))).astype(np.float32)
    voted[[4, 9]] = -1
    return vectors, voted


def _belief(weights: dict[int, float], row_class: int, shares: np.ndarray) -> float:
    return (weights.get(row_class, 0.0) + 0.5 * shares[row_class]) / (sum(weights.values()) + 0.5)


@pytest.mark.parametrize("distance", ["euclidean", "squared_euclidean", "cosine"])
def test_votes_and_trust_are_those_of_a_plain_loop(distance: str) -> None:
    """Gaussian weights, two rounds of trust, and nothing from neighbours without a class."""
    vectors, voted = _case()
    graph = neighbour_graph(VectorTable.from_arrays(vectors), 20, distance=distance)
    shares = (np.bincount(voted[voted >= 0], minlength=CLASSES) / (voted >= 0).sum()).astype(np.float32)
    lengths = graph.distances if distance == "euclidean" else np.sqrt(graph.distances)

    def votes(row: int, trust: list[float]) -> dict[int, float]:
        found: dict[int, float] = {}
        for place in range(NUM_VOTES):
            other = int(graph.rows[row, place])
            if voted[other] >= 0:
                weight = math.exp(-((lengths[row, place] / lengths[row, NUM_VOTES - 1]) ** 2)) * trust[other]
                found[int(voted[other])] = found.get(int(voted[other]), 0.0) + weight
        return found

    trust = [float(each >= 0) for each in voted]
    for _ in range(2):
        trust = [
            _belief(votes(row, trust), int(voted[row]), shares) if voted[row] >= 0 else 0.0 for row in range(len(voted))
        ]
    neighbours = Neighbours.of(graph)
    np.testing.assert_allclose(trust_of(neighbours, voted, shares), trust, rtol=1e-4)
    rows = np.array([0, 4, 4, 30])
    given = np.array([0, 1, 2, 1])
    found = neighbour_views(neighbours, voted, rows, given, shares)
    for at, (row, label) in enumerate(zip(rows.tolist(), given.tolist(), strict=True)):
        weights = votes(row, trust)
        assert found.votes[at] == pytest.approx(-math.log(_belief(weights, label, shares)), rel=1e-4)
        others = {code: weight for code, weight in weights.items() if code != label}
        assert found.proposed[at] == max(others, key=others.__getitem__)
        around = voted[graph.rows[row]]
        own = lengths[row][around == label][:1]
        other = lengths[row][(around != label) & (around >= 0)][:1]
        expected = math.log(own[0] / other[0]) if len(own) and len(other) else None
        if expected is not None:
            assert found.nearest[at] == pytest.approx(min(3.0, max(-3.0, expected)), rel=1e-3, abs=1e-5)


def test_neighbours_of_one_class_propose_nothing() -> None:
    """All neighbours agree with the label: no other class, and the nearest other is as far as the last of all."""
    vectors = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)
    graph = neighbour_graph(VectorTable.from_arrays(vectors), 20, distance="euclidean")
    found = neighbour_views(
        Neighbours.of(graph), np.zeros(12, np.int64), np.arange(12), np.zeros(12, np.int64), np.ones(1, np.float32)
    )
    assert found.proposed.tolist() == [-1] * 12
    expected = np.log(graph.distances[:, 0] / graph.distances[:, -1])
    np.testing.assert_allclose(found.nearest, expected, rtol=1e-5)
