"""The epochs that are validated, the one whose weights are kept, and the end of patience: pure functions of the
settings and the lines of metrics.jsonl.

Decision a reader would question: the last epoch is kept unless the best is asked for. A cosine schedule makes the last
the best but for noise, and choosing by the held-out metrics makes those metrics, and the threshold, too good.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trainer.config.config import TrainConfig
from trainer.config.settings import LoopConfig

Lines = Sequence[Mapping[str, Any]]


def is_validated(epoch: int, config: TrainConfig) -> bool:
    """Whether held-out images are looked at after this epoch (from 1); its cadence is filled in by then."""
    every = config.loop.validate_every
    assert every is not None
    return epoch % every == 0 or epoch == config.epochs


def best_epoch(lines: Lines, metric: str | None) -> int | None:
    """The epoch (from 1) with the highest `metric`, the earliest of equal ones; None where none was validated."""
    measured = [(line[metric], -line["epoch"]) for line in lines if metric and line.get(metric) is not None]
    return -max(measured)[1] if measured else None


def is_kept(lines: Lines, config: LoopConfig) -> bool:
    """Whether the weights after the last line are, so far, the ones to keep."""
    return config.keep != "best" or best_epoch(lines, config.metric) in (None, lines[-1]["epoch"])


def kept_line(lines: Lines, config: LoopConfig) -> Mapping[str, Any]:
    """The metrics of the weights that were kept."""
    best = best_epoch(lines, config.metric) if config.keep == "best" else None
    return lines[-1] if best is None else next(line for line in lines if line["epoch"] == best)


def is_out_of_patience(lines: Lines, config: LoopConfig) -> bool:
    """Whether this epoch was validated and the best one lies `patience` epochs back."""
    best = best_epoch(lines, config.metric)
    if config.patience is None or best is None or lines[-1].get(str(config.metric)) is None:
        return False
    return bool(lines[-1]["epoch"] - best >= config.patience)
