"""Progressive resizing as settled: when it is usual, what is refused, and where each step stands, beside plain sums."""

from typing import Any

import pytest

from artifact.errors import UsageError
from trainer.config.begun import with_former
from trainer.config.config import TrainConfig, make_config
from trainer.config.progressive import (
    STRONG,
    is_usual,
    mean_pace,
    pace,
    progress,
    side_of_step,
    smaller_side,
    smaller_steps,
    with_progressive,
)
from trainer.weights.optimizers import learning_rate


def _config(**values: Any) -> TrainConfig:
    given = {"images": "photos", "kind": "triplet", "base": "conv4", "size": 64, "sampling": {"strategy": "balanced"}}
    return make_config(given | values)


@pytest.mark.parametrize(("size", "side"), [(64, 40), (48, 32), (112, 72), (224, 144), (28, 16), (8, 8)])
def test_smaller_images_have_five_eighths_of_the_side(size: int, side: int) -> None:
    """In multiples of eight; what is asked for counts."""
    assert smaller_side(_config(size=size)) == side
    assert smaller_side(_config(size=size, progressive={"size": 24})) == 24


@pytest.mark.parametrize(
    ("values", "family", "trained", "usual"),
    [
        ({}, "conv4", False, True),
        ({}, "convolutions", False, True),
        ({}, "convolutions", True, False),
        ({}, "patches", False, False),
        ({}, "own", False, False),
        ({"size": 47}, "conv4", False, False),
        ({"loop": {"patience": 3}}, "conv4", False, False),
        ({"freeze": {"epochs": 1}}, "conv4", False, False),
        ({"sampling": {"strategy": "rounds"}}, "conv4", False, False),
    ],
)
def test_convolutions_from_random_weights_begin_with_smaller_images(
    values: dict[str, Any], family: Any, trained: bool, usual: bool
) -> None:
    """And not where a run may stop early, or layers stand still."""
    assert is_usual(_config(**values), family, trained=trained) is usual


@pytest.mark.parametrize(
    ("asked", "usual", "takes", "settled"),
    [
        ({}, True, True, (40, 0.6)),
        ({}, True, False, (None, 0.0)),
        ({}, False, True, (None, 0.0)),
        ({"share": 0}, True, True, (None, 0.0)),
        ({"share": 0.3}, False, True, (40, 0.3)),
        ({"size": 32}, False, True, (32, 0.6)),
        ({"size": 32, "share": 0}, True, False, (None, 0.0)),
    ],
)
def test_open_settings_are_filled_in(
    asked: dict[str, Any], usual: bool, takes: bool, settled: tuple[int | None, float]
) -> None:
    """As is usual, as far as it was not said otherwise; once more, nothing changes."""
    config = with_progressive(_config(progressive=asked), usual=usual, takes=lambda side: takes)
    assert (config.progressive.size, config.progressive.share) == settled
    assert with_progressive(config, usual=not usual, takes=lambda side: takes).progressive == config.progressive


@pytest.mark.parametrize(("asked", "takes"), [({"size": 64}, True), ({"size": 100}, True), ({"share": 0.5}, False)])
def test_what_cannot_be_smaller_is_refused(asked: dict[str, Any], takes: bool) -> None:
    """A side that is no smaller, and a network that has other features then."""
    with pytest.raises(UsageError, match=r"progressive.*--set progressive\.size"):
        with_progressive(_config(progressive=asked), usual=False, takes=lambda side: takes)


def test_nothing_is_smaller_where_nothing_is_trained() -> None:
    """Frozen features are those of images in full."""
    config = _config(epochs=0, progressive={"share": 0.5})
    assert with_progressive(config, usual=True, takes=lambda side: True).progressive.share == 0


def test_runs_of_before_had_one_size() -> None:
    """A config.yaml without the group means none; with half of it, the other half too."""
    assert make_config(with_former({"images": "x", "kind": "triplet"})).progressive.share == 0
    assert with_former({"progressive": {"share": 0.5}})["progressive"] == {"share": 0.5}


@pytest.mark.parametrize("num_steps", [1, 7, 100, 1234])
@pytest.mark.parametrize(("side", "share"), [(40, 0.6), (32, 0.25), (56, 0.9), (None, 0.0)])
def test_pixels_are_shared_and_move_the_schedule(num_steps: int, side: int | None, share: float) -> None:
    """Beside a plain sum over the steps: the first ones have their share of pixels, the schedule ends with the last."""
    config = _config(progressive={"size": side, "share": share})
    sides = [side_of_step(config, step, num_steps) for step in range(num_steps)]
    pixels = [((each or 64) / 64) ** 2 for each in sides]
    assert sides == sorted(sides, key=lambda each: each is None), "small ones come first"
    assert sides.count(side) == smaller_steps(config, num_steps) if side else sides.count(None) == num_steps
    if num_steps >= 100:
        assert sum(pixels[: smaller_steps(config, num_steps)]) / sum(pixels) == pytest.approx(share, abs=0.01)
        assert sum(pixels) / num_steps == pytest.approx(mean_pace(config), abs=0.01)
    for step in range(num_steps):
        expected = sum(pixels[:step]) / sum(pixels) * num_steps
        assert progress(config, step, num_steps) == pytest.approx(expected, abs=1e-6)
    assert pace(config) == pytest.approx(pixels[0]) or not smaller_steps(config, num_steps)


def test_schedule_without_smaller_images_is_that_of_steps() -> None:
    """To the last bit, as it was before there were any."""
    config = _config(progressive={"share": 0})
    for step in range(50):
        assert progress(config, step, 50) == step


def test_learning_rate_falls_with_the_pixels() -> None:
    """Half-way through the pixels the cosine stands at a half, whatever the steps."""
    config = _config(progressive={"size": 32, "share": 0.5}, optimizer={"learning_rate": 1.0, "warmup_share": 0.0})
    assert smaller_steps(config, 500) == 400
    assert learning_rate(progress(config, 400, 500), 500, config.optimizer) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("augment", "usual", "share", "is_strong"),
    [({}, True, None, True), ({}, True, 0.0, False), ({}, False, 0.5, False), ({"crop": 0.9}, True, None, False)],
)
def test_images_change_more_where_they_are_seen_more_often(
    augment: dict[str, Any], usual: bool, share: float | None, is_strong: bool
) -> None:
    """Not where something was asked for by name, which then counts with the light defaults beside it."""
    given = _config(augment=augment, progressive={"share": share})
    config = with_progressive(given, usual=usual, takes=lambda side: True)
    assert config.augment == (STRONG if is_strong else given.augment)
    written = make_config(config.model_dump())
    assert with_progressive(written, usual=usual, takes=lambda side: True).augment == config.augment


@pytest.mark.parametrize(
    ("values", "usual"), [({}, False), ({"progressive": {"share": 0}}, True), ({"epochs": 0}, True)]
)
def test_network_is_not_asked_for_what_is_not_wanted(values: dict[str, Any], usual: bool) -> None:
    """A user's own network sees no image of a size that nobody asked it to take."""

    def takes(side: int) -> bool:
        raise AssertionError(side)

    assert with_progressive(_config(**values), usual=usual, takes=takes).progressive.share == 0
