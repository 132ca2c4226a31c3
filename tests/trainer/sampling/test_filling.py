"""Batches that are filled up: no rank ever gets a number of images that its layers refuse, and nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest

from artifact.kinds import KINDS
from tests.shared.blank_images import blank_images
from trainer.config.config import make_config
from trainer.data.tuple_table import TupleRows
from trainer.loop.distributed import Ranks
from trainer.loop.preparation import settle
from trainer.sampling.batch import Batch, Batches
from trainer.sampling.batches import make_batches
from trainer.sampling.filling import FilledBatches, filled_size, share_sizes

SIZES = {"even": [6, 6, 6], "small classes": [2, 2, 3, 2], "one large": [9, 2, 2], "single images": [4, 1, 1, 2, 1]}
SAMPLING: dict[str, dict[str, object]] = {
    "balanced": {"strategy": "balanced", "classes_per_batch": 2, "images_per_class": 2},
    "balanced, longer": {
        "strategy": "balanced",
        "classes_per_batch": 2,
        "images_per_class": 3,
        "batches_per_epoch": 9,
    },
    "one tuple": {"strategy": "rounds", "tuples_per_round": 5, "tuples_per_batch": 1},
    "a rest": {"strategy": "rounds", "tuples_per_round": 7, "tuples_per_batch": 3},
    "table": {"strategy": "tuples", "tuples_per_batch": 2},
}


def source(sampling: dict[str, object], sizes: list[int], kind: str) -> tuple[Batches, np.ndarray]:
    """Batches as training makes them, and the labels of the images."""
    labels = np.repeat(np.arange(len(sizes)), sizes)
    if kind == "quartet" and sampling["strategy"] == "balanced":
        sampling = sampling | {"classes_per_batch": 3}
    config, loss = settle(make_config({"images": "x", "kind": kind, "seed": 3, "sampling": sampling}))
    tuples = None
    if sampling["strategy"] == "tuples":  # five tuples of images that follow each other
        streams = len(KINDS[kind].streams)
        rows = np.array([[(row + stream) % len(labels) for stream in range(streams)] for row in range(5)])
        tuples = TupleRows(images=rows, different=np.arange(5) % 2 > 0, rows=np.arange(5))
    return make_batches(config, blank_images(labels), tuples, loss=loss), labels


def shares(batch: Batch, num_ranks: int) -> set[int]:
    """How many images the ranks get."""
    return {
        len(Ranks(rank=rank, size=num_ranks, device=None).share(batch.rows))  # type: ignore[arg-type] # not looked at
        for rank in range(num_ranks)
    }


@pytest.mark.parametrize("refused", [{1}, {0, 1}])
@pytest.mark.parametrize("num_ranks", [2, 3, 4])
@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("sampling", SAMPLING.values(), ids=SAMPLING)
@pytest.mark.parametrize("kind", ["siamese", "triplet", "quartet"])
def test_no_rank_gets_a_share_that_its_layers_refuse(
    kind: str, sampling: dict[str, object], sizes: list[int], num_ranks: int, refused: set[int]
) -> None:
    """Over three epochs: as many batches as before, large ones untouched, small ones with the same tuples."""
    batches, labels = source(sampling, sizes, kind)
    filled = FilledBatches(batches=batches, num_images=len(labels), num_ranks=num_ranks, refused=refused, seed=3)
    assert filled.per_epoch == batches.per_epoch
    for epoch in range(3):
        before, after = list(batches.epoch(epoch)), list(filled.epoch(epoch))
        assert len(before) == len(after) == batches.per_epoch
        assert min(len(batch.rows) for batch in before) >= batches.smallest
        assert min(len(batch.rows) for batch in after) >= filled.smallest
        for old, new in zip(before, after, strict=True):
            assert shares(new, num_ranks) == share_sizes(len(new.rows), num_ranks)
            assert shares(new, num_ranks).isdisjoint(refused)
            np.testing.assert_array_equal(new.rows[: len(old.rows)], old.rows)
            assert len(set(new.rows.tolist())) == len(new.rows)
            assert (new.tuples is None) == (old.tuples is None)
            if old.tuples is not None:
                np.testing.assert_array_equal(new.tuples, old.tuples)
            if shares(old, num_ranks).isdisjoint(refused):
                assert len(new.rows) == len(old.rows)


@pytest.mark.parametrize("sampling", SAMPLING.values(), ids=SAMPLING)
def test_filled_epochs_can_be_dealt_again_from_any_batch_on(sampling: dict[str, object]) -> None:
    """A resumed run adds the same images; another epoch adds others."""
    batches, labels = source(sampling, [4, 4, 4, 4], "triplet")

    def filled(seed: int) -> FilledBatches:
        return FilledBatches(batches=batches, num_images=len(labels), num_ranks=4, refused={1}, seed=seed)

    whole = [batch.rows.tolist() for batch in filled(3).epoch(1)]
    for first in range(len(whole) + 1):
        assert [batch.rows.tolist() for batch in filled(3).epoch(1, first=first)] == whole[first:]
    assert [batch.rows.tolist() for batch in filled(4).epoch(1)] != whole


@pytest.mark.parametrize(
    ("num_images", "num_ranks", "refused", "expected"),
    [
        (3, 2, {1}, 4),
        (2, 2, {1}, 4),
        (4, 2, {1}, 4),
        (2, 1, {0, 1}, 2),
        (3, 4, {1}, 8),
        (3, 4, {0}, 4),
        (2, 4, set(), 2),
        (5, 4, {0, 1}, 8),
        (9, 4, {0, 1}, 9),
    ],
)
def test_filled_size_is_the_next_that_every_share_bears(
    num_images: int, num_ranks: int, refused: set[int], expected: int
) -> None:
    """Against all sizes in turn."""
    sizes = [n for n in range(num_images, 100) if not {len(range(r, n, num_ranks)) for r in range(num_ranks)} & refused]
    assert filled_size(num_images, num_ranks=num_ranks, refused=refused) == sizes[0] == expected
