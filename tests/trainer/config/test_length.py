"""The length of a run: epochs, steps or minutes, one of them given; the others filled in or refused."""

from typing import Any

import pytest

from artifact.errors import UsageError
from trainer.config.config import TrainConfig, make_config
from trainer.config.length import check_length, steps_of_epoch, usual_epochs, with_length


def _config(**values: Any) -> TrainConfig:
    return make_config({"images": "photos", "kind": "triplet"} | values)


@pytest.mark.parametrize(
    ("per_epoch", "epochs"),
    [(1, 200), (2, 200), (7, 200), (8, 188), (14, 108), (36, 42), (75, 20), (76, 20), (9000, 20)],
)
def test_usual_epochs_are_some_1500_steps(per_epoch: int, epochs: int) -> None:
    """Twenty epochs at least, 200 at most."""
    assert usual_epochs(per_epoch) == epochs
    assert with_length(_config(), per_epoch=per_epoch).epochs == epochs


def test_usual_epochs_of_smaller_images_are_more() -> None:
    """As many as look at the same pixels: 25 of 64 pixels for six tenths of it are 1.936 times as many steps."""
    config = _config(size=64, progressive={"size": 40, "share": 0.6})
    assert with_length(config, per_epoch=36).epochs == 81  # 2,904 steps
    assert with_length(config, per_epoch=1000).epochs == 39


@pytest.mark.parametrize(("steps", "epochs"), [(1, 1), (13, 1), (14, 2), (26, 2), (27, 3), (1300, 100)])
def test_steps_decide_the_epochs_and_the_last_one_ends_early(steps: int, epochs: int) -> None:
    """All steps are dealt over the epochs, whole ones but for the last; what was filled in stays."""
    config = with_length(_config(steps=steps), per_epoch=13)
    assert (config.steps, config.epochs) == (steps, epochs)
    dealt = [steps_of_epoch(config, epoch, per_epoch=13) for epoch in range(epochs)]
    assert sum(dealt) == steps
    assert set(dealt[:-1]) <= {13}
    assert with_length(config, per_epoch=13) == config


def test_epochs_are_whole() -> None:
    """Without steps every epoch deals all its batches."""
    config = with_length(_config(epochs=3), per_epoch=13)
    assert (config.steps, config.epochs) == (None, 3)
    assert [steps_of_epoch(config, epoch, per_epoch=13) for epoch in range(3)] == [13] * 3


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"minutes": 4, "epochs": 20},
            "epochs with --minutes: expected none, for the steps follow from the time, got 20 (--epochs);"
            " leave epochs or minutes out",
        ),
        (
            {"minutes": 4, "steps": 100},
            "steps with --minutes: expected none, for the steps follow from the time, got 100 (--set steps=...);"
            " leave steps or minutes out",
        ),
        (
            {"steps": 100, "epochs": 5},
            "epochs of 100 steps: expected 8 of 13 steps each, or left out, got 5 (--epochs)",
        ),
        (
            {"steps": 1_300_001},
            "steps: expected at most 1300000 (100000 epochs of 13 steps each), got 1300001 (--set steps=...)",
        ),
        ({"minutes": 0}, "minutes: expected above 0, at most 100000, got 0 (--minutes)"),
        ({"steps": 0}, "steps: expected at least 1, got 0 (--set steps=...)"),
    ],
)
def test_lengths_that_do_not_agree_are_refused_in_one_line(values: dict[str, Any], message: str) -> None:
    """One of the three is given."""

    def settle() -> TrainConfig:
        config = _config(**values)
        check_length(config)
        return with_length(config, per_epoch=13)

    with pytest.raises(UsageError) as caught:
        settle()
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("epochs", "patience", "expected"),
    [
        (1, None, 1),
        (20, None, 1),
        (21, None, 2),
        (100, None, 5),
        (107, None, 6),
        (100, 5, 1),
        (100, 50, 5),
        (400, 50, 10),
    ],
)
def test_validation_follows_from_the_length_of_the_run(epochs: int, patience: int | None, expected: int) -> None:
    """Twenty looks a run, or five within patience; what is given stays."""
    assert with_length(_config(epochs=epochs, loop={"patience": patience}), per_epoch=7).loop.validate_every == expected
    assert with_length(_config(epochs=epochs, loop={"validate_every": 3}), per_epoch=7).loop.validate_every == 3
