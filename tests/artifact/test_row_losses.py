"""The loss of single tuples in numpy, against what the trainer's objective gives for each tuple alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from artifact.distances import DISTANCES
from artifact.errors import UsageError
from artifact.kinds import KINDS, distance_name
from artifact.losses.rows import FORMULAS, row_loss
from artifact.model.manifest import Manifest
from export.build import build
from tests.shared.shapes_run import small_run
from tests.shared.tiny_artifact import write_tiny_artifact
from trainer.objective.losses import LOSSES
from trainer.objective.objective import Objective

CASES = [(name, kind) for name, loss in LOSSES.items() for kind in loss.kinds]


def manifest(tmp_path: Path, **facts: object) -> Manifest:
    """Of a tiny artifact, with other facts of its training."""
    written = write_tiny_artifact(tmp_path / "model.onnx", kind=str(facts.pop("kind", "triplet")))
    training = written.training | {"margin2": facts.pop("margin2", None)}
    return written.model_copy(update=facts | {"training": training})


def test_every_loss_that_trains_has_a_formula_with_the_same_margins() -> None:
    """A loss that only the trainer knows could not be told of its artifacts' rows."""
    assert {name: loss.margin_names for name, loss in LOSSES.items()} == {
        name: formula.margins for name, formula in FORMULAS.items()
    }


@pytest.mark.parametrize("normalized", [True, False])
@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize(("name", "kind"), CASES)
def test_each_row_has_the_loss_that_training_gives_its_tuple(
    tmp_path: Path, name: str, kind: str, distance: str, normalized: bool
) -> None:
    """Default margins, squared forms and cosine; tuples within and beyond the margin, and one of a single image."""
    margin = LOSSES[name].margins[distance, normalized]
    objective = Objective(loss=name, distance=distance, mining="all", margin=margin, margin2=margin / 2)
    streams, num_rows = KINDS[kind].streams, 60
    random = np.random.default_rng(5)
    points = random.standard_normal((len(streams), num_rows, 6)).astype(np.float32)
    points *= random.uniform(0.05, 1.2, (len(streams), num_rows, 1)).astype(np.float32)
    points[:, 0] = points[0, 0]
    if normalized:
        points /= np.linalg.norm(points, axis=-1, keepdims=True)
    vectors = dict(zip(streams, points, strict=True))
    different = random.random(num_rows) < 0.5 if kind == "siamese" else None

    facts = {"kind": kind, "loss": name, "margin": margin, "margin2": margin / 2, "distance": distance}
    loss = row_loss(manifest(tmp_path, **facts))
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
    np.testing.assert_allclose(FORMULAS["triplet_soft"].function(far, near, margin=0.0), [300, 0], atol=1e-6)


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        (
            {"loss": None},
            "the artifact does not say its loss (artifact tiny); score without --loss; "
            "an artifact exported from a run says it",
        ),
        (
            {"loss": "quadruplet", "kind": "quartet"},
            "the artifact does not say the margin2 of its loss quadruplet (artifact tiny); export its run again",
        ),
        (
            {"loss": "mine:hinge"},
            "loss of each row: expected an artifact trained with one of contrastive, contrastive_linear, triplet, "
            "triplet_soft, got mine:hinge (artifact tiny); score without --loss and compute it from the distances",
        ),
        (
            {"loss": "triplet", "kind": "siamese"},
            "loss of each row: expected an artifact trained with one of contrastive, contrastive_linear, got triplet "
            "(artifact tiny); score without --loss and compute it from the distances",
        ),
    ],
    ids=["none", "an older export", "a user's own", "another kind's"],
)
def test_a_loss_that_cannot_be_computed_is_one_line(tmp_path: Path, facts: dict[str, object], message: str) -> None:
    """Instead of a column that means something else."""
    with pytest.raises(UsageError) as error:
        row_loss(manifest(tmp_path, **facts))
    assert str(error.value) == message


def test_export_writes_both_margins_of_a_quartet_run(tmp_path: Path) -> None:
    """From the run's configuration into the artifact, which alone says how its rows are scored."""
    run = small_run(tmp_path / "run", kind="quartet", epochs=1)
    built = build(run, "branch").manifest
    assert run.config.margin2 not in (None, run.config.margin)
    assert row_loss(built).margins == {"margin": run.config.margin, "margin2": run.config.margin2}
