"""Shares that the layers bear: found out by a trial that leaves no trace, and real runs of two ranks on few images."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from artifact.errors import DataError, TrainingError
from tests.shared.class_folders import write_noise
from tests.shared.ranks import run_ranks
from trainer.config.config import make_config
from trainer.loop.distributed import Ranks
from trainer.loop.fit import fit
from trainer.loop.shares import fill_batches
from trainer.networks.base_networks import BaseNetwork, build_base, make_branch
from trainer.networks.branch import Branch
from trainer.networks.stages import Stages
from trainer.sampling.batch import Batches
from trainer.sampling.filling import FilledBatches
from trainer.sampling.tuple_sampling import Rounds, TupleBatches

TWO = Ranks(rank=0, size=2, device=torch.device("cpu"))
LABELS = np.repeat(np.arange(4), 5)
BATCHES = TupleBatches(
    tuples=Rounds(labels=LABELS, kind="triplet", count=6, epochs=1, seed=0),
    num_tuples=6,
    num_streams=3,
    size=1,
    seed=0,
)


def filled(
    *, size: int, freeze: dict[str, int] | None = None, num_images: int = 20, ranks: Ranks = TWO
) -> tuple[Batches, Branch, BaseNetwork]:
    """Batches of one triplet for Conv4 on images of that size."""
    config = make_config({"images": "x", "kind": "triplet", "epochs": 3, "freeze": freeze or {}, "dim": 4})
    torch.manual_seed(0)
    base = build_base("conv4", size=size)
    branch = make_branch(config, base)
    return fill_batches(BATCHES, branch, base, config, ranks=ranks, num_images=num_images), branch, base


def test_batches_are_filled_up_only_where_the_layers_ask_for_it() -> None:
    """Maps of one place: yes. Maps of four, one process alone, a base network that stays frozen: not touched."""
    found = filled(size=8)[0]
    assert isinstance(found, FilledBatches)
    assert set(found.refused) == {1}
    assert [len(batch.rows) for batch in found.epoch(0)] == [4] * 6
    assert filled(size=16)[0] is BATCHES
    assert filled(size=8, ranks=Ranks(rank=0, size=1, device=torch.device("cpu")))[0] is BATCHES
    assert filled(size=8, freeze={"epochs": 3})[0] is BATCHES
    assert isinstance(filled(size=8, freeze={"epochs": 1, "unfreeze_every": 1})[0], FilledBatches)


def test_the_trial_leaves_no_trace() -> None:
    """Weights, statistics, modes and random numbers are as without it."""
    torch.manual_seed(7)
    before = torch.get_rng_state()
    torch.manual_seed(0)
    plain = make_branch(make_config({"images": "x", "kind": "triplet", "dim": 4}), build_base("conv4", size=8))
    drawn = torch.get_rng_state()
    _, branch, _ = filled(size=8)
    assert torch.equal(torch.get_rng_state(), drawn)
    assert not torch.equal(drawn, before)
    expected, found = plain.state_dict(), branch.state_dict()
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    assert [module.training for module in plain.modules()] == [module.training for module in branch.modules()]


def test_too_few_images_for_the_ranks_are_refused_in_one_line() -> None:
    """Three images, two ranks: before anything is written."""
    with pytest.raises(DataError) as caught:
        filled(size=8, num_images=3)
    assert str(caught.value) == (
        "images to train on in 2 processes: expected at least 4, for a layer refuses a batch of 1 image in a process "
        "(Expected more than 1 value per channel when training, got input size torch.Size([1, 128, 1, 1])), got 3; "
        "train in 1 process at most"
    )


class Proud(nn.Module):
    """A layer that needs two images, and one that bears none of them."""

    def __init__(self, fewest: int) -> None:
        super().__init__()
        self.fewest = fewest

    def forward(self, images: Tensor) -> Tensor:
        assert len(images) >= self.fewest, "too few"
        return images.mean(dim=(2, 3))


@pytest.mark.parametrize(("fewest", "refused"), [(0, None), (1, [0]), (2, [0, 1])])
def test_a_users_own_layer_is_tried_too(fewest: int, refused: list[int] | None) -> None:
    """Whatever it raises."""
    config = make_config({"images": "x", "kind": "triplet", "epochs": 1, "dim": 4})
    base = build_base("conv4", size=16)
    own = replace(base, module=Proud(fewest), stages=Stages(names=("all",), of_module={"": 0}))
    branch = Branch(own.module, num_features=3, embedding_dim=4, mean=(0.5,) * 3, std=(0.5,) * 3, normalize=False)
    found = fill_batches(BATCHES, branch, own, config, ranks=TWO, num_images=20)
    assert (sorted(found.refused) if isinstance(found, FilledBatches) else None) == refused


def command(folder: Path, *more: str) -> list[str]:
    """A training on 8 px, whose last maps have one place."""
    words: Sequence[str] = (
        *("train", str(folder / "images"), "--kind", "triplet", "--output", str(folder / "run"), "--epochs", "2"),
        *("--size", "8", "--dim", "4", "--json", "--validation", "none", "--set", "max_disk_mb=0"),
    )
    return [sys.executable, "-m", "lookalike", *words, *more]


@pytest.mark.slow
def test_two_ranks_train_on_tuples_one_by_one(tmp_path: Path) -> None:
    """A triplet is two images on one rank and one on the other, which ended in a traceback of batch normalisation."""
    for number in range(4):
        write_noise(tmp_path / "images" / "ab"[number % 2] / f"{number}.png", seed=number)
    rounds = ("strategy=rounds", "tuples_per_round=3", "tuples_per_batch=1")
    done = run_ranks(command(tmp_path, *(word for each in rounds for word in ("--set", f"sampling.{each}"))))
    assert [process.returncode for process in done] == [0, 0], done[0].stderr + done[1].stderr
    assert json.loads(done[0].stdout)["metrics"]["step"] == 6


GHOST = """
import torch
from torch import nn

class Ghost(nn.Module):
    size = 8

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(3)

    def forward(self, images):
        return torch.cat([self.norm(part) for part in images.mean(dim=(2, 3)).split(5)])
"""


def test_a_layer_that_parts_its_batch_into_single_images_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ghost batch normalisation by fives, of six images: one line that says what to change."""
    (tmp_path / "ghost_net.py").write_text(GHOST)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for number in range(12):
        write_noise(tmp_path / "images" / "ab"[number % 2] / f"{number}.png", seed=number)
    sampling = {"classes_per_batch": 2, "images_per_class": 3}
    values = {"images": tmp_path / "images", "kind": "triplet", "base": "ghost_net:Ghost", "validation": "none"}
    with pytest.raises(TrainingError) as caught:
        fit(make_config(values | {"dim": 4, "epochs": 1, "sampling": sampling}), tmp_path / "run")
    assert str(caught.value) == (
        "batch of 6 images: expected one that no layer parts into single images, got Expected more than 1 value per "
        "channel when training, got input size torch.Size([1, 3]); change sampling.images_per_class or "
        "sampling.tuples_per_batch"
    )
    monkeypatch.delitem(sys.modules, "ghost_net", raising=False)
