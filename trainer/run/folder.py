"""The run folder: the names of its files, and what training writes first.

config.yaml              every setting as used
checkpoint.safetensors   weights of the last epoch, or of the best one where that was asked for; while the run is
                         unfinished, of the last one that was validated
metrics.jsonl            one line per epoch
report.html              the finished run in one page
facts.json               data, counts, versions, final metrics, decision threshold
state.safetensors        only while unfinished: what `resume` needs
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from artifact.atomic import write_atomically
from artifact.errors import OutputError
from trainer.config.begun import with_changes
from trainer.config.config import TrainConfig, to_yaml

CONFIG, CHECKPOINT, METRICS, FACTS, STATE = (
    "config.yaml",
    "checkpoint.safetensors",
    "metrics.jsonl",
    "facts.json",
    "state.safetensors",
)


def check_output(path: Path) -> None:
    """Refuse a folder that holds anything, or that cannot be made; nothing is written. Raises OutputError."""
    if path.is_file() or (path.is_dir() and any(path.iterdir())):
        held = "a run" if (path / CONFIG).is_file() else "a file" if path.is_file() else "files"
        unfinished = (path / STATE).is_file() or (held == "a run" and not (path / CHECKPOINT).is_file())
        raise refused_output(path, got=held, also=", or continue it with --resume" if unfinished else "")
    parent = path
    while not parent.exists():
        parent = parent.parent
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise OutputError("run folder", expected="a place that can be written to", where=path)


def refused_output(path: Path, *, got: str, also: str = "") -> OutputError:
    """The refusal of a folder that is no new one; `also`: what else than another folder would do."""
    mend = f"name another folder{also}"
    return OutputError("run folder", expected="a new or empty folder", got=got, where=path, mend=mend)


def create_run(path: Path, config: TrainConfig, facts: Mapping[str, Any]) -> None:
    """Make the folder with configuration and first facts; raises OutputError, also where another run's are there."""
    if (path / CONFIG).exists():
        raise refused_output(path, got="a run")
    begin_run(path, config, facts)


def begin_run(path: Path, config: TrainConfig, facts: Mapping[str, Any]) -> None:
    """Write configuration and first facts; a run of this call that is there begins anew. Raises OutputError.

    What a run could go on from goes first: whenever this is cut off, what is left begins from the start.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        for name in (STATE, CHECKPOINT, METRICS):
            (path / name).unlink(missing_ok=True)
        write_atomically(path / CONFIG, to_yaml(config).encode())
        write_facts(path, facts)
    except OSError as error:
        raise OutputError("run folder", got=error.strerror or str(error), where=path) from None


def change_config(path: Path, config: TrainConfig, begun: TrainConfig) -> None:
    """Write the settings into config.yaml that a run going on may change and does; others, and their lack, stay.

    Args:
        config: with nothing left open.
        begun: as config.yaml has it.
    """
    values = yaml.safe_load((path / CONFIG).read_text())
    changed = with_changes(values, config, begun)
    if changed != values:
        write_atomically(path / CONFIG, yaml.safe_dump(changed, sort_keys=False).encode())


def write_facts(path: Path, facts: Mapping[str, Any]) -> None:
    """Write facts.json, replaced at once."""
    write_atomically(path / FACTS, (json.dumps(facts, indent=2, ensure_ascii=False) + "\n").encode())
