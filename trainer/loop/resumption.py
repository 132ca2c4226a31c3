"""The resumption of an unfinished run: what is refused, and everything back where its state stands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from artifact.errors import RunError
from trainer.data.image_files import newly_read
from trainer.loop.preparation import Prepared
from trainer.loop.training import Training
from trainer.run.checkpoint import Position, load_state
from trainer.run.folder import METRICS, STATE
from trainer.run.saved_run import read_config, read_facts

_FORMER_DEFAULTS: dict[str, tuple[Any, Any]] = {"max_bad_images": (0, None)}
"""(default of earlier versions, default) of settings that only decide what is refused: with either it is one run."""
_DECIDE_NOTHING = ("read_timeout_s", "split_folders")
"""Settings that may be others when a run goes on: how long is waited changes no image that came, and what a run that
has begun is trained on is no question any more.
"""
_LIMITS = ("max_megapixels", "max_image_mb")
"""Settings that runs of older versions do not have: their images, which the data hash tells, say what was left out."""


def resume_training(output: Path, training: Training) -> None:
    """Put a run back where its state stands, or at its start where there is no state yet.

    Args:
        output: the run folder; nothing in it is changed.
        training: before its first step; its weights, optimizer, average, position and lines are set.

    Raises:
        RunError: no unfinished run, another configuration, other images, or files that are damaged.
    """
    check_resume(output, training.prepared)
    if (output / STATE).is_file():
        position = load_state(output, training.branch, training.optimizer, training.average)
        training.scaler.load_state_dict(position.scaler)
        training.position, training.lines = position, _metrics_until(output, position.epoch)
    else:
        training.position = Position()


def check_resume(output: Path, prepared: Prepared) -> None:
    """Refuse to continue what is not there, is finished, or was something else; no epoch need be finished yet.

    Raises:
        RunError: what is refused.
    """
    if not output.is_dir():
        raise RunError("run to resume", expected="an unfinished run", got="nothing there", where=output)
    facts = read_facts(output)
    if "end_time" in facts:
        raise RunError("run to resume", expected="an unfinished run", got="a finished run", where=output)
    config = read_config(output)
    saved, wanted = (_flat(each.model_dump(mode="json")) for each in (config, prepared.config))
    for key, value in wanted.items():
        if key in _DECIDE_NOTHING or (key in _LIMITS and key not in config.model_fields_set):
            continue
        if saved[key] != value and (saved[key], value) != _FORMER_DEFAULTS.get(key):
            mend = "resume with the same settings, or train into another folder"
            raise RunError(
                f"{key} of the run to resume", expected=str(saved[key]), got=str(value), where=output, mend=mend
            )
    if facts["data_sha256"] != prepared.data_sha256:
        sides = [side.files for side in (prepared.train, prepared.held_out) if side is not None]
        also = next(filter(None, map(newly_read, sides)), None)
        mend = "train into another folder" + (f", or {also}" if also else "")
        raise RunError("images of the run to resume", expected="unchanged", got="changed", where=output, mend=mend)


def _flat(values: dict[str, Any]) -> dict[str, Any]:
    """`group.setting` for every setting, so that a changed one is refused by its name."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= {f"{key}.{name}": inner for name, inner in value.items()} if isinstance(value, dict) else {key: value}
    return flat


def _metrics_until(output: Path, epoch: int) -> list[dict[str, Any]]:
    """The lines of the finished epochs; one of an epoch whose state was not written any more is left out."""
    file = output / METRICS
    try:
        lines = [json.loads(line) for line in file.read_text().splitlines()] if file.is_file() else []
        kept = [line for line in lines if line["epoch"] <= epoch]
    except (ValueError, KeyError, TypeError) as error:
        raise RunError("metrics of the run to resume", expected="JSON lines", got=str(error), where=file) from None
    if len(kept) != epoch:
        raise RunError("metrics of the run to resume", expected=f"{epoch} epochs", got=str(len(kept)), where=file)
    return kept
