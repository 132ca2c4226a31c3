"""The epoch that is kept, and the end of patience."""

from typing import Any

import pytest

from trainer.config.config import make_config
from trainer.config.settings import LoopConfig
from trainer.watch.selection import best_epoch, is_kept, is_out_of_patience, is_validated, kept_line


def _lines(*recalls: float | None) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = []
    for epoch, recall in enumerate(recalls, start=1):
        lines.append({"epoch": epoch} | ({} if recall is None else {"recall@1": recall}))
    return lines


def test_best_epoch_is_the_earliest_of_equal_ones() -> None:
    """A later epoch has to be better, not as good."""
    assert best_epoch(_lines(0.2, 0.7, 0.5, 0.7), "recall@1") == 2


def test_best_epoch_passes_over_epochs_without_validation() -> None:
    """Only validated epochs can be best; none at all gives None."""
    assert best_epoch(_lines(None, 0.3, None), "recall@1") == 2
    assert best_epoch(_lines(None, None), "recall@1") is None


def test_keep_last_keeps_every_epoch_and_reports_the_last() -> None:
    """The default writes each epoch's weights."""
    config = LoopConfig(keep="last", metric="recall@1")
    assert is_kept(_lines(0.9, 0.1), config)
    assert kept_line(_lines(0.9, 0.1), config)["epoch"] == 2


def test_keep_best_keeps_an_epoch_only_while_it_is_best() -> None:
    """A worse epoch leaves the checkpoint alone, and its metrics are not the run's."""
    config = LoopConfig(keep="best", metric="recall@1")
    assert is_kept(_lines(0.4, 0.6), config)
    assert not is_kept(_lines(0.4, 0.6, 0.5), config)
    assert kept_line(_lines(0.4, 0.6, 0.5), config)["epoch"] == 2


@pytest.mark.parametrize(
    ("recalls", "is_over"), [((0.5, 0.4), False), ((0.5, 0.4, 0.4), True), ((0.5, 0.4, 0.6), False)]
)
def test_patience_counts_epochs_since_the_best(recalls: tuple[float, ...], is_over: bool) -> None:
    """With a patience of 2, the second epoch without a better one ends the run."""
    assert is_out_of_patience(_lines(*recalls), LoopConfig(patience=2, metric="recall@1")) is is_over


def test_patience_does_not_end_at_an_epoch_that_was_not_validated() -> None:
    """The best one may lie any number of epochs back: nobody has looked since."""
    config = LoopConfig(patience=2, metric="recall@1")
    assert not is_out_of_patience(_lines(0.5, None, None, None), config)
    assert is_out_of_patience(_lines(0.5, None, None, None, 0.4), config)


def test_the_last_epoch_is_validated_whatever_the_cadence() -> None:
    """And each that is a multiple of it."""
    config = make_config({"images": "x", "kind": "triplet", "epochs": 7, "loop": {"validate_every": 3}})
    assert [epoch for epoch in range(1, 8) if is_validated(epoch, config)] == [3, 6, 7]
