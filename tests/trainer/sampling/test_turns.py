"""Turns of classes: every hand dealt in the number of batches that was said, small classes evenly over an epoch."""

import numpy as np
import pytest

from trainer.sampling.batches import epoch_batches
from trainer.sampling.batches import num_batches as num_batches_of_images
from trainer.sampling.turns import num_batches, turns

SHAPES = {
    "large and small": ([25] * 50 + [2] * 50, 25),
    "one hand each of the small": ([13] * 20 + [1] * 40, 10),
    "few small": ([40] * 30 + [1] * 5, 25),
    "long tail": ([max(1, 120 // (rank + 1)) for rank in range(80)], 12),
    "one larger than all": ([54] + [13] * 10 + [1] * 10, 10),
    "few large": ([100] * 3 + [1] * 100, 25),
}


def _epoch(hands: np.ndarray, width: int, seed: int) -> np.ndarray:
    """int64 [batches, width]."""
    return np.stack(list(turns(hands, width=width, random=np.random.default_rng(seed))))


@pytest.mark.parametrize("seed", range(4))
def test_turns_deal_every_hand_in_the_number_that_was_said(seed: int) -> None:
    """Whatever the shape: no class twice in a batch, each at least as often as it has hands."""
    random = np.random.default_rng(seed)
    for _ in range(60):
        hands = np.maximum(1, random.geometric(random.uniform(0.02, 0.9), random.integers(1, 40)))
        width = int(random.integers(1, len(hands) + 1))
        epoch = _epoch(hands, width, seed)
        assert len(epoch) == num_batches(hands, width=width)
        assert all(len(set(batch)) == width for batch in epoch.tolist())
        assert (np.bincount(epoch.ravel(), minlength=len(hands)) >= hands).all()


@pytest.mark.parametrize(("hands", "width"), SHAPES.values(), ids=SHAPES)
def test_small_classes_come_as_often_at_the_start_as_at_the_end(hands: list[int], width: int) -> None:
    """Of many epochs: each tenth holds a tenth of what the classes of fewest hands were dealt (chi-square, 9 degrees).

    Several small classes in a batch are less scattered than the test assumes, never more.
    """
    is_small = np.array(hands) == min(hands)
    dealt, expected = np.zeros(10), np.zeros(10)
    for seed in range(40):
        epoch = _epoch(np.array(hands), width, seed)
        tenth = np.arange(len(epoch)) * 10 // len(epoch)
        small = is_small[epoch].sum(axis=1)
        dealt += np.bincount(tenth, small, minlength=10)
        expected += np.bincount(tenth, minlength=10) * small.mean()
    assert ((dealt - expected) ** 2 / expected).sum() < 33.7  # one in ten thousand


def test_uneven_classes_come_in_proportion_to_their_images() -> None:
    """The case of the issue: 50 classes of 100 images and 50 of 8, of which the first batches held none."""
    sizes = np.array([100] * 50 + [8] * 50)
    labels = np.repeat(np.arange(100), sizes)
    small = []
    for epoch in range(20):
        dealt = list(epoch_batches(labels, classes_per_batch=25, images_per_class=4, seed=0, epoch=epoch))
        assert len(dealt) == num_batches_of_images(labels, classes_per_batch=25, images_per_class=4) == 54
        assert set(np.concatenate(dealt).tolist()) == set(range(len(labels)))
        small.append([len(set(labels[batch][labels[batch] >= 50].tolist())) for batch in dealt])
    share = np.mean(small, axis=0)
    assert share.mean() == pytest.approx(25 * 2 * 50 / (25 * 50 + 2 * 50), rel=0.02)
    thirds = [part.mean() for part in np.array_split(share, 3)]
    assert min(thirds) > 0.8 * max(thirds)


@pytest.mark.parametrize(
    ("classes", "hands", "width"), [(10, 36, 10), (40, 2, 25), (40, 3, 25), (300, 5, 25), (7, 4, 3)]
)
def test_even_classes_take_turns_by_lot(classes: int, hands: int, width: int) -> None:
    """Those with most left first, ties by lot, in a plain loop: as before there were turns, so with the same bytes."""
    lots = np.random.default_rng(3)
    left = np.full(classes, hands)
    for chosen in turns(left.copy(), width=width, random=np.random.default_rng(3)):
        fullness = left + lots.random(classes)
        expected = sorted(range(classes), key=lambda number: -fullness[number])[:width]
        assert chosen.tolist() == expected
        left[chosen] = np.maximum(left[chosen] - 1, 0)
    assert not left.any()
