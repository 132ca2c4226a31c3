"""Identity-balanced batches: balance, coverage, seeding."""

import numpy as np
import pytest

from trainer.sampling import batch_shape, batches, epoch_batches, num_batches

BALANCED = np.repeat(np.arange(10), 40)
UNBALANCED = np.array([0] * 3 + [1] * 50 + [2] * 2 + [3] * 17 + [4] * 8)


def _epoch(labels: np.ndarray, p: int, k: int, seed: int = 0, epoch: int = 0) -> list[np.ndarray]:
    return list(epoch_batches(labels, classes_per_batch=p, images_per_class=k, seed=seed, epoch=epoch))


def test_batches_of_even_classes_hold_p_classes_of_k_images_each() -> None:
    """4 classes x 5 images, and every image of the folder exactly once an epoch."""
    epoch = _epoch(BALANCED, 4, 5)
    for batch in epoch:
        _, counts = np.unique(BALANCED[batch], return_counts=True)
        assert counts.tolist() == [5, 5, 5, 5]
    assert sorted(np.concatenate(epoch).tolist()) == list(range(400))


@pytest.mark.parametrize(("p", "k"), [(2, 4), (3, 4), (5, 2), (9, 3), (2, 100)])
def test_batches_of_uneven_classes_repeat_no_image_and_leave_none_out(p: int, k: int) -> None:
    """A class below K gives what it has; a batch still has min(P, classes) classes of at least two images."""
    epoch = _epoch(UNBALANCED, p, k)
    sizes = np.bincount(UNBALANCED)
    for batch in epoch:
        assert len(set(batch.tolist())) == len(batch)
        classes, counts = np.unique(UNBALANCED[batch], return_counts=True)
        assert len(classes) == min(p, 5)
        assert counts.tolist() == [min(k, sizes[label]) for label in classes]
    assert set(np.concatenate(epoch).tolist()) == set(range(len(UNBALANCED)))


@pytest.mark.parametrize("labels", [BALANCED, UNBALANCED])
@pytest.mark.parametrize(("p", "k"), [(2, 4), (3, 4), (4, 3), (25, 8)])
def test_num_batches_is_what_an_epoch_has(labels: np.ndarray, p: int, k: int) -> None:
    """The learning rate needs the number before the first batch, whatever the seed."""
    for seed in range(3):
        assert len(_epoch(labels, p, k, seed=seed)) == num_batches(labels, classes_per_batch=p, images_per_class=k)


def test_batches_are_a_function_of_seed_and_epoch() -> None:
    """The same twice, another for another seed or epoch."""
    first, again = _epoch(BALANCED, 4, 5, seed=3, epoch=2), _epoch(BALANCED, 4, 5, seed=3, epoch=2)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    for other in (_epoch(BALANCED, 4, 5, seed=4, epoch=2), _epoch(BALANCED, 4, 5, seed=3, epoch=3)):
        assert not np.array_equal(np.concatenate(first), np.concatenate(other))


@pytest.mark.parametrize("count", [1, 7, 45])
def test_batches_per_epoch_cuts_or_prolongs_an_epoch(count: int) -> None:
    """45 are more than the 20 of one deal; the second deal is another one."""
    found = list(batches(BALANCED, classes_per_batch=4, images_per_class=5, seed=0, epoch=0, batches_per_epoch=count))
    assert len(found) == count
    if count > 20:
        assert not np.array_equal(np.concatenate(found[:20]), np.concatenate(found[20:40]))
        assert sorted(np.concatenate(found[20:40]).tolist()) == list(range(400))


def test_batch_shape_aims_at_a_hundred_images() -> None:
    """What is given stays; what is open follows from the number of classes."""
    assert batch_shape(10, classes_per_batch=None, images_per_class=None) == (10, 10)
    assert batch_shape(2, classes_per_batch=None, images_per_class=None) == (2, 50)
    assert batch_shape(5000, classes_per_batch=None, images_per_class=None) == (25, 4)
    assert batch_shape(5000, classes_per_batch=32, images_per_class=2) == (32, 2)
    assert batch_shape(3, classes_per_batch=32, images_per_class=2) == (3, 2)
