"""Settings that runs of before do not have: what these runs mean, where it is not today's default.

A run whose config.yaml lacks one of them is read, and goes on, as it was begun.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from trainer.config.config import TrainConfig
from trainer.run.folder import CONFIG

_MEANT: dict[str, Any] = {"head": "trained", "head_classes": 0}


def with_former(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a config.yaml, with what it meant by settings that it does not have."""
    return {**_MEANT, **values}


def as_begun(config: TrainConfig, path: Path) -> TrainConfig:
    """The configuration that a run is resumed with, as the run in `path` was begun where the user left that open.

    What cannot be read there is left for others to refuse.
    """
    try:
        values = yaml.safe_load((path / CONFIG).read_text())
    except (OSError, ValueError, yaml.YAMLError):
        return config
    if not isinstance(values, dict):
        return config
    begun = {
        name: meant for name, meant in _MEANT.items() if name not in values and name not in config.model_fields_set
    }
    return config.model_copy(update=begun)
