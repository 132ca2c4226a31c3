"""An event log for TensorBoard: the training's own events, written beside the run's other files.

Decisions a reader would question:
- TensorBoard is an extra of its own. Where it is missing, a run that asks for it is refused before any image is read,
  not after an epoch.
- Steps are thinned to a few thousand points a run; the means of whole epochs are all there, in metrics.jsonl too.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from artifact.errors import UsageError

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

FOLDER = "tensorboard"
"""In the run folder; `tensorboard --logdir` takes it, or the folder of many runs."""

MAX_STEPS = 2_000

_GROUPS = {
    "loss": "train/loss",
    "pct_active": "train/pct_active",
    "pct_correct": "train/pct_correct",
    "pct_easy": "tuples/pct_easy",
    "pct_semi_hard": "tuples/pct_semi_hard",
    "pct_hard": "tuples/pct_hard",
    "mean_positive": "distance/mean_positive",
    "mean_negative": "distance/mean_negative",
    "learning_rate": "train/learning_rate",
    "images_per_s": "speed/images_per_s",
    "recall@1": "held_out/recall_at_1",
    "mAP@R": "held_out/map_at_r",
    "held_out_pct_correct": "held_out/pct_correct",
}


def require_tensorboard() -> None:
    """Raise UsageError where the package is not installed; imports nothing."""
    if importlib.util.find_spec("tensorboard") is None:
        raise UsageError(
            "loop.tensorboard",
            expected="the package tensorboard",
            got="none",
            mend="pip install 'lookalike[tensorboard]', or leave the setting out",
        )


class EventLog:
    """A writer of the numbers in training's events; a context manager.

    Args:
        run: the run folder; files go into its folder `tensorboard`.
        first_step: the first step that will be reported, 1 for a new run. What was written before at this step or
            later, by a run that was cut off or begins again, is left out of the curves.
    """

    def __init__(self, run: Path, *, first_step: int = 1) -> None:
        require_tensorboard()
        from torch.utils.tensorboard import SummaryWriter

        self._writer: SummaryWriter = SummaryWriter(Path(run) / FOLDER, purge_step=first_step)

    def __enter__(self) -> EventLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()

    def report(self, event: Mapping[str, Any]) -> None:
        """Write the numbers of a `step` or `epoch` event, and the words of a warning; others are passed over."""
        match event["event"]:
            case "step" if event["step"] % max(1, event["steps"] // MAX_STEPS) == 0:
                self._numbers(event, "")
            case "epoch":
                self._numbers(event, "epoch/")
                self._writer.flush()
            case "warning" | "hint":
                self._writer.add_text("notes", event["message"])

    def _numbers(self, event: Mapping[str, Any], prefix: str) -> None:
        for key, tag in _GROUPS.items():
            value = event.get(key)
            if isinstance(value, int | float) and math.isfinite(value):
                name = tag if tag.startswith("held_out/") else prefix + tag
                self._writer.add_scalar(name, value, event["step"])
