"""Augmentation as it is settled: all of it off where its moves are, and the defaults of runs of before."""

import pytest

from trainer.config.begun import as_begun, with_former
from trainer.config.config import make_config
from trainer.config.settings import AugmentConfig

MOVES = {"rotate_deg": 0, "translate": 0, "scale": 0}


@pytest.mark.parametrize(
    ("values", "changes"),
    [
        ({}, True),
        (MOVES, False),
        (MOVES | {"turns": True, "mirrors": True}, False),
        (MOVES | {"brightness": 0.1}, True),
        (MOVES | {"crop": 0.7}, True),
        ({"rotate_deg": 0, "translate": 0}, True),
        ({"crop": 1, "brightness": 0, "contrast": 0, "saturation": 0}, True),
    ],
)
def test_images_stay_as_they_are_without_moves(values: dict[str, float], changes: bool) -> None:
    """Unless something else is asked for by name; and so it stays when it is written down and read."""
    config = AugmentConfig(**values)
    assert config.changes_pixels is changes
    assert AugmentConfig(**config.model_dump()) == config


def test_runs_of_before_had_no_crop_and_no_colours() -> None:
    """A config.yaml that lacks them means none; a run that was begun with none goes on so, where nothing is said."""
    begun = make_config(with_former({"images": "x", "kind": "triplet", "augment": {"rotate_deg": 5.0}}))
    assert (begun.augment.crop, begun.augment.brightness, begun.augment.rotate_deg) == (1.0, 0.0, 5.0)
    config = make_config({"images": "x", "kind": "triplet", "augment": {"rotate_deg": 5.0, "contrast": 0.5}})
    resumed = as_begun(config, begun)
    assert (resumed.augment.crop, resumed.augment.saturation, resumed.augment.contrast) == (1.0, 0.0, 0.5)
