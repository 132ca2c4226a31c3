"""Optimizers and schedules, against torch's own."""

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn

from trainer.config.settings import FreezeConfig, OptimizerConfig
from trainer.networks.base_networks import BaseNetwork, branch_of, build_base
from trainer.networks.branch import Branch
from trainer.weights.freezing import apply_freeze
from trainer.weights.optimizers import learning_rate, make_optimizer, set_learning_rate

IMAGES = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (6, 28, 28, 3), np.uint8))


def _branch(name: str = "conv4", **options: object) -> tuple[Branch, BaseNetwork]:
    torch.manual_seed(0)
    base = build_base(name, size=28, **options)  # type: ignore[arg-type]
    branch = branch_of(base, embedding_dim=4, normalize=False)
    return branch, base


def _train_step(branch: Branch, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad(set_to_none=True)
    branch(IMAGES).square().mean().backward()
    optimizer.step()


def test_plain_groups_update_as_torch_does() -> None:
    """With one rate for all, AdamW by groups gives torch's weights bit for bit; vectors are not decayed."""
    config = OptimizerConfig(learning_rate=0.01, weight_decay=0.1)
    branch, base = _branch()
    other = copy.deepcopy(branch)
    ours = make_optimizer(branch, config, base.stages)
    matrices = [p for p in other.parameters() if p.ndim > 1]
    vectors = [p for p in other.parameters() if p.ndim == 1]
    theirs = torch.optim.AdamW(
        [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}], lr=0.01, weight_decay=0.1
    )
    for _ in range(3):
        _train_step(branch, ours)
        _train_step(other, theirs)
    assert all(torch.equal(a, b) for a, b in zip(branch.parameters(), other.parameters(), strict=True))


def test_each_stage_moves_at_its_own_rate() -> None:
    """A first SGD step moves by rate * multiple * 1.9 g: momentum starts at g, and Nesterov adds 0.9 of it."""
    config = OptimizerConfig(name="sgd", learning_rate=0.5, base_rate=0.1, stage_decay=0.5, weight_decay=0)
    branch, base = _branch()
    optimizer = make_optimizer(branch, config, base.stages)
    before = {name: parameter.detach().clone() for name, parameter in branch.named_parameters()}
    set_learning_rate(optimizer, 0.25)
    _train_step(branch, optimizer)
    multiples = {"blocks.0": 0.0125, "blocks.4": 0.025, "blocks.8": 0.05, "blocks.12": 0.1}
    for layer, multiple in multiples.items():
        parameter = branch.get_parameter(f"base.{layer}.weight")
        assert parameter.grad is not None
        moved = before[f"base.{layer}.weight"] - parameter.detach()
        torch.testing.assert_close(moved, 0.25 * multiple * 1.9 * parameter.grad, atol=1e-8, rtol=1e-2)
    moved = before["embedding.weight"] - branch.embedding.weight.detach()
    assert branch.embedding.weight.grad is not None
    torch.testing.assert_close(moved, 0.25 * 1.9 * branch.embedding.weight.grad, atol=1e-7, rtol=1e-4)


def test_groups_hold_every_parameter_once_with_its_rate() -> None:
    """Four stages with four rates, decayed or not, and the embedding layer's own: ten groups."""
    branch, base = _branch("conv4", pooling="gem")
    config = OptimizerConfig(learning_rate=1.0, base_rate=0.1, stage_decay=0.5, weight_decay=0.3)
    groups = make_optimizer(branch, config, base.stages).param_groups
    ours = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(ours) == sorted(id(parameter) for parameter in branch.parameters())
    assert len(groups) == 10
    assert {round(group["rate"], 6) for group in groups} == {0.0125, 0.025, 0.05, 0.1, 1.0}
    assert all(group["lr"] == group["rate"] for group in groups)
    power = branch.get_parameter("base.pooling.power")
    (holder,) = [group for group in groups if any(p is power for p in group["params"])]
    assert (holder["rate"], holder["weight_decay"]) == (0.1, 0.0)


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_frozen_parameters_are_passed_over_until_they_are_free(name: str) -> None:
    """No decay and no moments while frozen, although they are in the optimizer; afterwards they move."""
    branch, base = _branch()
    optimizer = make_optimizer(branch, OptimizerConfig(name=name, learning_rate=0.1, weight_decay=0.5), base.stages)
    before = {key: value.clone() for key, value in branch.base.state_dict().items()}
    for epoch in range(2):
        apply_freeze(branch, base, FreezeConfig(epochs=2), epoch)
        _train_step(branch, optimizer)
    assert all(torch.equal(value, before[key]) for key, value in branch.base.state_dict().items())
    assert all(parameter not in optimizer.state for parameter in branch.base.parameters())
    apply_freeze(branch, base, FreezeConfig(epochs=2), 2)
    _train_step(branch, optimizer)
    assert all(not torch.equal(p, before[key]) for key, p in branch.base.named_parameters())


@pytest.mark.parametrize("name", ["adamw", "sgd"])
@pytest.mark.parametrize("saved_after", [1, 3, 5])
def test_continuing_from_a_saved_state_changes_no_bit(name: str, saved_after: int) -> None:
    """Saved while frozen, while half free, or while free: the rest of the epochs gives the same weights."""
    config = OptimizerConfig(name=name, learning_rate=0.05, base_rate=0.3, stage_decay=0.7)
    freeze = FreezeConfig(epochs=2, unfreeze_every=1)
    branch, base = _branch()
    optimizer = make_optimizer(branch, config, base.stages)
    for epoch in range(7):
        if epoch == saved_after:
            weights, state = copy.deepcopy(branch.state_dict()), copy.deepcopy(optimizer.state_dict()["state"])
        apply_freeze(branch, base, freeze, epoch)
        set_learning_rate(optimizer, learning_rate(epoch, 7, config))
        _train_step(branch, optimizer)
    again, base = _branch()
    again.load_state_dict(weights)
    optimizer = make_optimizer(again, config, base.stages)
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    for epoch in range(saved_after, 7):
        apply_freeze(again, base, freeze, epoch)
        set_learning_rate(optimizer, learning_rate(epoch, 7, config))
        _train_step(again, optimizer)
    expected = branch.state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in again.state_dict().items())


@pytest.mark.parametrize("warmup_share", [0.0, 0.1])
def test_schedules_give_torchs_rates(warmup_share: float) -> None:
    """After the warm-up: MultiStepLR at the shares of the run, CosineAnnealingLR over what is left of it."""
    steps, warmup = 50, round(50 * warmup_share)
    shape = {"learning_rate": 0.2, "step_shares": (0.5, 0.75), "step_factor": 0.3, "warmup_share": warmup_share}
    rate = {}
    for name in ("step", "cosine", "constant"):
        config = OptimizerConfig.model_validate(shape | {"schedule": name})
        rate[name] = [learning_rate(step, steps, config) for step in range(steps)]
    for name in rate:
        np.testing.assert_allclose(rate[name][:warmup], [0.2 * (step + 1) / warmup for step in range(warmup)])
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.2)
    drops = torch.optim.lr_scheduler.MultiStepLR(optimizer, [25, 38], gamma=0.3)
    for step in range(steps):
        if step >= warmup:
            assert rate["step"][step] == pytest.approx(drops.get_last_lr()[0])
        optimizer.step()
        drops.step()
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.2)
    wave = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps - warmup)
    for step in range(warmup, steps):
        assert rate["cosine"][step] == pytest.approx(wave.get_last_lr()[0])
        optimizer.step()
        wave.step()
    assert set(rate["constant"][warmup:]) == {0.2}


def test_learning_rate_rises_then_falls_to_zero() -> None:
    """Linear warm-up over 10 of 100 steps, then half a cosine."""
    config = OptimizerConfig(learning_rate=1e-3, warmup_share=0.1)
    rates = [learning_rate(step, 100, config) for step in range(100)]
    assert rates[0] == pytest.approx(1e-4)
    assert rates[9] == rates[10] == pytest.approx(1e-3)
    assert rates[55] == pytest.approx(1e-3 * (1 + math.cos(math.pi / 2)) / 2)
    assert 0 < rates[99] < 1e-6
    flat = config.model_copy(update={"schedule": "constant"})
    assert learning_rate(99, 100, flat) == 1e-3
