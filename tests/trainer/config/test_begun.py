"""Settings of a run that goes on: what may change, what may not, and what is as it was begun."""

from typing import Any

import pytest

from trainer.config.begun import DECIDE_NOTHING, as_begun, first_difference, with_changes
from trainer.config.complaints import setting_keys
from trainer.config.config import TrainConfig, make_config

CHANGES: dict[str, Any] = {
    "read_timeout_s": 5.0,
    "split_folders": False,
    "max_bad_images": 3,
    "max_cache_mb": 7,
    "max_disk_mb": 0,
    "cache": "/elsewhere",
    "workers": 3,
    "loop.save_every_s": 9.0,
    "loop.max_collapsed_steps": 0,
    "loop.tensorboard": True,
    "loop.device": "cpu",
}


def _config(*changes: str, **values: Any) -> TrainConfig:
    for key in changes:
        group, _, name = key.rpartition(".")
        values = values | ({group: {name: CHANGES[key]}} if group else {key: CHANGES[key]})
    return make_config({"images": "images", "kind": "triplet"} | values)


@pytest.mark.parametrize("key", DECIDE_NOTHING)
def test_what_decides_nothing_may_change_and_is_written_down(key: str) -> None:
    """No other setting of the file changes, and none is added."""
    begun, config = _config(), _config(key)
    assert first_difference(config, begun) is None
    written = with_changes({"images": "images", "kind": "triplet"}, config, begun)
    group, _, name = key.rpartition(".")
    assert written == {"images": "images", "kind": "triplet"} | (
        {group: {name: CHANGES[key]}} if group else {key: CHANGES[key]}
    )
    assert with_changes(written, config, make_config(written)) == written


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", 1),
        ("epochs", 5),
        ("dim", 8),
        ("validation", "classes:0.2"),
        ("loop.accumulate", 2),
        ("loop.validate_every", 4),
        ("loop.precision", "bf16"),
        ("loop.patience", 3),
        ("loop.keep", "best"),
        ("augment.flip", True),
        ("sampling.images_per_class", 2),
    ],
)
def test_what_decides_something_is_told_by_name(key: str, value: Any) -> None:
    """With both values, groups included."""
    group, _, name = key.rpartition(".")
    begun = _config()
    former = getattr(getattr(begun, group) if group else begun, name)
    config = _config(**({group: {name: value}} if group else {key: value}))
    assert first_difference(config, begun) == (key, former, value)


def test_every_setting_that_may_change_is_one() -> None:
    """A setting that is renamed is noticed here."""
    assert set(DECIDE_NOTHING) == set(CHANGES) <= set(setting_keys(TrainConfig))


def test_limits_that_an_older_run_lacks_may_be_any() -> None:
    """Its images say what was left out; a run that has them keeps to them."""
    assert first_difference(_config(max_megapixels=9.0), _config()) is None
    assert first_difference(_config(max_megapixels=9.0), _config(max_megapixels=8.0)) == ("max_megapixels", 8.0, 9.0)


def test_what_is_not_said_is_as_the_run_was_begun_with_an_earlier_default() -> None:
    """Runs of before validated each epoch; what is said now holds, and is compared."""
    before = _config(loop={"validate_every": 1})
    assert as_begun(_config(epochs=100), before).loop.validate_every == 1
    assert as_begun(_config(loop={"validate_every": 7}), before).loop.validate_every == 7
    assert as_begun(_config(epochs=100), _config(loop={"validate_every": 5})).loop.validate_every is None


def test_images_change_as_they_did_where_nothing_is_said() -> None:
    """Whatever the default was when the run was begun; what is said is compared by its name."""
    begun = make_config({"images": "x", "kind": "triplet", "augment": {"crop": 0.6, "rotate_deg": 15.0}})
    given = make_config({"images": "x", "kind": "triplet"})
    assert as_begun(given, begun).augment == begun.augment
    asked = make_config({"images": "x", "kind": "triplet", "augment": {"rotate_deg": 3.0}})
    assert as_begun(asked, begun).augment == asked.augment
