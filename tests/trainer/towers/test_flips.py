"""Flipped rows: so many attributes changed, each to something else that it may be, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from artifact.attributes import CATEGORY, FLAG, NUMBER, Attribute, Attributes
from trainer.towers.flips import flipped
from trainer.towers.values import is_known, values_of, with_few

MANY = Attributes(
    (
        Attribute(name="color", type=CATEGORY, categories=("blue", "green", "red")),
        Attribute(name="striped", type=FLAG),
        Attribute(name="size", type=NUMBER, mean=3.0, scale=2.0),
        Attribute(name="place", type=CATEGORY, categories=("left", "right")),
    )
)


def rows(count: int = 400, *, missing: float = 0.0) -> np.ndarray:
    """float32 [N, 8], every value as likely."""
    random = np.random.default_rng(0)
    columns = {
        "color": [str(random.choice(["blue", "green", "red"])) for _ in range(count)],
        "striped": [int(random.integers(2)) for _ in range(count)],
        "size": random.normal(3, 2, count).tolist(),
        "place": [str(random.choice(["left", "right"])) for _ in range(count)],
    }
    told = {name: [None if random.random() < missing else cell for cell in cells] for name, cells in columns.items()}
    return MANY.encode(told, count)[0]


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_flipped_changes_so_many_attributes(count: int) -> None:
    """Each chosen as often as any other; categories and flags stay such, numbers move by one to two deviations."""
    before = rows()
    after = flipped(before, MANY, count=count, random=np.random.default_rng(1))
    old, new = values_of(before, MANY), values_of(after, MANY)
    changed = old != new
    assert (changed.sum(axis=1) == count).all()
    assert (np.abs(changed.mean(axis=0) - count / 4) < 0.08).all()
    assert (after[:, :3].sum(axis=1) == 1).all()
    assert (after[:, 5] == 1).all()
    assert (after[:, 6:].sum(axis=1) == 1).all()
    assert set(np.abs(after[:, 3]).tolist()) == {1.0}
    moved = np.abs(new - old)[changed[:, 2], 2]
    assert ((moved > 0.999) & (moved < 2.001)).all()
    assert before.tobytes() == rows().tobytes()


def test_flipped_takes_every_other_category_as_often() -> None:
    """And never the own one."""
    before = np.tile(MANY.encode({"color": ["green"]}, 1)[0], (600, 1))
    after = flipped(before, MANY, count=1, random=np.random.default_rng(2))
    counts = after[:, :3].sum(axis=0)
    assert counts[1] == 0
    assert 240 < counts[0] < 360


def test_flipped_leaves_what_is_missing() -> None:
    """Nobody knows the opposite of nothing; a row with less known than is to change changes all of it."""
    before = rows(missing=0.6)
    after = flipped(before, MANY, count=2, random=np.random.default_rng(3))
    known = is_known(before, MANY)
    assert (is_known(after, MANY) == known).all()
    changed = (values_of(before, MANY) != values_of(after, MANY)) & known
    assert (changed.sum(axis=1) == np.minimum(known.sum(axis=1), 2)).all()


def test_with_few_leaves_so_many_attributes() -> None:
    """As they were, the others missing; at least one where one is known."""
    before = rows(missing=0.3)
    numbers = np.arange(len(before)) % 6
    after = with_few(before, MANY, numbers, random=np.random.default_rng(4))
    known, left = is_known(before, MANY), is_known(after, MANY)
    assert (left <= known).all()
    assert (left.sum(axis=1) == np.minimum(np.maximum(numbers, 1), known.sum(axis=1))).all()
    same = values_of(before, MANY) == values_of(after, MANY)
    assert same[left].all()


def test_values_of_says_what_was_encoded() -> None:
    """Categories by their number, flags 0 or 1, numbers in deviations, their mean too, NaN where nothing is said."""
    columns = {
        "color": ["red", None, None],
        "striped": [0, 1, None],
        "size": [7.0, None, 3],
        "place": [None, "left", ""],
    }
    found = values_of(MANY.encode(columns, 3)[0], MANY)
    nothing = np.nan
    np.testing.assert_array_equal(found, [[2, 0, 2, nothing], [nothing, 1, nothing, 0], [nothing, nothing, 0, nothing]])
