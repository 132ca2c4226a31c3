"""TensorBoard events: read back by TensorBoard's own reader, resumed runs too; one line where it is missing."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from artifact.errors import UsageError
from trainer.loop.event_log import FOLDER, MAX_STEPS, EventLog, require_tensorboard

needs_tensorboard = pytest.mark.skipif(
    importlib.util.find_spec("tensorboard") is None, reason="the extra `tensorboard` is not installed"
)


def _step(step: int, loss: float, *, steps: int = 100) -> dict[str, Any]:
    return {
        "event": "step",
        "epoch": 1,
        "step": step,
        "steps": steps,
        "loss": loss,
        "pct_active": 30.0,
        "pct_easy": None,
        "pct_correct": 90.0,
        "learning_rate": 1e-3,
        "images_per_s": 500.0,
    }


def _read(run: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run / FOLDER), size_guidance={"scalars": 0})
    events.Reload()
    return events


def _points(events: Any, tag: str) -> list[tuple[int, float]]:
    return [(event.step, pytest.approx(event.value)) for event in events.Scalars(tag)]


@needs_tensorboard
def test_event_log_is_read_back_by_tensorboard(tmp_path: Path) -> None:
    """Every number of steps and epochs at its step; what an event lacks leaves no point."""
    with EventLog(tmp_path) as log:
        for step in range(1, 4):
            log.report(_step(step, 1 / step))
        log.report(_step(3, 0.5) | {"event": "epoch", "epochs": 1, "recall@1": 0.75, "mAP@R": None})
        log.report({"event": "read", "done": 1, "total": 1})
        log.report({"event": "hint", "message": "try less"})
    events = _read(tmp_path)
    assert _points(events, "train/loss") == [(1, 1.0), (2, 0.5), (3, 1 / 3)]
    assert _points(events, "held_out/recall_at_1") == [(3, 0.75)]
    assert _points(events, "epoch/train/pct_correct") == [(3, 90.0)]
    tags = events.Tags()["scalars"]
    assert "tuples/pct_easy" not in tags
    assert "held_out/map_at_r" not in tags


@needs_tensorboard
def test_event_log_of_a_resumed_run_replaces_what_the_cut_off_one_wrote(tmp_path: Path) -> None:
    """Cut off after step 5, continued after step 3: steps 4 and 5 are there once, with the numbers of the second."""
    with EventLog(tmp_path) as log:
        for step in range(1, 6):
            log.report(_step(step, 1.0))
    with EventLog(tmp_path, first_step=4) as log:
        for step in range(4, 7):
            log.report(_step(step, 2.0))
    expected = [(1, 1.0), (2, 1.0), (3, 1.0), (4, 2.0), (5, 2.0), (6, 2.0)]
    assert _points(_read(tmp_path), "train/loss") == expected


@needs_tensorboard
def test_event_log_of_a_long_run_is_thinned(tmp_path: Path) -> None:
    """A hundred thousand steps leave about two thousand points of each number."""
    with EventLog(tmp_path) as log:
        for step in range(1, 10_001):
            log.report(_step(step, 1.0, steps=100_000))
    assert len(_points(_read(tmp_path), "train/loss")) == MAX_STEPS // 10


def test_missing_tensorboard_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The line names the extra to install, and nothing is written."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError) as caught:
        require_tensorboard()
    assert str(caught.value) == (
        "loop.tensorboard: expected the package tensorboard, got none; pip install 'lookalike[tensorboard]', or leave "
        "the setting out"
    )
    with pytest.raises(UsageError):
        EventLog(tmp_path)
    assert not list(tmp_path.iterdir())
