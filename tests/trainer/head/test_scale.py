"""Tests of the scale of heads: mean distances of two classes, under every distance."""

import numpy as np
import pytest

from artifact.arrays import Indices, Vectors
from artifact.distances import DISTANCES
from trainer.head.scale import mean_different_distance, sample_for_distances, scale_for, vectors_of


def drawn() -> tuple[Vectors, Indices]:
    """Sixty vectors of six classes."""
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(6), 10)
    return (random.normal(size=(6, 5))[labels] + random.normal(size=(60, 5))).astype(np.float32), labels


@pytest.mark.parametrize("distance", list(DISTANCES))
def test_mean_distance_is_that_of_all_pairs_of_two_classes(distance: str) -> None:
    """Against a plain loop."""
    vectors, labels = drawn()
    apart = [
        float(DISTANCES[distance](vectors[a], vectors[b]))
        for a in range(60)
        for b in range(a)
        if labels[a] != labels[b]
    ]
    found = mean_different_distance(vectors, labels, distance=distance, seed=0)
    assert found == pytest.approx(np.mean(apart), rel=1e-6)


@pytest.mark.parametrize("distance", [name for name, each in DISTANCES.items() if not each.of_directions])
@pytest.mark.parametrize("target", [1e-3, 0.8, 700.0])
def test_scaled_vectors_have_the_mean_distance_asked_for(distance: str, target: float) -> None:
    """A length needs its ratio, a square the root of it."""
    vectors, labels = drawn()
    scale = scale_for(target, vectors, labels, distance=distance, seed=0)
    scaled = vectors * np.float32(scale)
    assert mean_different_distance(scaled, labels, distance=distance, seed=0) == pytest.approx(target, rel=1e-5)


def test_nothing_scales_directions_or_a_mean_that_is_none() -> None:
    """The scale is then 1: cosine distances, one class, vectors all at one point."""
    vectors, labels = drawn()
    assert scale_for(0.5, vectors, labels, distance="cosine", seed=0) == 1
    assert np.isnan(mean_different_distance(vectors, np.zeros(60, np.int64), distance="euclidean", seed=0))
    for target in (float("nan"), 0.0, float("inf")):
        assert scale_for(target, vectors, labels, distance="euclidean", seed=0) == 1
    assert scale_for(2.0, np.ones_like(vectors), labels, distance="euclidean", seed=0) == 1


def test_vectors_of_a_layer_are_those_of_the_branch() -> None:
    """A product and a bias, and unit length where that is asked for."""
    random = np.random.default_rng(1)
    features = random.normal(size=(7, 9)).astype(np.float32)
    weight, bias = random.normal(size=(4, 9)).astype(np.float32), random.normal(size=4).astype(np.float32)
    plain = features @ weight.T + bias
    assert vectors_of(features, weight, bias, normalize=False) == pytest.approx(plain, abs=1e-5)
    unit = plain / np.linalg.norm(plain, axis=1, keepdims=True)
    assert vectors_of(features, weight, bias, normalize=True) == pytest.approx(unit, abs=1e-5)


def test_of_many_images_some_thousand_tell_a_mean_distance() -> None:
    """Seeded, with their own labels."""
    features = np.arange(20_000, dtype=np.float32).reshape(-1, 1)
    labels = np.arange(20_000, dtype=np.int64)
    some, of_some = sample_for_distances(features, labels, seed=3)
    assert len(some) == 4000
    assert np.array_equal(some[:, 0], of_some)
    assert np.array_equal(some, sample_for_distances(features, labels, seed=3)[0])
