"""Pairs of labelled vectors beside plain loops over all of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from analysis.measures.pairs import choose_pairs


def grouped(count: int, classes: int, *, dim: int = 8) -> tuple[Any, Any]:
    """Vectors around the centres of classes, and the classes."""
    random = np.random.default_rng(3)
    labels = random.integers(0, classes, count)
    vectors = random.normal(size=(classes, dim))[labels] + 0.7 * random.normal(size=(count, dim))
    return vectors.astype(np.float32), labels


def test_pairs_of_few_images_are_all_there_are() -> None:
    """Every unordered pair once, on its own side."""
    vectors, labels = grouped(50, 4)
    pairs = choose_pairs(vectors, labels, distance="euclidean")
    same, different = [], []
    for a in range(50):
        for b in range(a):
            apart = float(np.linalg.norm(vectors[a] - vectors[b]))
            (same if labels[a] == labels[b] else different).append(apart)
    np.testing.assert_allclose(pairs.same, sorted(same), rtol=1e-5)
    np.testing.assert_allclose(pairs.different, sorted(different), rtol=1e-5)
    assert pairs.are_of_both_sorts
    assert not pairs.sampled


def test_pairs_of_many_images_are_a_fair_sample() -> None:
    """Quantiles of the sample beside those of all pairs, classes of very different sizes, no image with itself."""
    random = np.random.default_rng(0)
    labels = random.permutation(np.repeat(np.arange(4), [300, 100, 50, 2]))
    vectors = (labels[:, None] * 0.4 + random.normal(size=(452, 3)) * (1 + labels[:, None])).astype(np.float32)
    pairs = choose_pairs(vectors, labels, distance="euclidean", max_pairs=40_000)
    first, second = np.triu_indices(452, 1)
    every = np.linalg.norm(vectors[first] - vectors[second], axis=1)
    is_same = labels[first] == labels[second]
    quantiles = np.linspace(0.05, 0.95, 10)
    for sampled, all_of_them in ((pairs.same, every[is_same]), (pairs.different, every[~is_same])):
        np.testing.assert_allclose(np.quantile(sampled, quantiles), np.quantile(all_of_them, quantiles), rtol=0.03)
    assert pairs.same[0] > 0


@pytest.mark.parametrize(
    ("labels", "same", "different"), [("aaa", 3, 0), ("abc", 0, 3), ("a", 0, 0), ("", 0, 0), ("aab", 1, 2)]
)
def test_pairs_of_one_sort_are_given_too(labels: str, same: int, different: int) -> None:
    """A page draws them; a threshold asks for both."""
    vectors = np.arange(len(labels), dtype=np.float32)[:, None]
    pairs = choose_pairs(vectors, list(labels), distance="euclidean")
    assert (len(pairs.same), len(pairs.different)) == (same, different)
    assert pairs.are_of_both_sorts == (same > 0 and different > 0)
