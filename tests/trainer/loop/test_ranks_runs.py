"""Whole runs of two ranks that do not see each other's folder, beside the same runs of one rank."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.shared.places import SHARED
from tests.shared.ranks import run_ranks
from tests.shared.ranks_training import train
from tests.shared.shapes_run import lines_of, write_shapes

ACCUMULATE = (1, 2, 3)
INTERRUPTED = len(ACCUMULATE)
"""Number of the run that is stopped and resumed; its settings are those of the second."""


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Four batches an epoch: the last group of three is one of a single batch."""
    images = write_shapes(tmp_path_factory.mktemp("ranks") / "images", per_class=12)
    common = {
        "images": str(images),
        "kind": "triplet",
        "base": "tests.shared.ranks_training:plain_network",
        "dim": 8,
        "size": 16,
        "epochs": 2,
        "validation": "images:0.25",
        "augment": {"rotate_deg": 0, "translate": 0, "scale": 0},
        "sampling": {"images_per_class": 2, "batches_per_epoch": 4},
        "max_disk_mb": 0,
    }
    each = [common | {"loop": {"accumulate": count, "precision": "fp32"}} for count in ACCUMULATE]
    return [*each, each[1] | {"interrupt_at": 6}]


@pytest.fixture(scope="module")
def of_two(settings: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the runs of two ranks were written to."""
    folder = tmp_path_factory.mktemp("of_two")
    (folder / "settings.json").write_text(json.dumps(settings))
    command = [sys.executable, str(SHARED / "ranks_training.py"), str(folder / "settings.json"), str(folder)]
    done = run_ranks(command)
    assert [process.returncode for process in done] == [0, 0], done[0].stderr + done[1].stderr
    return folder


def _found(folder: Path, rank: int, number: int) -> dict[str, Any]:
    found: dict[str, Any] = torch.load(folder / f"rank{rank}-{number}.pt", weights_only=True)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(ACCUMULATE)))
def test_accumulation_is_the_same_on_two_ranks_as_on_one(
    settings: list[dict[str, Any]], of_two: Path, tmp_path: Path, number: int
) -> None:
    """Ranks equal each other to the bit, and one rank but for the order of sums."""
    first, second = (_found(of_two, rank, number)["weights"] for rank in range(2))
    alone = train(settings[number], tmp_path / "run").branch.state_dict()
    assert len(alone) == 6
    for name, expected in alone.items():
        assert torch.equal(first[name], second[name])
        torch.testing.assert_close(first[name], expected, rtol=0, atol=1e-5)


@pytest.mark.slow
def test_ranks_need_no_file_of_the_run_but_the_first(of_two: Path) -> None:
    """What `fit` gives is the same on each, and only the first has written anything."""
    for number in range(INTERRUPTED + 1):
        first, second = (_found(of_two, rank, number) for rank in range(2))
        assert first["facts"] == second["facts"]
        assert first["sha256"] == second["sha256"]
        assert "end_time" in second["facts"]
    assert (of_two / "rank0" / "run0" / "facts.json").is_file()
    assert not (of_two / "rank1").exists()


@pytest.mark.slow
def test_ranks_stop_together_and_go_on_as_if_nobody_had(of_two: Path) -> None:
    """Ctrl-C on one rank stops both with one state, and the resumed run ends with the same bytes."""
    assert _found(of_two, 0, INTERRUPTED)["sha256"] == _found(of_two, 0, 1)["sha256"]
    assert lines_of(of_two / "rank0" / f"run{INTERRUPTED}") == lines_of(of_two / "rank0" / "run1")
