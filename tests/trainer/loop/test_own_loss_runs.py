"""Whole runs with a user's own loss: loaded and tried out once a run, again by a resumed one, never by a reader."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from artifact.errors import UsageError
from tests.shared.shapes_run import fit_small
from trainer.objective import own_loss
from trainer.run.saved_run import load_run

MODULE = "losses_of_a_run"
SOURCE = """
import torch

def hinge(positive, negative, negative2, *, margin):
    return torch.relu(positive - negative + margin) + torch.relu(positive - negative2 + margin)

def small_only(positive, negative, negative2, *, margin):
    return hinge(positive, negative, negative2, margin=margin)[:2]
"""


@pytest.fixture(autouse=True)
def _own_losses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / f"{MODULE}.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    sys.modules.pop(MODULE, None)


@pytest.mark.parametrize("strategy", ["balanced", "rounds"])
def test_own_loss_is_loaded_once_a_run(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strategy: str
) -> None:
    """Settings, batches and objective share one; a resumed run loads it anew, and reading a run needs none of it."""
    loaded: list[str] = []
    load = own_loss.load_user_object

    def counted(name: str, **where: Any) -> Any:
        loaded.append(name)
        return load(name, **where)

    monkeypatch.setattr(own_loss, "load_user_object", counted)
    values: dict[str, Any] = {"kind": "quartet", "loss": f"{MODULE}:hinge"}
    values["sampling"] = {"strategy": strategy} | ({"images_per_class": 6} if strategy == "balanced" else {})

    def stop(event: dict[str, Any]) -> None:
        if event["event"] == "step" and event["epoch"] == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_small(shapes, tmp_path / "run", report=stop, **values)
    assert loaded == [f"{MODULE}:hinge"]
    fit_small(shapes, tmp_path / "run", resume=True, **values)
    assert len(loaded) == 2
    load_run(tmp_path / "run")
    assert len(loaded) == 2


def test_own_loss_is_checked_on_every_batch(shapes: Path, tmp_path: Path) -> None:
    """A result that fits the trial's two rows alone ends the run in one line."""
    with pytest.raises(UsageError, match=rf"^result of the loss {MODULE}:small_only: expected one float per tuple"):
        fit_small(shapes, tmp_path / "run", kind="quartet", loss=f"{MODULE}:small_only")
