"""A run as far as it is measured: its branch, and the images, settings and loss that it is measured by.

What moves the weights is added by Training (training.py); a run without a step has no more than this.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainer.config.config import TrainConfig
from trainer.loop.preparation import Prepared
from trainer.networks.branch import Branch
from trainer.objective.objective import Objective


@dataclass(kw_only=True)
class Assessed:
    """A run that can be measured.

    Attributes:
        prepared: configuration, base network and images.
        folder: the run folder.
        branch: one image in, one vector out.
        objective: vectors of a batch to one loss.
        lines: metrics of the finished epochs.
    """

    prepared: Prepared
    folder: Path
    branch: Branch
    objective: Objective
    lines: list[dict[str, Any]] = field(default_factory=list)

    @property
    def config(self) -> TrainConfig:
        return self.prepared.config


def make_objective(prepared: Prepared) -> Objective:
    """The objective of a configuration with nothing left open."""
    config = prepared.config
    return Objective(
        loss=prepared.loss,
        distance=config.distance,
        mining=str(config.mining),
        margin=float(config.margin or 0),
        margin2=float(config.margin2 or 0),
    )
