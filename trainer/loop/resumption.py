"""The resumption of an unfinished run: what is refused, and everything back where its state stands.

The first rank alone looks into the run folder; the others get what it read.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from artifact.errors import RunError
from trainer.config.begun import first_difference
from trainer.config.config import TrainConfig
from trainer.data.image_files import newly_read
from trainer.loop.preparation import Prepared
from trainer.loop.training import Training
from trainer.run.checkpoint import Position, put_state, read_state
from trainer.run.folder import METRICS, STATE, change_config
from trainer.run.saved_run import read_config, read_facts


def read_begun(output: Path, given: TrainConfig | None = None) -> TrainConfig:
    """The configuration of an unfinished run.

    Args:
        output: its folder.
        given: as the user wrote it, whose length is compared: it decides how the run goes on.

    Raises:
        RunError: there is no run, a finished one, or one of another length.
    """
    if not output.is_dir():
        raise RunError("run to resume", expected="an unfinished run", got="nothing there", where=output)
    facts = read_facts(output)
    if "end_time" in facts:
        raise RunError("run to resume", expected="an unfinished run", got="a finished run", where=output)
    begun = read_config(output)
    if given is not None:
        minutes = None if given.minutes is None else round(given.minutes, 4)  # as facts.json has it
        settled = facts.get("budget", {}).get("minutes")
        lengths = (
            ("minutes", settled, minutes),
            ("steps", begun.steps, given.steps),
            ("epochs", begun.epochs, given.epochs),
        )
        for key, saved, wanted in lengths:
            if wanted not in (None, saved):
                raise _other_setting(key, saved, wanted, where=output)
    return begun


def _other_setting(key: str, saved: Any, wanted: Any, *, where: Path) -> RunError:
    """The refusal of a setting that is not what the run began with."""
    mend = "resume with the same settings, or train into another folder"
    expected, got = (
        "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
        for value in (saved, wanted)
    )
    return RunError(f"{key} of the run to resume", expected=expected, got=got, where=where, mend=mend)


def resume_training(training: Training) -> None:
    """Put a run back where its state stands, or at its start where there is no state yet.

    Args:
        training: before its first step; its weights, optimizer, average, position and lines are set. In its folder
            only config.yaml changes, where settings differ that may.

    Raises:
        RunError: no unfinished run, another configuration, other images, or files that are damaged.
    """
    output = training.folder
    state, lines = training.ranks.on_first(partial(_read, output, training.prepared))
    if state is None:
        training.position, training.lines = Position(), []
        return
    position, tensors = state
    put_state(tensors, training.branch, training.optimizer, training.average, where=output)
    training.scaler.load_state_dict(position.scaler)
    training.position, training.lines = position, lines


def begin_again(output: Path, prepared: Prepared) -> None:
    """Let a run go on that has no state: only config.yaml changes, where settings differ that may.

    Raises:
        RunError: no unfinished run, another configuration, or other images.
    """
    begun = read_begun(output)
    _check_resume(output, prepared, begun)
    change_config(output, prepared.config, begun)


def _read(output: Path, prepared: Prepared) -> tuple[tuple[Position, dict[str, Tensor]] | None, list[dict[str, Any]]]:
    """State and lines of metrics of a run that may go on with these settings and images."""
    begun = read_begun(output)
    _check_resume(output, prepared, begun)
    state, lines = None, []
    if (output / STATE).is_file():
        state = read_state(output)
        lines = _metrics_until(output, state[0].epoch)
    change_config(output, prepared.config, begun)
    return state, lines


def _check_resume(output: Path, prepared: Prepared, begun: TrainConfig) -> None:
    """Refuse to continue what was something else; no epoch need be finished yet."""
    difference = first_difference(prepared.config, begun)
    if difference is not None:
        raise _other_setting(*difference, where=output)
    if read_facts(output).get("data_sha256") != prepared.data_sha256:
        sides = [side.files for side in (prepared.train, prepared.held_out) if side is not None]
        also = next(filter(None, map(newly_read, sides)), None)
        mend = "train into another folder" + (f", or {also}" if also else "")
        raise RunError("images of the run to resume", expected="unchanged", got="changed", where=output, mend=mend)


def _metrics_until(output: Path, epoch: int) -> list[dict[str, Any]]:
    """The lines of the finished epochs that the state knows of; those beyond are left out and come again."""
    file = output / METRICS
    try:
        lines = [json.loads(line) for line in file.read_text().splitlines()] if file.is_file() else []
        kept = [line for line in lines if line["epoch"] <= epoch]
    except (ValueError, KeyError, TypeError) as error:
        raise RunError("metrics of the run to resume", expected="JSON lines", got=str(error), where=file) from None
    if len(kept) != epoch:
        raise RunError("metrics of the run to resume", expected=f"{epoch} epochs", got=str(len(kept)), where=file)
    return kept
