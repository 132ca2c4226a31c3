"""Whole runs of two towers: what they learn, say and write, cut off and resumed, and trained by two processes."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.shared.attribute_run import ATTRIBUTES, fit_towers, write_squares
from tests.shared.ranks import run_ranks
from tests.shared.shapes_run import lines_of
from trainer.config.towers import TOWER_METRICS
from trainer.loop.reading import read_split
from trainer.run.saved_run import load_run

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def squares(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of 120 squares."""
    return write_squares(tmp_path_factory.mktemp("squares") / "s", count=120)


def test_run_learns_to_find_images_by_their_attributes(squares: Path, tmp_path: Path) -> None:
    """Its figures are of held-out images, in metrics, facts and report, by the number of attributes asked."""
    run = fit_towers(squares, tmp_path / "run", epochs=25)
    metrics = run.facts["metrics"]
    assert set(TOWER_METRICS) <= set(metrics)
    found = run.facts["attribute_retrieval"]
    assert [group["asked"] for group in found["by_number"]] == [1, 2, 3]
    assert found["images"] == 30
    assert metrics["attribute_mAP"] > 2.5 * found["all"]["chance"]
    assert metrics["pct_correct_easy"] > 85
    assert found["triplets_easy_low"] <= found["triplets_easy"] <= found["triplets_easy_high"]
    assert run.facts["rests_on"]["attribute_P@10"]["text"]
    assert run.facts["why_no_threshold"] == "images with attributes have no classes"
    assert run.facts["head"]["name"] == "trained"
    assert run.facts["objective"] == {
        "loss": "softmax",
        "distance": "euclidean",
        "normalized": True,
        "negatives": run.config.negatives,
        "both_ways": True,
        "temperature": pytest.approx(0.1),
    }
    page = (tmp_path / "run" / "report.html").read_text()
    assert "Images by attributes" in page


@pytest.mark.parametrize(
    "settings",
    [
        {"loss": "triplet", "negatives": "mined"},
        {"loss": "triplet", "negatives": "flipped:2", "flipped_share": 0.3},
        {"negatives": "flipped:1"},
        {"kind": "siamese"},
        {"kind": "siamese", "negatives": "mined"},
        {"margin": 0.2},
        {"loop": {"average": 0.9, "keep": "best"}},
        {"validation": "none"},
    ],
)
def test_runs_of_every_sort_end(squares: Path, tmp_path: Path, settings: dict[str, Any]) -> None:
    """With finite figures, and a run that is read back with both towers."""
    run = fit_towers(squares, tmp_path / "run", epochs=2, **settings)
    assert np.isfinite(run.facts["metrics"]["loss"])
    assert run.attributes is not None
    assert run.attributes.names == ATTRIBUTES
    again = load_run(run.path)
    state = again.branch.state_dict()
    assert any(name.startswith("towers.attributes.") for name in state)
    assert all(torch.equal(value, state[name]) for name, value in run.branch.state_dict().items())


def test_a_run_cut_off_goes_on_bit_by_bit(squares: Path, tmp_path: Path) -> None:
    """In the middle of an epoch: the same lines, the same weights of both towers."""
    whole = fit_towers(squares, tmp_path / "whole", negatives="flipped:1")

    def interrupt(event: Any) -> None:
        if event["event"] == "step" and event["step"] == 6:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        fit_towers(squares, tmp_path / "cut", negatives="flipped:1", report=interrupt)
    resumed = fit_towers(squares, tmp_path / "cut", negatives="flipped:1", resume=True)
    assert lines_of(tmp_path / "cut") == lines_of(tmp_path / "whole")
    assert resumed.checkpoint_sha256 == whole.checkpoint_sha256


def test_split_of_a_run_is_read_again(squares: Path, tmp_path: Path) -> None:
    """As int8 reads it, with the attributes in the data's hash."""
    run = fit_towers(squares, tmp_path / "run", epochs=1)
    train, held_out = read_split(run, report=lambda event: None)
    assert held_out is not None
    assert (len(train), len(held_out)) == (90, 30)


def test_a_time_budget_is_kept(squares: Path, tmp_path: Path) -> None:
    """Steps are tried with both towers, and the run is of so many."""
    run = fit_towers(squares, tmp_path / "run", epochs=None, minutes=0.15)
    assert run.config.steps is not None
    assert run.config.steps >= 5


@pytest.mark.slow
def test_two_processes_train_the_same_towers(squares: Path, tmp_path: Path) -> None:
    """Their weights are those of one process up to rounding, in the tower of attributes too."""
    values: dict[str, Any] = {
        "images": str(squares),
        "kind": "triplet",
        "columns": {"image": "file"},
        "attributes": list(ATTRIBUTES),
        "dim": 8,
        "size": 16,
        "epochs": 2,
        "base": "tests.shared.ranks_training:plain_network",
        "validation": "images:0.25",
        "augment": {"rotate_deg": 0, "translate": 0, "scale": 0},
        "towers": {"width": 16, "images_per_batch": 24},
        "optimizer": {"name": "sgd", "learning_rate": 0.05},
        "loop": {"precision": "fp32"},
    }
    (tmp_path / "settings.json").write_text(json.dumps([values]))
    command = [sys.executable, "-m", "tests.shared.ranks_training", str(tmp_path / "settings.json")]
    found = {}
    for size in (1, 2):
        folder = tmp_path / str(size)
        folder.mkdir()
        done = run_ranks([*command, str(folder)], size=size)
        assert [each.returncode for each in done] == [0] * size, done[0].stderr
        found[size] = torch.load(folder / "rank0-0.pt", weights_only=False)
    one, two = found[1]["weights"], found[2]["weights"]
    assert any(name.startswith("towers.attributes") for name in one)
    for name in one:
        np.testing.assert_allclose(two[name], one[name], rtol=1e-3, atol=1e-4, err_msg=name)
