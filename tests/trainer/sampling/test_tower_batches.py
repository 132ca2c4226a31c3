"""Batches of two towers: every image once, the same again, and shares of rows that are flipped or partial."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from artifact.attributes import CATEGORY, FLAG, Attribute, Attributes
from trainer.sampling.tower_batches import TowerBatches
from trainer.towers.values import is_known

SOME = Attributes(
    (
        Attribute(name="color", type=CATEGORY, categories=("blue", "green", "red")),
        Attribute(name="a", type=FLAG),
        Attribute(name="b", type=FLAG),
    )
)


def batches(count: int = 50, **changes: object) -> TowerBatches:
    """Of images with random attributes."""
    random = np.random.default_rng(0)
    columns = {
        "color": [str(each) for each in random.choice(["blue", "green", "red"], count)],
        "a": random.integers(0, 2, count).tolist(),
        "b": random.integers(0, 2, count).tolist(),
    }
    options = {"size": 16, "num_flips": 0, "flipped_share": 0.0, "partial_share": 0.0, "seed": 3}
    return TowerBatches(rows=SOME.encode(columns, count)[0], attributes=SOME, **(options | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(("count", "sizes"), [(50, [16, 16, 16, 2]), (49, [16, 16, 17]), (9, [9]), (1, [1])])
def test_an_epoch_deals_every_image_once(count: int, sizes: list[int]) -> None:
    """A last image alone, which would be told from nothing, joins the batch before it."""
    source = batches(count)
    found = [batch.rows for batch in source.epoch(0)]
    assert [len(rows) for rows in found] == sizes
    assert sorted(np.concatenate(found).tolist()) == list(range(count))
    assert (source.per_epoch, source.smallest) == (len(sizes), min(sizes))


def test_an_epoch_is_dealt_again_from_any_batch_on() -> None:
    """To the last bit, flipped and partial rows included; another epoch is another."""
    source = batches(num_flips=2, flipped_share=0.4, partial_share=0.5, batches_per_epoch=7)
    whole = list(source.epoch(1))
    assert len(whole) == 7
    for first in (0, 3, 6):
        again = list(source.epoch(1, first=first))
        assert len(again) == 7 - first
        for one, other in zip(whole[first:], again, strict=True):
            assert one.rows.tobytes() == other.rows.tobytes()
            assert one.candidates is not None
            assert other.candidates is not None
            assert one.candidates.rows.tobytes() == other.candidates.rows.tobytes()
            assert one.candidates.fits.tobytes() == other.candidates.fits.tobytes()
    other = next(iter(source.epoch(2)))
    assert other.rows.tobytes() != whole[0].rows.tobytes()


@pytest.mark.parametrize(("share", "flips"), [(0.5, 16), (0.2, 4), (0.8, 64)])
def test_flipped_rows_are_their_share_of_the_batch(share: float, flips: int) -> None:
    """None of them fits the image that it comes from, and every image may be told from it."""
    batch = next(iter(batches(num_flips=1, flipped_share=share).epoch(0)))
    assert batch.candidates is not None
    assert batch.candidates.rows.shape == (16 + flips, SOME.width)
    assert batch.candidates.fits.shape == (16, 16 + flips)
    assert batch.candidates.fits[:, :16].diagonal().all()
    assert not batch.candidates.fits[:, 16:].all(axis=0).any()


def test_partial_rows_are_their_share_of_the_batch() -> None:
    """Of these every number of attributes comes; the others tell all."""
    found = [batch.candidates for batch in itertools.chain(*(batches(partial_share=0.5).epoch(e) for e in range(20)))]
    known = np.concatenate([is_known(each.rows, SOME).sum(axis=1) for each in found if each is not None])
    shares = np.bincount(known, minlength=4) / len(known)
    assert shares[0] == 0
    np.testing.assert_allclose(shares[1:], [1 / 6, 1 / 6, 2 / 3], atol=0.05)
