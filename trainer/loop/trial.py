"""A trial of the steps to come: what they, a look at what is held out and the end of the run will take.

Decisions a reader would question:
- Steps are those of the loop itself, `train_epoch` on the run's own images, so nothing that costs time there is left
  out. They move a copy of the network, with an optimizer of its own and a learning rate next to nothing: the run that
  follows finds its network, and torch's generators, as if nobody had tried.
- While layers are frozen a step costs less, so each phase of freezing is tried by itself: the one that the run begins
  with, which is the cheapest; then the last one that the budget can come to, the dearest; then those between. What
  lies between and has had no trial is taken to cost what the next one does that had. Features that will be computed
  once stand there as random numbers.
- Where one step takes longer than all of them may, it is timed once after one to warm up. On a processor, where the
  one to warm up takes many seconds and twice what all may, it is all there is: what it sets up takes a second at most,
  so the run ends early rather than late.
"""

from __future__ import annotations

import copy
import math
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from analysis.measures.pairs import MAX_PAIRS, choose_pairs
from analysis.measures.retrieval import retrieval_metrics
from analysis.measures.threshold import threshold_of_pairs
from artifact.arrays import Indices
from artifact.errors import UsageError
from trainer.config.config import MAX_EPOCHS
from trainer.config.head import LDA, why_trained
from trainer.config.progressive import pace
from trainer.config.settings import FreezeConfig, ProgressiveConfig
from trainer.data.images import Images
from trainer.loop.assessment import embed
from trainer.loop.attribute_measures import growth_at_end, measure_attributes
from trainer.loop.distributed import Ranks
from trainer.loop.epoch import train_epoch
from trainer.loop.interruption import Interruption
from trainer.loop.kept_memory import kept_memory
from trainer.loop.preparation import Prepared
from trainer.loop.saving import Saves
from trainer.loop.training import Training, make_training
from trainer.run.checkpoint import Position
from trainer.weights.freezing import num_free_stages
from trainer.weights.frozen_features import FrozenFeatures, features_stay

_MAX_STEPS = 100
_DEAR, _DEAR_S = 2.0, 5.0
"""Of a step that is not made twice: so many times what all of them may take, and seconds."""
_SAMPLE = 500
_FEW_IMAGES, _IMAGES = 16, 128
_PAGE_S = 2.5
"""Of the report, most of which is drawing."""


@dataclass(frozen=True, kw_only=True)
class Phase:
    """Epochs with as many stages free: the first of them, from 0, and the seconds of a step."""

    first_epoch: int
    step_s: float


@dataclass(frozen=True, kw_only=True)
class Costs:
    """Seconds of what is to come.

    Attributes:
        phases: of training, in order, in images of the input's size; the last one lasts to the end. The budget does not
            come to those after the last that was tried, which stand with its seconds.
        look_s: of one look at what is held out.
        end_s: of the end of the run, and of features that are computed once.
        smaller: seconds of a step in smaller images (trainer/config/progressive.py) as a share of those in full.
    """

    phases: tuple[Phase, ...]
    look_s: float
    end_s: float
    smaller: float = 1.0


def try_out(
    prepared: Prepared, ranks: Ranks, folder: Path, *, allowance_s: float, budget_s: float, comes_early: bool = False
) -> Costs:
    """Try steps and the rest out; all ranks together.

    Args:
        prepared: stays as it is.
        allowance_s: for the steps; the fewest that say anything are taken all the same.
        budget_s: what is left of the run's time, this trial included.
        comes_early: frozen epochs give way where the budget would not come to the others, so it comes to all phases.

    Raises:
        UsageError: a network that cannot be copied.
    """
    started = time.monotonic()

    def left(of_seconds: float) -> float:
        return cast(float, ranks.agree(of_seconds - (time.monotonic() - started)))

    with torch.random.fork_rng(devices=range(torch.cuda.device_count())), kept_memory():
        trial = _training(prepared, ranks, folder)
        firsts = phase_starts(prepared.config.freeze, len(prepared.base.stages))
        seconds = {0: _time_steps(trial, 0, allowance_s=allowance_s / len(firsts))}
        within = math.inf if comes_early else left(budget_s)
        fastest = seconds[0] * trial.batches.per_epoch * pace(prepared.config)
        *between, last = [first for first in firsts if first * fastest <= within]
        untried = [first for first in (last, *between) if first]
        for number, first in enumerate(untried):
            if first == last or left(allowance_s) > 0:
                share = left(allowance_s) / (len(untried) - number)
                seconds[first] = _time_steps(trial, first, allowance_s=share)
        phases = tuple(Phase(first_epoch=first, step_s=_at_most(seconds, first)) for first in firsts)
        smaller = _time_smaller(trial, prepared.config.progressive, last, allowance_s=allowance_s / 3)
        look, end = ranks.agree(_time_rest(trial, allowance_s=allowance_s / 3) if ranks.is_first else None)
    share = 1.0 if smaller is None else smaller / seconds[last]
    return Costs(phases=phases, smaller=share, look_s=look, end_s=end)


def _at_most(seconds: Mapping[int, float], first: int) -> float:
    """Seconds of a step of a phase: of itself, else of the next one that was tried, else of the last that was."""
    return seconds[min((tried for tried in seconds if tried >= first), default=max(seconds))]


def phase_starts(freeze: FreezeConfig, num_stages: int) -> list[int]:
    """The first epochs (from 0) of each phase of freezing, rising."""
    later = [(freeze.epochs or 0) + number * freeze.unfreeze_every for number in range(num_stages)]
    starts: list[int] = []
    for epoch in sorted({0, *(first for first in later if first < MAX_EPOCHS)}):
        free = num_free_stages(epoch, num_stages, freeze)
        if not starts or free != num_free_stages(starts[-1], num_stages, freeze):
            starts.append(epoch)
    return starts


def _training(prepared: Prepared, ranks: Ranks, folder: Path) -> Training:
    """A run that moves a copy of the network, and hardly."""
    config = prepared.config
    config = config.model_copy(
        update={
            "epochs": MAX_EPOCHS,
            "minutes": None,
            "progressive": ProgressiveConfig(share=0.0),
            "optimizer": config.optimizer.model_copy(update={"learning_rate": 1e-12}),
            "loop": config.loop.model_copy(update={"max_collapsed_steps": 0, "save_every_s": math.inf}),
        }
    )
    try:
        base = copy.deepcopy(prepared.base)
    except Exception as error:  # a user's own module may refuse in any way
        got = f"one that cannot be copied for a trial ({' '.join(str(error).split())[:120]})"
        expected, mend = "a network that copy.deepcopy takes", "use --epochs"
        raise UsageError("base network of a run with --minutes", expected=expected, got=got, mend=mend) from None
    return make_training(replace(prepared, config=config, base=base), ranks, folder)


def _time_steps(trial: Training, epoch: int, *, allowance_s: float) -> float:
    """Seconds of a step of this epoch: one to warm up, two, and as many more as there is time for; fewer dear ones."""
    if features_stay(epoch, trial.config.freeze, trial.config.augment) and trial.ranks.size == 1:
        trial.frozen = cast(FrozenFeatures, _AnyFeatures(trial))
    seconds = _run(trial, epoch, 1)
    warm_s = trial.ranks.agree(sum(seconds))
    sets_up = trial.ranks.device.type != "cpu" or trial.config.loop.compile
    if sets_up or warm_s < max(_DEAR_S, _DEAR * allowance_s):
        few = 1 if warm_s > allowance_s / 2 else 2
        seconds = _run(trial, epoch, few)
        more = int((allowance_s - warm_s - sum(seconds)) / max(sum(seconds) / few, 1e-6))
        more = trial.ranks.agree(min(max(more, 0), _MAX_STEPS))
        seconds += _run(trial, epoch, more) if more else []
    trial.frozen = None
    took: float = trial.ranks.agree(_typical(seconds))
    return took


def _time_smaller(trial: Training, asked: ProgressiveConfig, epoch: int, *, allowance_s: float) -> float | None:
    """Seconds of a step of this epoch in smaller images; None where there are none."""
    if not asked.share:
        return None
    full = trial.prepared
    always = asked.model_copy(update={"share": 1.0})
    trial.prepared = replace(full, config=full.config.model_copy(update={"progressive": always}))
    took = _time_steps(trial, epoch, allowance_s=allowance_s)
    trial.prepared = full
    return took


def _typical(seconds: list[float]) -> float:
    """The mean without the slowest and the fastest fifth: one hiccup of the machine is no step of the run."""
    ordered = sorted(seconds)
    cut = len(ordered) // 5
    return statistics.fmean(ordered[cut : len(ordered) - cut])


def _run(trial: Training, epoch: int, count: int) -> list[float]:
    """Seconds of each of so many steps from the start of this epoch, again and again where it has not as many."""
    per_epoch, seconds, clock = trial.batches.per_epoch, list[float](), [time.monotonic(), 0.0]

    def step(event: Mapping[str, Any]) -> None:
        if event["event"] == "step":  # on a GPU not one a step
            now, done = time.monotonic(), event["step"] - clock[1]
            seconds.extend([(now - clock[0]) / done] * int(done))
            clock[:] = now, event["step"]

    while count > 0:
        clock[1] = epoch * per_epoch
        steps = epoch * per_epoch + min(count, per_epoch)
        config = trial.config.model_copy(update={"steps": steps})
        trial.prepared, trial.position = replace(trial.prepared, config=config), Position(epoch=epoch)
        train_epoch(trial, step, saves=Saves(trial), interruption=Interruption())
        count -= per_epoch
    return seconds


def _time_rest(trial: Training, *, allowance_s: float) -> tuple[float, float]:
    """Seconds of a look at what is held out, and of the end."""
    train, held_out = trial.prepared.train, trial.prepared.held_out
    image = _seconds_of_image(trial, train, allowance_s=allowance_s)
    num_classes = len(train.files.classes) if trial.prepared.has_classes else 0
    is_closed = why_trained(trial.config, num_classes=num_classes) is None
    features = image * len(train) if is_closed else 0.0
    stays = features_stay(0, trial.config.freeze, trial.config.augment)
    computed = image * len(train) if stays or trial.config.first_head == LDA else 0.0
    if held_out is None:
        return 0.0, _PAGE_S + features + computed
    embedded = image * len(held_out)
    if trial.prepared.held_out_tuples is not None:
        return embedded, _PAGE_S + embedded + features + computed
    if trial.prepared.rows is not None:
        vectors = np.random.default_rng(0).standard_normal((len(held_out), trial.config.dim), np.float32)
        looked = _seconds(lambda: measure_attributes(trial, trial.kept_branch, vectors))
        at_end = looked * growth_at_end(len(held_out), trial.prepared.rows.attributes)
        return embedded + looked, _PAGE_S + embedded + at_end + features + computed
    ranked, paired = _seconds_of_measures(held_out.labels, trial.config.dim, distance=trial.config.distance)
    return embedded + ranked, _PAGE_S + embedded + ranked + paired + features + computed


def _seconds_of_image(trial: Training, images: Images, *, allowance_s: float) -> float:
    """Of one image in evaluation mode; the first few warm up."""

    def seconds_of(count: int) -> float:
        some = images.take(np.arange(min(count, len(images)), dtype=np.int64))
        return _seconds(lambda: embed(trial.kept_branch, some)) / len(some)

    warm_s = seconds_of(_FEW_IMAGES)
    return seconds_of(min(_IMAGES, max(_FEW_IMAGES, int(allowance_s / max(warm_s, 1e-6)))))


def _seconds_of_measures(labels: Indices, dim: int, *, distance: str) -> tuple[float, float]:
    """Of retrieval, and of pairs with their threshold: on random vectors, of many held-out images on a sample."""
    some = labels[:_SAMPLE]
    vectors = np.random.default_rng(0).standard_normal((len(some), dim), np.float32)
    growth = (len(labels) / len(some)) ** 2
    ranked = _seconds(lambda: retrieval_metrics(vectors, some, distance=distance, ks=(1,)))
    paired = _seconds(lambda: threshold_of_pairs(choose_pairs(vectors, some, distance=distance, seed=0)))
    return growth * ranked, min(growth, MAX_PAIRS / (len(some) ** 2 / 2)) * paired


def _seconds(act: Callable[[], object]) -> float:
    started = time.monotonic()
    act()
    return time.monotonic() - started


class _AnyFeatures:
    """Random numbers in the place of features that will be computed once."""

    def __init__(self, trial: Training) -> None:
        self._width, self._device = trial.branch.num_features, trial.ranks.device

    def rows(self, indices: Indices) -> Tensor:
        """float32 [n, num_features]."""
        return torch.randn(len(indices), self._width, device=self._device)
