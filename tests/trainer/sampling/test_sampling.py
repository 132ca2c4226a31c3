"""Batches: balance, coverage, drawn tuples against plain loops, seeding and resuming."""

import sys
from pathlib import Path

import numpy as np
import pytest

from tests.shared.blank_images import blank_images
from trainer.config.config import make_config
from trainer.loop.preparation import settle
from trainer.sampling.batch import Batch, Batches
from trainer.sampling.batches import batches, epoch_batches, make_batches, num_batches
from trainer.sampling.tuple_sampling import draw_tuples

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


STRATEGIES = {
    "balanced": {"strategy": "balanced", "classes_per_batch": 3, "images_per_class": 4},
    "balanced, longer": {
        "strategy": "balanced",
        "classes_per_batch": 3,
        "images_per_class": 4,
        "batches_per_epoch": 37,
    },
    "rounds": {"strategy": "rounds", "tuples_per_round": 50, "tuples_per_batch": 8, "epochs_per_round": 2},
    "rounds, shorter": {"strategy": "rounds", "tuples_per_round": 50, "tuples_per_batch": 8, "batches_per_epoch": 3},
    "rounds, longer": {"strategy": "rounds", "tuples_per_round": 50, "tuples_per_batch": 8, "batches_per_epoch": 17},
}


def _batches(sampling: dict[str, object], *, kind: str = "triplet", loss: str | None = None, seed: int = 5) -> Batches:
    values = {"images": "x", "kind": kind, "loss": loss, "seed": seed, "sampling": sampling}
    config, found = settle(make_config(values))
    return make_batches(config, blank_images(UNBALANCED), None, loss=found)


def _same(one: list[Batch], other: list[Batch]) -> bool:
    return len(one) == len(other) and all(
        np.array_equal(a.rows, b.rows)
        and (a.tuples is None or np.array_equal(a.tuples, b.tuples))
        and (a.different is None or np.array_equal(a.different, b.different))
        for a, b in zip(one, other, strict=True)
    )


@pytest.mark.parametrize("sampling", STRATEGIES.values(), ids=STRATEGIES)
@pytest.mark.parametrize("kind", ["siamese", "quartet"])
def test_epochs_can_be_dealt_again_from_any_batch_on(sampling: dict[str, object], kind: str) -> None:
    """epoch(first=k) is the tail of epoch(), per_epoch its length; other seeds and epochs deal otherwise."""
    batches = _batches(sampling, kind=kind)
    whole = list(batches.epoch(3))
    assert len(whole) == batches.per_epoch
    for first in (0, 1, len(whole) // 2, len(whole) - 1, len(whole)):
        assert _same(list(_batches(sampling, kind=kind).epoch(3, first=first)), whole[first:])
    assert not _same(list(batches.epoch(4)), whole)
    assert not _same(list(_batches(sampling, kind=kind, seed=6).epoch(3)), whole)


def _tuples(batches: Batches, epoch: int) -> np.ndarray:
    """All tuples of an epoch as images, int [T, streams]; each batch has every image once."""
    found = []
    for batch in batches.epoch(epoch):
        assert batch.tuples is not None
        assert sorted(set(batch.rows.tolist())) == batch.rows.tolist()
        assert set(batch.tuples.ravel().tolist()) == set(range(len(batch.rows)))
        found.append(batch.rows[batch.tuples])
    return np.concatenate(found)


def test_rounds_keep_their_tuples_for_their_epochs() -> None:
    """Epochs 0 and 1 go over the same 50 tuples in another order, 2 and 3 over others."""
    batches = _batches(STRATEGIES["rounds"])
    assert batches.per_epoch == 7
    assert [len(batch.tuples) for batch in batches.epoch(0)] == [8, 8, 8, 8, 8, 8, 2]
    epochs = [_tuples(batches, epoch) for epoch in range(4)]
    ordered = [sorted(map(tuple, epoch.tolist())) for epoch in epochs]
    assert ordered[0] == ordered[1] != ordered[2] == ordered[3]
    assert epochs[0].tolist() != epochs[1].tolist()


def test_rounds_longer_than_a_deal_deal_the_same_tuples_again() -> None:
    """17 batches of 7 a deal: two whole deals and three batches."""
    tuples = _tuples(_batches(STRATEGIES["rounds, longer"]), 0)
    first, second, third = tuples[:50].tolist(), tuples[50:100].tolist(), tuples[100:].tolist()
    assert len(third) == 24
    assert sorted(first) == sorted(second)
    assert first != second
    assert all(row in first for row in third)


@pytest.mark.parametrize("count", [1, 2, 5, 64, 997])
@pytest.mark.parametrize("kind", ["siamese", "triplet", "quartet", "dlpy"])
def test_drawn_tuples_are_what_their_kind_says(kind: str, count: int) -> None:
    """Every tuple in a plain loop: classes, no image twice, and anchors spread evenly."""
    labels = np.concatenate([UNBALANCED, [5]])  # a class of one image is never an anchor, but may be a negative
    random = np.random.default_rng(count)
    shuffled = random.permutation(labels)
    drawn = draw_tuples(
        shuffled, kind="quartet" if kind == "dlpy" else kind, count=count, random=random, same_negatives=kind == "dlpy"
    )
    assert drawn.images.shape == (count, {"siamese": 2, "triplet": 3}.get(kind, 4))
    anchors, seen = np.zeros(6, int), np.zeros(len(labels), int)
    for row, images in enumerate(drawn.images.tolist()):
        classes = [int(shuffled[image]) for image in images]
        assert len(set(images)) == len(images)
        anchors[classes[0]] += 1
        seen[images[0]] += 1
        if kind == "siamese":
            assert drawn.different is not None
            assert (classes[0] != classes[1]) == drawn.different[row]
            continue
        assert classes[1] == classes[0] != classes[2]
        if kind == "quartet":
            assert len({classes[0], classes[2], classes[3]}) == 3
        elif kind == "dlpy":
            assert classes[2] == classes[3]
    assert anchors[5] == 0
    assert anchors[:5].max() - anchors[:5].min() <= 1
    for label in range(5):
        assert np.ptp(seen[shuffled == label]) <= 1
    if kind == "siamese":
        assert int(drawn.different.sum()) in (count // 2, -(-count // 2))


def test_drawn_images_are_uniform() -> None:
    """Positives over the class without the anchor, negatives over classes and then over their images."""
    labels = np.array([0] * 2 + [1] * 4 + [2] * 8)
    drawn = draw_tuples(labels, kind="triplet", count=60_000, random=np.random.default_rng(0)).images
    of_two = drawn[labels[drawn[:, 0]] == 2]
    pairs = np.unique(of_two[:, :2], axis=0, return_counts=True)[1]
    assert len(pairs) == 8 * 7
    assert np.abs(pairs / pairs.mean() - 1).max() < 0.25
    negatives = np.bincount(of_two[:, 2], minlength=14) / len(of_two)
    np.testing.assert_allclose(negatives[:6], [0.25] * 2 + [0.125] * 4, atol=0.015)
    quartets = draw_tuples(labels, kind="quartet", count=60_000, random=np.random.default_rng(0)).images
    for column in (2, 3):  # either order of the two other classes
        share = np.mean(labels[quartets[labels[quartets[:, 0]] == 0][:, column]] == 1)
        assert share == pytest.approx(0.5, abs=0.02)


OWN_LOSSES = """
import torch

def of_one_class(positive, negative, negative2, *, margin):
    return torch.relu(positive - negative + margin) + torch.relu(positive - negative2 + margin)

def of_three_classes(positive, negative, negatives, *, margin):
    return torch.relu(positive - negative + margin) + torch.relu(positive - negatives + margin)
"""


@pytest.mark.parametrize(
    ("loss", "is_of_one_class"),
    [
        ("dlpy", True),
        ("quadruplet", False),
        ("quartet_losses:of_one_class", True),
        ("quartet_losses:of_three_classes", False),
    ],
)
def test_rounds_draw_the_second_negative_that_the_loss_asks_for(
    loss: str, is_of_one_class: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the first negative's class or of a third one, ours and a user's own alike."""
    (tmp_path / "quartet_losses.py").write_text(OWN_LOSSES)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    tuples = _tuples(_batches(STRATEGIES["rounds"], kind="quartet", loss=loss), 0)
    anchor, positive, negative, negative2 = UNBALANCED[tuples].T
    monkeypatch.delitem(sys.modules, "quartet_losses", raising=False)
    assert (anchor == positive).all()
    assert (anchor != negative).all()
    assert (anchor != negative2).all()
    assert ((negative == negative2) == is_of_one_class).all()
