"""Weighted reservoirs of classes against counts of plain draws."""

import numpy as np
import pytest

from analysis.datasets.triplets.buffers import (
    LARGEST,
    MEMORY_BYTES,
    SMALLEST,
    Buffers,
    buffer_size,
    distances_between,
    relevance,
)


def test_buffer_keeps_everything_that_fits() -> None:
    """In the order in which it came, each class for itself."""
    buffers = Buffers(2, 3, distance="euclidean", size=4, random=np.random.default_rng(0))
    features = np.arange(15, dtype=np.float32).reshape(5, 3)
    buffers.add(np.array([0, 1, 0, 1, 0], np.int32), np.arange(5), features)
    assert (buffers.kept(0), buffers.kept(1)) == (3, 2)
    assert buffers.rows[0, :3].tolist() == [0, 2, 4]
    np.testing.assert_array_equal(buffers.features[1, :2], features[[1, 3]])


def test_images_that_resemble_their_class_are_kept_more_often() -> None:
    """As often as in draws without replacement by weight, one after the other: the reservoir's own definition."""
    random = np.random.default_rng(1)
    near, far = random.normal(0, 0.1, (30, 4)).astype(np.float32), random.normal(0, 6, (10, 4)).astype(np.float32)
    features = np.concatenate([near, far])
    counts, expected, rounds = np.zeros(40), np.zeros(40), 400
    for seed in range(rounds):
        order = np.random.default_rng(seed).permutation(40)
        buffers = Buffers(1, 4, distance="euclidean", size=10, random=np.random.default_rng(1000 + seed))
        weights = np.zeros(40)
        for row in order.tolist():
            weights[row] = _weight_of(buffers, features[row])
            buffers.add(np.zeros(1, np.int32), np.array([row]), features[row : row + 1])
        counts[buffers.rows[0]] += 1
        drawn = np.random.default_rng(5000 + seed).choice(40, 10, replace=False, p=weights / weights.sum())
        expected[drawn] += 1
    assert counts.sum() == rounds * 10
    spread = 4 * np.sqrt(rounds * 0.25 * 0.75 * 10)
    assert abs(counts[30:].sum() - expected[30:].sum()) < spread
    assert counts[30:].mean() < 0.7 * counts[:30].mean()


def _weight_of(buffers: Buffers, features: np.ndarray) -> float:
    """Of a copy, so that nothing of the buffers is moved on."""
    before = buffers._sums.copy(), buffers._counts.copy()
    weight = buffers._weight(0, features)
    buffers._sums, buffers._counts = before
    return weight


def test_relevance_is_between_zero_and_one_and_falls_with_distance() -> None:
    """1 of equal images, 1/e at the mean distance; of a class of one picture 1."""
    assert relevance(np.array([0.0, 2.0, 4.0]), 2.0).tolist() == pytest.approx([1, np.exp(-1), np.exp(-2)])
    assert relevance(np.zeros((2, 2)), 0.0).tolist() == [[1, 1], [1, 1]]


@pytest.mark.parametrize("distance", ["euclidean", "cosine"])
def test_distances_between_many_are_those_of_numpy(distance: str) -> None:
    """In chunks or not."""
    vectors = np.random.default_rng(0).normal(size=(50, 7)).astype(np.float32)
    got = distances_between(vectors[:20], vectors, distance)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    plain = {
        "euclidean": np.linalg.norm(vectors[:20, None] - vectors[None], axis=2),
        "cosine": 1 - unit[:20] @ unit.T,
    }
    np.testing.assert_allclose(got, plain[distance], atol=2e-3)


@pytest.mark.parametrize("num_classes", [300, 2000, 5000, 10_000])
def test_buffers_and_their_references_are_in_256_mb(num_classes: int) -> None:
    """Of few classes and of many."""
    size = buffer_size(num_classes, 768)
    buffers = Buffers(num_classes, 768, distance="euclidean", size=size, random=np.random.default_rng(0))
    assert 0.8 * MEMORY_BYTES < buffers.features.nbytes + buffers._references.nbytes <= MEMORY_BYTES


def test_buffers_of_many_classes_are_smaller() -> None:
    """All of them in 256 MB, but four images of each class at least."""
    assert buffer_size(10, 128) == LARGEST
    assert SMALLEST < buffer_size(10_000, 128) < LARGEST
    assert buffer_size(1_000_000, 768) == SMALLEST
