"""One epoch of steps: fetch ahead, forward, update, statistics, and a state on disk now and then.

Decision a reader would question: statistics stay tensors until they are shown. Reading a number off a GPU waits for all
that is queued there, so it happens every ten steps on a GPU and every step on a CPU, where it costs nothing.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor

from artifact.errors import TrainingError
from artifact.events import Report
from artifact.images.decoding import Pixels
from trainer.config.config import TrainConfig
from trainer.loop.distributed import Ranks
from trainer.loop.interruption import Interruption
from trainer.loop.saving import Saves
from trainer.loop.training import Training, step_seed
from trainer.objective.objective import Outcome
from trainer.sampling.batch import Batch
from trainer.watch.collapse import CollapseGuard

_STEPS_BETWEEN_LOOKS_ON_GPU = 10
_ROUNDING = {"loss": 6, "mean_positive": 5, "mean_negative": 5}


def train_epoch(training: Training, say: Report, *, saves: Saves, interruption: Interruption) -> dict[str, Any]:
    """Train from where the run stands to the end of its epoch.

    Args:
        saves: writes the state; at times, and before `interruption` ends the process.

    Returns:
        {"epoch" and "step" (finished), "images_per_s", "learning_rate", and the epoch's mean of every statistic}.

    Raises:
        TrainingError: a loss that is not finite, or vectors that stay at one point.
    """
    config, position, per_epoch = training.config, training.position, training.steps_of_epoch
    training.start_epoch()
    guard = CollapseGuard(config, collapsed_steps=position.collapsed)
    means = _Means(position.sums, position.counts)
    looked = position.batch
    num_images, started = 0, time.monotonic()
    shown: dict[str, Any] = {}
    for batch, pixels in _ahead(training):
        torch.manual_seed(step_seed(config.seed, training.step, training.ranks.rank))
        group, is_last = _update_group(position.batch, per_epoch, config.loop.accumulate)
        outcome = training.learn(batch, pixels, group=group, is_last=is_last)
        means.add(outcome)
        position.batch += 1
        num_images += len(batch.rows)
        is_end = position.batch == per_epoch
        if is_end or training.ranks.device.type == "cpu" or position.batch % _STEPS_BETWEEN_LOOKS_ON_GPU == 0:
            shown = means.read()
            if not math.isfinite(shown["loss"]):
                _refuse_loss(shown["loss"], training.step, config)
            guard.step(float(outcome.mean_distance), float(outcome.loss.detach()), steps=position.batch - looked)
            looked = position.batch
            shown |= {"learning_rate": training.optimizer.param_groups[0]["lr"]}
            shown |= {"images_per_s": round(num_images / max(1e-9, time.monotonic() - started), 1)}
            epoch, epochs = position.epoch + 1, config.epochs
            say(
                {"event": "step", "epoch": epoch, "epochs": epochs, "step": training.step, "steps": training.num_steps}
                | shown
            )
        if not is_last or is_end:
            continue
        stop = _asks(position.batch, group, training.ranks) and training.ranks.any(interruption.received is not None)
        if stop or saves.is_due:
            position.sums, position.counts = means.numbers()
            position.collapsed, position.scaler = guard.collapsed_steps, training.scaler.state_dict()
            saves.state()
        if stop:
            interruption.stop()
    position.epoch, position.batch, position.sums, position.counts = position.epoch + 1, 0, {}, {}
    position.collapsed, position.scaler = guard.collapsed_steps, training.scaler.state_dict()
    return {"epoch": position.epoch, "step": training.step} | shown


def _ahead(training: Training) -> Iterator[tuple[Batch, Pixels | None]]:
    """The batches that are left, each fetched in a thread while the one before it is trained on."""
    position = training.position
    batches = training.batches.epoch(position.epoch, first=position.batch)
    left = training.steps_of_epoch - position.batch
    with ThreadPoolExecutor(max_workers=1) as pool:
        waiting = None
        for batch in itertools.islice(batches, left):
            coming = batch, pool.submit(training.fetch, batch)
            if waiting is not None:
                yield waiting[0], waiting[1].result()
            waiting = coming
        if waiting is not None:
            yield waiting[0], waiting[1].result()


def _asks(batch: int, group: int, ranks: Ranks) -> bool:
    """Whether ranks ask each other for an interruption after so many batches of the epoch, the last `group` of which
    shared an update; the same on every rank.

    The answer is waited for. On GPUs that happens only where statistics are read, which waits as well.
    """
    if ranks.device.type == "cpu":
        return True
    return batch // _STEPS_BETWEEN_LOOKS_ON_GPU > (batch - group) // _STEPS_BETWEEN_LOOKS_ON_GPU


def _update_group(batch: int, per_epoch: int, accumulate: int) -> tuple[int, bool]:
    """How many batches share the update of this one, and whether it is the last of them; epochs end with an update."""
    start = batch // accumulate * accumulate
    size = min(accumulate, per_epoch - start)
    return size, batch == start + size - 1


class _Means:
    """Running means of the statistics of an epoch; a step without tuples adds nothing."""

    def __init__(self, sums: dict[str, float], counts: dict[str, float]) -> None:
        self._names: list[str] = list(sums)
        self._sums: Tensor | None = None
        self._counts: Tensor | None = None
        if sums:
            self._sums = torch.tensor(list(sums.values()), dtype=torch.float64)
            self._counts = torch.tensor([counts[name] for name in sums], dtype=torch.float64)

    def add(self, outcome: Outcome) -> None:
        statistics = _statistics(outcome)
        values = torch.stack([value.detach().double() for value in statistics.values()])
        known = ~values.isnan()
        known[0] |= True  # a loss that is not a number is not passed over
        if self._sums is None or self._counts is None:
            self._names = list(statistics)
            self._sums, self._counts = torch.zeros_like(values), torch.zeros_like(values)
        self._sums = self._sums.to(values.device) + values.where(known, torch.zeros_like(values))
        self._counts = self._counts.to(values.device) + known

    def numbers(self) -> tuple[dict[str, float], dict[str, float]]:
        """Sums and counts by name."""
        assert self._sums is not None
        assert self._counts is not None
        return (
            dict(zip(self._names, self._sums.tolist(), strict=True)),
            dict(zip(self._names, self._counts.tolist(), strict=True)),
        )

    def read(self) -> dict[str, float]:
        """The means so far, rounded for people; a statistic that was never known is left out."""
        sums, counts = self.numbers()
        return {
            name: round(total / counts[name], _ROUNDING.get(name, 2)) for name, total in sums.items() if counts[name]
        }


def _statistics(outcome: Outcome) -> dict[str, Tensor]:
    """What a line of metrics holds, by name; the loss first."""
    return {
        "loss": outcome.loss,
        "pct_active": 100 * outcome.num_active / outcome.num_tuples.clamp(min=1),
        "pct_correct": 100 * outcome.share_correct,
        "pct_easy": 100 * outcome.share_easy,
        "pct_semi_hard": 100 * outcome.share_semi_hard,
        "pct_hard": 100 * outcome.share_hard,
        "mean_positive": outcome.mean_positive,
        "mean_negative": outcome.mean_negative,
    }


def _refuse_loss(loss: float, step: int, config: TrainConfig) -> None:
    rate = config.optimizer.peak
    raise TrainingError(
        f"loss at step {step}",
        expected="a finite number",
        got=str(loss),
        mend=f"lower the learning rate (--set optimizer.learning_rate={rate / 10:g}), or use --normalize",
    )
