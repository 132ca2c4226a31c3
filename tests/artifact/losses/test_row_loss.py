"""Losses of single tuples in numpy, against what the trainer's objective gives for each tuple alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from artifact.distances import DISTANCES
from artifact.errors import UsageError
from artifact.kinds import KINDS, distance_name
from artifact.losses import LOSSES
from artifact.losses.row_loss import row_loss
from artifact.losses.triplet_soft import triplet_soft
from artifact.namespace import NUMPY
from export.build import build
from tests.shared.shapes_run import small_run
from trainer.objective.objective import Objective

CASES = [(name, kind) for name, loss in LOSSES.items() for kind in loss.kinds]


@pytest.mark.parametrize("normalized", [True, False])
@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize(("name", "kind"), CASES)
def test_each_row_has_the_loss_that_training_gives_its_tuple(
    name: str, kind: str, distance: str, normalized: bool
) -> None:
    """Default margins, squared forms and cosine; tuples within and beyond the margin, and one of a single image."""
    margin = LOSSES[name].default_margin(DISTANCES[distance], normalized=normalized)
    objective = Objective(
        loss=LOSSES[name], distance=distance, mining="all", margin=margin, margin2=margin / 2, cap=3 * margin
    )
    streams, num_rows = KINDS[kind].streams, 60
    random = np.random.default_rng(5)
    points = random.standard_normal((len(streams), num_rows, 6)).astype(np.float32)
    points *= random.uniform(0.05, 1.2, (len(streams), num_rows, 1)).astype(np.float32)
    points[:, 0] = points[0, 0]
    if normalized:
        points /= np.linalg.norm(points, axis=-1, keepdims=True)
    vectors = dict(zip(streams, points, strict=True))
    different = random.random(num_rows) < 0.5 if kind == "siamese" else None

    loss = row_loss(name, kind=kind, margin=margin, margin2=margin / 2, cap=3 * margin, where="here")
    assert loss.needs_target == (kind == "siamese")
    distances = {distance_name((a, b)): DISTANCES[distance](vectors[a], vectors[b]) for a, b in KINDS[kind].pairs}
    got = loss(distances, different)

    expected = []
    for row in range(num_rows):
        alone = torch.from_numpy(points[:, row])
        flag = None if different is None else torch.tensor([bool(different[row])])
        outcome = objective(alone, tuples=torch.arange(len(streams))[None], different=flag)
        expected.append(float(outcome.loss))
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=2e-5)
    assert len(np.unique(np.round(expected, 4))) > num_rows / 4  # not all zeros


def test_a_soft_loss_far_beyond_its_margin_is_finite() -> None:
    """exp of a large difference would be infinite."""
    far, near = np.array([300, 0], np.float32), np.array([0, 300], np.float32)
    np.testing.assert_allclose(triplet_soft(NUMPY, far, near, margin=0.0), [300, 0], atol=1e-6)


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        (
            None,
            "triplet",
            "the artifact does not say its loss (artifact tiny); score without --loss; "
            "an artifact exported from a run says it",
        ),
        (
            "quadruplet",
            "quartet",
            "the artifact does not say the margin2 of its loss quadruplet (artifact tiny); export its run again",
        ),
        (
            "triplet_capped",
            "triplet",
            "the artifact does not say the cap of its loss triplet_capped (artifact tiny); export its run again",
        ),
        (
            "mine:hinge",
            "triplet",
            "loss of each row: expected an artifact trained with one of contrastive, contrastive_linear, triplet, "
            "triplet_soft, triplet_capped, "
            "got mine:hinge (artifact tiny); score without --loss and compute it from the distances",
        ),
        (
            "triplet",
            "siamese",
            "loss of each row: expected an artifact trained with one of contrastive, contrastive_linear, got triplet "
            "(artifact tiny); score without --loss and compute it from the distances",
        ),
    ],
    ids=["none", "an older export", "without its cap", "a user's own", "another kind's"],
)
def test_a_loss_that_cannot_be_computed_is_one_line(name: str | None, kind: str, message: str) -> None:
    """Instead of a column that means something else."""
    with pytest.raises(UsageError) as error:
        row_loss(name, kind=kind, margin=0.2, margin2=None, where="artifact tiny")
    assert str(error.value) == message


def test_export_writes_both_margins_of_a_quartet_run(tmp_path: Path) -> None:
    """From the run's configuration into the artifact, which alone says how its rows are scored."""
    run = small_run(tmp_path / "run", kind="quartet", loss="quadruplet", epochs=1)
    built = build(run, "branch").manifest
    assert run.config.margin2 not in (None, run.config.margin)
    loss = row_loss(built.loss, kind="quartet", margin=built.margin, margin2=built.margin2, where="here")
    assert loss.margins == {"margin": run.config.margin, "margin2": run.config.margin2}
