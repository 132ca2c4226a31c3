"""A run under way: weights, optimizer, average and the place in the schedule, tied together once.

Decision a reader would question: everything random in a step is a function of (seed, step) through `step_seed`, torch's
global generator included (base networks drop units and paths). So a run cut off anywhere continues bit by bit.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from artifact.errors import TrainingError
from artifact.images.decoding import Pixels
from artifact.kinds import ATTRIBUTES
from trainer.augment.augmentation import augment
from trainer.config.length import num_epochs, steps_of_epoch
from trainer.config.progressive import progress, side_of_step
from trainer.loop.assessed import Assessed, make_objective, make_towers_objective
from trainer.loop.distributed import Ranks, apart
from trainer.loop.preparation import Prepared
from trainer.loop.shares import fill_batches
from trainer.networks.base_networks import make_branch
from trainer.networks.branch import Branch
from trainer.objective.objective import Outcome
from trainer.run.checkpoint import Position
from trainer.sampling.batch import Batch, Batches
from trainer.sampling.batches import make_batches
from trainer.towers.candidates import Candidates
from trainer.weights.averaging import make_average
from trainer.weights.freezing import apply_freeze
from trainer.weights.frozen_features import FrozenFeatures, features_stay
from trainer.weights.optimizers import learning_rate, make_optimizer, set_learning_rate
from trainer.weights.precision import InPrecision


@dataclass(kw_only=True)
class Training(Assessed):
    """A run under way.

    Attributes:
        ranks: the processes that train together.
        own_module, module: the branch in its precision, compiled where asked; and the same joined over ranks.
        optimizer, scaler: what moves the weights; the scaler does nothing but in float16.
        average: the moving average of the weights, or None.
        batches: where batches come from.
        position: where the run stands.
    """

    ranks: Ranks
    own_module: nn.Module
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    average: AveragedModel | None
    batches: Batches
    position: Position = field(default_factory=Position)
    frozen: FrozenFeatures | None = None
    module: nn.Module = field(default_factory=nn.Identity)
    num_free_stages: int = -1

    @property
    def num_steps(self) -> int:
        return self.config.steps or num_epochs(self.config) * self.batches.per_epoch

    @property
    def steps_of_epoch(self) -> int:
        """Steps of the epoch under way; the last one may end early."""
        return steps_of_epoch(self.config, self.position.epoch, per_epoch=self.batches.per_epoch)

    @property
    def step(self) -> int:
        """Steps that are done."""
        return min(self.num_steps, self.position.epoch * self.batches.per_epoch + self.position.batch)

    @property
    def kept_branch(self) -> Branch:
        """The branch whose weights are validated and written: the average where there is one."""
        if self.average is None:
            return self.branch
        return cast(Branch, self.average.module)

    def start_epoch(self) -> None:
        """Freeze and unfreeze what this epoch asks for, and switch to training mode."""
        epoch, config = self.position.epoch, self.config
        num_free = apply_freeze(self.branch, self.prepared.base, config.freeze, epoch)
        if num_free != self.num_free_stages:  # ranks add up what trained when they were joined
            self.module, self.num_free_stages = self.ranks.wrap(self.own_module), num_free
        if not features_stay(epoch, config.freeze, config.augment) or self.ranks.size > 1:
            self.frozen = None
        elif self.frozen is None:
            self.frozen = FrozenFeatures(self.branch, self.prepared.train, folder=self.folder)

    def fetch(self, batch: Batch) -> Pixels | None:
        """Pixels of this rank's images; None where their features are known."""
        return None if self.frozen is not None else self.prepared.train.pixels(self.ranks.share(batch.rows))

    def forward(self, batch: Batch, pixels: Pixels | None) -> Outcome:
        """Loss and statistics of the whole batch, with gradients to this rank's images."""
        if batch.candidates is not None:
            return self._forward_towers(batch, batch.candidates, pixels)
        if self.frozen is not None:
            vectors = self.branch.head(self.frozen.rows(batch.rows))
        else:
            assert pixels is not None
            vectors = self.ranks.gather(self._embedded(self._augmented(pixels)), len(batch.rows))
        if batch.tuples is None:
            return self.objective(vectors, torch.from_numpy(self.prepared.train.labels[batch.rows]))
        different = None if batch.different is None else torch.from_numpy(batch.different).to(self.ranks.device)
        tuples = torch.from_numpy(batch.tuples).to(self.ranks.device)
        return self.objective(vectors, tuples=tuples, different=different)

    def _forward_towers(self, batch: Batch, candidates: Candidates, pixels: Pixels | None) -> Outcome:
        """`forward` of images and rows of attributes; every rank computes all rows, which are few numbers each."""
        assert self.towers_objective is not None
        device = self.ranks.device
        rows = torch.from_numpy(candidates.rows).to(device)
        if self.frozen is not None:
            vectors, of_rows = self.branch.head(self.frozen.rows(batch.rows)), self.branch.towers[ATTRIBUTES](rows)
        else:
            assert pixels is not None
            own, of_rows = self.module(self._augmented(pixels), rows)
            vectors = self.ranks.gather(own, len(batch.rows))
        fits = torch.from_numpy(candidates.fits).to(device)
        return self.towers_objective(vectors[: candidates.num_images], of_rows, fits)

    def _augmented(self, pixels: Pixels) -> Tensor:
        """This rank's images of the step, changed at random."""
        generator = torch.Generator().manual_seed(step_seed(self.config.seed, self.step, self.ranks.rank, 1))
        images = torch.from_numpy(pixels).to(self.ranks.device, non_blocking=True)
        side = side_of_step(self.config, self.step, self.num_steps)
        return augment(images, self.config.augment, generator=generator, side=side)

    def _embedded(self, images: Tensor) -> Tensor:
        """Vectors of this rank's images; raises TrainingError where batch normalisation is left one value of them.

        A whole share of one image is none of these (trainer/sampling/filling.py), but a layer that parts its batch,
        such as ghost batch normalisation, may come to one.
        """
        try:
            vectors: Tensor = self.module(images)
        except ValueError as error:
            if "more than 1 value per channel" not in str(error):
                raise
            raise TrainingError(
                f"batch of {len(images)} images",
                expected="one that no layer parts into single images",
                got=str(error),
                mend="change sampling.images_per_class or sampling.tuples_per_batch",
            ) from None
        return vectors

    def learn(self, batch: Batch, pixels: Pixels | None, *, group: int, is_last: bool) -> Outcome:
        """One batch forward and backward, and after the last of its group of batches a move of the weights.

        Ranks add their gradients up with the last one of the group. That is said around the forward pass already:
        there it is decided whether the backward pass will wait for the others.
        """
        with contextlib.nullcontext() if is_last else apart(self.module):
            outcome = self.forward(batch, pixels)
            self.update(outcome.loss, group=group, is_last=is_last)
        return outcome

    def update(self, loss: Tensor, *, group: int, is_last: bool) -> None:
        """Gradients of one batch, and after the last of its group of batches a move of the weights."""
        self.scaler.scale(loss / group).backward()  # type: ignore[no-untyped-call]
        if not is_last:
            return
        done = progress(self.config, self.step, self.num_steps)
        set_learning_rate(self.optimizer, learning_rate(done, self.num_steps, self.config.optimizer))
        if self.config.optimizer.clip_norm is not None:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.branch.parameters(), self.config.optimizer.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        if self.average is not None:
            self.average.update_parameters(self.branch)


def make_training(prepared: Prepared, ranks: Ranks, folder: Path) -> Training:
    """A run before its first step, in its folder; torch's global generator decides the first weights."""
    config = prepared.config
    branch = make_branch(config, prepared.base, prepared.attributes)
    branch.to(ranks.device)
    branch.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # torch's stub lacks it
    module: nn.Module = InPrecision(branch, config.loop.precision)
    if config.loop.compile:
        module.compile()
    batches = make_batches(config, prepared.train, prepared.tuples, loss=prepared.loss, rows=prepared.rows)
    return Training(
        prepared=prepared,
        ranks=ranks,
        folder=folder,
        branch=branch,
        own_module=module,
        optimizer=make_optimizer(branch, config.optimizer, prepared.base.stages),
        scaler=torch.amp.GradScaler(ranks.device.type, enabled=config.loop.precision == "fp16"),
        average=None if config.loop.average is None else make_average(branch, config.loop.average),
        batches=fill_batches(batches, branch, prepared.base, config, ranks=ranks, num_images=len(prepared.train)),
        objective=make_objective(prepared),
        towers_objective=make_towers_objective(prepared),
    )


def step_seed(*numbers: int) -> int:
    """A seed from several numbers, each of which changes it altogether."""
    return int(np.random.SeedSequence(list(numbers)).generate_state(1, np.uint64)[0] >> 1)
