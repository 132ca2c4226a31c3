"""Losses by name, and a user's own `module:function`, with the line that each mistake gets."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from artifact.errors import UsageError
from artifact.losses import LOSSES
from artifact.losses.loss import OTHER_CLASS, PAIR, QUARTET, SAME_CLASS, TRIPLET
from tests.shared.plain_mining import BATCHES
from trainer.objective.mining import MINERS
from trainer.objective.objective import Objective
from trainer.objective.own_loss import find_loss

SOURCE = """
import numpy as np
import torch
import torch.nn.functional as F
from neighbour import HALF

WEIGHTS = 3

def same(distance, different, *, margin):
    return HALF * F.relu(margin - distance).square().where(different, distance.square())

def hinge(positive, negative, *, margin):
    return torch.clamp(positive - negative + margin, min=0)

def squared_hinge(positive, negative, margin=0.5):
    return F.relu(positive - negative + margin).square()

def chen(positive, negative, negatives, *, margin, margin2):
    return F.relu(positive - negative + margin) + F.relu(positive - negatives + margin2)

def two(positive, negative, negative2, *, margin):
    return F.relu(positive - negative + margin) + F.relu(positive - negative2 + margin)

def logarithm(positive, negative):
    return torch.log1p(torch.sqrt(positive) / torch.sqrt(negative))

def mean(positive, negative, *, margin):
    return F.relu(positive - negative + margin).mean()

def stacked(positive, negative, *, margin):
    return torch.stack([positive, negative]).sum(0)

def detached(positive, negative, *, margin):
    return torch.from_numpy(np.maximum(0, (positive - negative).detach().numpy() + margin))

def number(positive, negative, *, margin):
    return 1.0

def integers(positive, negative, *, margin):
    return (positive > negative).long()

def rootless(positive, negative, *, margin):
    return torch.log(F.relu(positive - negative))

def swapped(anchor, negative, *, margin):
    return anchor

def greedy(positive, negative, *, margin, temperature):
    return positive
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The user's folder, with their module and one that it imports; nothing of it stays imported."""
    (tmp_path / "ownlosses.py").write_text(SOURCE)
    (tmp_path / "neighbour.py").write_text("HALF = 0.5\n")
    (tmp_path / "broken.py").write_text("import a_package_that_nobody_has\n")
    (tmp_path / "crashing.py").write_text("raise ValueError('two\\nlines')\n")
    (tmp_path / "leaving.py").write_text("raise SystemExit(3)\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name in ("ownlosses", "neighbour", "broken", "crashing", "leaving"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("name", "form", "second_negative", "margin_names", "kinds"),
    [
        ("same", PAIR, None, ("margin",), ("siamese", "triplet", "quartet")),
        ("hinge", TRIPLET, None, ("margin",), ("triplet", "quartet")),
        ("squared_hinge", TRIPLET, None, ("margin",), ("triplet", "quartet")),
        ("logarithm", TRIPLET, None, (), ("triplet", "quartet")),
        ("chen", QUARTET, OTHER_CLASS, ("margin", "margin2"), ("quartet",)),
        ("two", QUARTET, SAME_CLASS, ("margin",), ("quartet",)),
    ],
)
def test_own_loss_is_known_by_its_parameters(
    name: str, form: str, second_negative: str | None, margin_names: tuple[str, ...], kinds: tuple[str, ...]
) -> None:
    """Their names say which tuples it takes, and so which kinds of model it serves."""
    loss = find_loss(f"ownlosses:{name}")
    assert (loss.form, loss.second_negative, loss.margin_names) == (form, second_negative, margin_names)
    assert loss.kinds == kinds
    assert loss.mining in MINERS[form]


@pytest.mark.parametrize(
    ("own", "ours"), [("same", "contrastive"), ("hinge", "triplet"), ("chen", "quadruplet"), ("two", "dlpy")]
)
def test_own_loss_trains_as_ours_does(own: str, ours: str) -> None:
    """The same formula gives the same loss and gradient with every miner, and from drawn tuples."""
    vectors = torch.randn(8, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64).requires_grad_()
    streams = LOSSES[ours].num_images
    tuples = torch.randint(0, 8, (9, streams), generator=torch.Generator().manual_seed(1))
    different = torch.arange(9) % 2 == 0 if streams == 2 else None
    for miner in MINERS[LOSSES[ours].form]:
        for labels in BATCHES:
            results = []
            for name in (f"ownlosses:{own}", ours):
                objective = Objective(loss=find_loss(name), distance="euclidean", mining=miner, margin=0.6, margin2=0.3)
                mined, drawn = objective(vectors, labels), objective(vectors, tuples=tuples, different=different)
                assert torch.isfinite(mined.loss)
                results.append([mined.loss, drawn.loss, *torch.autograd.grad(mined.loss + drawn.loss, vectors)])
            for mine, theirs in zip(*results, strict=True):
                torch.testing.assert_close(mine, theirs, atol=1e-12, rtol=1e-12)


def test_own_loss_with_a_root_keeps_finite_gradients() -> None:
    """Tuples that do not exist, the diagonal among them, never reach it at distance 0."""
    vectors = torch.randn(8, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    logarithm = find_loss("ownlosses:logarithm")
    for miner in MINERS[TRIPLET]:
        objective = Objective(loss=logarithm, distance="euclidean", mining=miner, margin=0.6, margin2=0.0)
        for labels in BATCHES:
            loss = objective(vectors, labels).loss
            assert torch.isfinite(loss)
            assert torch.isfinite(torch.autograd.grad(loss, vectors)[0]).all()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "tripel",
            "loss: expected one of contrastive, contrastive_linear, triplet, triplet_soft, triplet_capped, quadruplet, "
            "dlpy, or module:function, got 'tripel' (--loss); did you mean triplet?",
        ),
        (
            "losses/own.py:f",
            "loss: expected module:function, got 'losses/own.py:f' (--loss); write the function f of a/b.py as a.b:f",
        ),
        ("ownlosses:", "loss: expected module:function, got 'ownlosses:' (--loss)"),
        (
            "ownlosses:hinges",
            "loss ownlosses:hinges: expected a function, got no hinges in {folder}/ownlosses.py (--loss); "
            "did you mean ownlosses:hinge?",
        ),
        ("ownlosses:WEIGHTS", "loss ownlosses:WEIGHTS: expected a function, got a value of type int (--loss)"),
        (
            "broken:f",
            "loss broken:f: expected a module that can be imported, got ModuleNotFoundError: No module named "
            "'a_package_that_nobody_has' at broken.py:1 (--loss)",
        ),
        (
            "leaving:f",
            "loss leaving:f: expected a module that can be imported, got SystemExit: 3 at leaving.py:1 (--loss)",
        ),
        (
            "crashing:f",
            "loss crashing:f: expected a module that can be imported, got ValueError: two lines at crashing.py:1 "
            "(--loss)",
        ),
        (
            "ownlosses:mean",
            "result of the loss ownlosses:mean: expected one float per tuple, shape [2, 3, 4], got shape [] (--loss)",
        ),
        (
            "ownlosses:integers",
            "result of the loss ownlosses:integers: expected one float per tuple, shape [2, 3, 4], "
            "got torch.int64 (--loss)",
        ),
        (
            "ownlosses:number",
            "result of the loss ownlosses:number: expected one float per tuple, shape [2, 3, 4], got float (--loss)",
        ),
        (
            "ownlosses:detached",
            "loss ownlosses:detached: expected a result that can be differentiated, got one without gradients "
            "(--loss); compute it with torch, without .detach(), .item() or NumPy",
        ),
        (
            "ownlosses:rootless",
            "loss ownlosses:rootless: expected finite values and gradients, got NaN or infinity (--loss)",
        ),
        (
            "ownlosses:swapped",
            "parameters of the loss ownlosses:swapped: expected one of (distance, different, *, margin), "
            "(positive, negative, *, margin), (positive, negative, negatives, *, margin), "
            "(positive, negative, negative2, *, margin); quartets may take margin2, "
            "got (anchor, negative, *, margin) (--loss)",
        ),
    ],
)
def test_a_loss_that_cannot_serve_is_one_line(name: str, message: str) -> None:
    """What, expected, got, where, how to mend."""
    with pytest.raises(UsageError) as caught:
        find_loss(name)
    assert str(caught.value) == message.replace("{folder}", str(Path.cwd()))


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("nowhere:f", "loss nowhere:f: expected a module that can be imported, got no module nowhere in "),
        ("ownlosses:stacked", "expected a value per tuple from tensors of shape [2, 3, 1], [2, 1, 4], which broadcast"),
        ("ownlosses:greedy", "got (positive, negative, *, margin, temperature) (--loss)"),
    ],
)
def test_a_loss_that_cannot_serve_says_why(name: str, part: str) -> None:
    """Lines that hold a path or torch's own words."""
    with pytest.raises(UsageError) as caught:
        find_loss(name)
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_our_losses_are_found_by_name() -> None:
    """The registry's own entries, untouched."""
    for name, loss in LOSSES.items():
        assert find_loss(name) is loss
