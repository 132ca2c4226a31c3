"""A run as far as it is measured: its branch, and the images, settings and loss that it is measured by.

What moves the weights is added by Training (training.py); a run without a step has no more than this.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from artifact.kinds import KINDS
from trainer.config.config import TrainConfig
from trainer.config.towers import MINED
from trainer.loop.preparation import Prepared
from trainer.networks.branch import Branch
from trainer.objective.objective import Objective
from trainer.towers.objective import TowersObjective


@dataclass(kw_only=True)
class Assessed:
    """A run that can be measured.

    Attributes:
        prepared: configuration, base network and images.
        folder: the run folder.
        branch: one image in, one vector out.
        objective: vectors of a batch to one loss.
        towers_objective: the same of images and rows of attributes, where there are two towers.
        lines: metrics of the finished epochs.
    """

    prepared: Prepared
    folder: Path
    branch: Branch
    objective: Objective
    lines: list[dict[str, Any]] = field(default_factory=list)
    towers_objective: TowersObjective | None = None

    @property
    def config(self) -> TrainConfig:
        return self.prepared.config


def make_towers_objective(prepared: Prepared) -> TowersObjective | None:
    """The objective of two towers, of a configuration with nothing left open; None where there is one."""
    config = prepared.config
    if prepared.rows is None:
        return None
    return TowersObjective(
        of_tuples=make_objective(prepared),
        num_streams=len(KINDS[config.kind].streams),
        is_mined=config.negatives == MINED,
        both_ways=config.towers.both_ways,
        temperature=config.towers.temperature,
    )


def make_objective(prepared: Prepared) -> Objective:
    """The objective of a configuration with nothing left open."""
    config = prepared.config
    return Objective(
        loss=prepared.loss,
        distance=config.distance,
        mining=str(config.mining),
        margin=float(config.margin or 0),
        margin2=float(config.margin2 or 0),
        cap=config.cap or math.inf,
    )
