"""Objective of two towers against plain loops, and the rows that are never negatives."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from artifact.attributes import CATEGORY, FLAG, NUMBER, Attribute, Attributes
from artifact.losses import TOWER_LOSSES
from artifact.namespace import NUMPY
from trainer.objective.objective import Objective
from trainer.towers.candidates import candidates_of
from trainer.towers.objective import TowersObjective

SOME = Attributes(
    (
        Attribute(name="color", type=CATEGORY, categories=("blue", "red")),
        Attribute(name="striped", type=FLAG),
        Attribute(name="size", type=NUMBER),
    )
)
OWN = SOME.encode(
    {
        "color": ["blue", "blue", "red", "red", None],
        "striped": [1, 1, 1, 0, 0],
        "size": [0.5, 0.75, 0.5, 0.5, 2.0],
    },
    5,
)[0]


def objective(loss: str, *, kind: int = 3, is_mined: bool = False, both_ways: bool = True) -> TowersObjective:
    """Of unit vectors under the euclidean distance."""
    of_tuples = Objective(loss=TOWER_LOSSES[loss], distance="euclidean", mining="all", margin=0.3, margin2=0.15)
    return TowersObjective(
        of_tuples=of_tuples, num_streams=kind, is_mined=is_mined, both_ways=both_ways, temperature=0.2
    )


def unit(count: int, seed: int) -> torch.Tensor:
    """float64 [count, 4] with gradients."""
    drawn = torch.randn((count, 4), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return torch.nn.functional.normalize(drawn, dim=1).requires_grad_()


def batch() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Images, rows with two flipped ones, and what fits."""
    changed = OWN[[0, 3]].copy()
    changed[:, 2] *= -1
    fits = candidates_of(OWN, OWN, changed, SOME).fits
    return unit(5, 0), unit(7, 1), torch.from_numpy(fits)


def test_candidates_fit_where_nothing_that_both_know_differs() -> None:
    """Numbers up to half a deviation; a missing value is no difference; `red` alone fits all that are red."""
    red = SOME.encode({"color": ["red"] * 5}, 5)[0]
    expected = np.array(
        [
            [1, 1, 0, 0, 0],
            [1, 1, 0, 0, 0],
            [0, 0, 1, 0, 0],
            [0, 0, 0, 1, 0],
            [0, 0, 0, 0, 1],
        ],
        bool,
    )
    nothing = np.zeros((0, OWN.shape[1]), np.float32)
    np.testing.assert_array_equal(candidates_of(OWN, OWN, nothing, SOME).fits, expected)
    np.testing.assert_array_equal(candidates_of(OWN, red, nothing, SOME).fits[:, 0], [0, 0, 1, 1, 1])


@pytest.mark.parametrize("both_ways", [True, False])
def test_softmax_is_one_logarithm_an_anchor(both_ways: bool) -> None:
    """log(1 + sum over all that do not fit); its gradient reaches both towers."""
    images, rows, fits = batch()
    outcome = objective("softmax", both_ways=both_ways)(images, rows, fits)
    apart = torch.cdist(images.detach(), rows.detach()).numpy()
    values = []
    for i in range(5):
        others = [c for c in range(7) if not fits[i, c]]
        values.append(math.log(1 + sum(math.exp((apart[i, i] - apart[i, c]) / 0.2) for c in others)))
    if both_ways:
        for c in range(5):
            others = [i for i in range(5) if not fits[i, c]]
            values.append(math.log(1 + sum(math.exp((apart[c, c] - apart[i, c]) / 0.2) for i in others)))
    assert float(outcome.loss.detach()) == pytest.approx(np.mean(values), rel=1e-5)
    outcome.loss.backward()  # type: ignore[no-untyped-call]
    assert images.grad is not None
    assert rows.grad is not None
    assert bool((images.grad.abs().sum(dim=1) > 0).all())
    assert bool((rows.grad.abs().sum(dim=1) > 0).all())


@pytest.mark.parametrize("is_mined", [True, False])
def test_hinge_is_the_mean_over_active_triplets(is_mined: bool) -> None:
    """Of each image with its row and all that do not fit, or the nearest of them; and the other way round."""
    images, rows, fits = batch()
    outcome = objective("triplet", is_mined=is_mined)(images, rows, fits)
    apart = torch.cdist(images.detach(), rows.detach()).numpy()
    values = []
    for i in range(5):
        others = sorted(apart[i, c] for c in range(7) if not fits[i, c])
        values += [apart[i, i] - each + 0.3 for each in (others[:1] if is_mined else others)]
    for c in range(5):
        others = sorted(apart[i, c] for i in range(5) if not fits[i, c])
        values += [apart[c, c] - each + 0.3 for each in (others[:1] if is_mined else others)]
    active = [value for value in values if value > 0]
    assert float(outcome.loss.detach()) == pytest.approx(np.mean(active), rel=1e-5)
    assert int(outcome.num_tuples) == len(values)
    assert float(outcome.share_correct) == pytest.approx(np.mean([value < 0.3 for value in values]))


def test_pairs_of_a_siamese_model_are_its_own_and_those_that_do_not_fit() -> None:
    """One same pair an image, and every other row of the batch as a different one."""
    images, rows, fits = batch()
    outcome = objective("contrastive_linear", kind=2, both_ways=False)(images, rows, fits)
    apart = torch.cdist(images.detach(), rows.detach()).numpy()
    loss = TOWER_LOSSES["contrastive_linear"]
    alike = loss.formula(NUMPY, apart.diagonal(), np.False_, margin=0.3)
    unlike = loss.formula(NUMPY, apart[~fits.numpy()], np.True_, margin=0.3)
    assert int(outcome.num_tuples) == 5 + int((~fits).sum())
    expected = alike[alike > 0].mean() + (unlike[unlike > 0].mean() if (unlike > 0).any() else 0)
    assert float(outcome.loss.detach()) == pytest.approx(float(expected), rel=1e-5)


def test_a_batch_in_which_all_rows_fit_teaches_nothing() -> None:
    """No loss, no tuple, and no number that is none."""
    images, rows, _ = batch()
    everything = torch.ones((5, 7), dtype=torch.bool)
    for loss in ("softmax", "triplet"):
        outcome = objective(loss)(images, rows, everything)
        assert float(outcome.loss.detach()) == pytest.approx(0, abs=1e-6)
        assert int(outcome.num_tuples) == 0


def test_softmax_takes_no_more_than_a_few_matrices() -> None:
    """Of 1,500 images there are two million triplets, whose vectors would be gigabytes."""
    torch.manual_seed(0)
    images, rows = torch.randn(1500, 64), torch.randn(1500, 64)
    sizes: list[int] = []

    class Watching(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            found = func(*args, **(kwargs or {}))
            if isinstance(found, torch.Tensor):
                sizes.append(found.numel() * found.element_size())
            return found

    with Watching():
        objective("softmax")(images, rows, torch.eye(1500, dtype=torch.bool))
    assert max(sizes) <= 8 * 3000 * 3000
