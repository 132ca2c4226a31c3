"""Ranks of a distributed training: two gloo processes against one on the joined batch, and on the command line."""

import json
import sys
from pathlib import Path

import pytest
import torch

from artifact.errors import UsageError
from tests.shared import two_ranks
from tests.shared.places import SHARED
from tests.shared.ranks import run_ranks
from trainer.loop.distributed import joined
from trainer.run.saved_run import load_run


def test_two_ranks_give_the_gradients_of_one_on_the_joined_batch(tmp_path: Path) -> None:
    """Vectors are gathered for mining and gradients summed, also where a batch cannot be halved, and over batches."""
    done = run_ranks([sys.executable, str(SHARED / "two_ranks.py"), str(tmp_path)])
    assert [process.returncode for process in done] == [0, 0], done[0].stderr + done[1].stderr
    ranks = [torch.load(tmp_path / f"rank{rank}.pt", weights_only=True) for rank in range(2)]
    for number, (count, mining, num_batches) in enumerate(two_ranks.CASES):
        with joined("cpu") as alone:
            expected = two_ranks.gradients(count, mining=mining, num_batches=num_batches, ranks=alone)
        assert len(expected) == 7
        for found in ranks:
            for name, gradient in expected.items():
                torch.testing.assert_close(found[number][name], gradient, rtol=1e-5, atol=1e-7)


def test_cuda_without_a_gpu_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line, before anything is read."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError) as caught, joined("cuda"):
        pass
    assert str(caught.value) == "device: expected cpu, got cuda, and torch finds no GPU (--set loop.device=...)"


def test_two_ranks_train_one_run(shapes: Path, tmp_path: Path) -> None:
    """Two processes on the command line: one run folder, one result, no error."""
    command = [
        sys.executable,
        "-m",
        "lookalike",
        "train",
        str(shapes),
        "--kind",
        "triplet",
        "--output",
        str(tmp_path / "run"),
        "--epochs",
        "2",
        "--size",
        "16",
        "--dim",
        "8",
        "--json",
        "--set",
        "loop.precision=fp32",
        "--set",
        "max_disk_mb=0",
    ]
    done = run_ranks(command)
    assert [process.returncode for process in done] == [0, 0], done[0].stderr + done[1].stderr
    results = [process.stdout for process in done]
    assert json.loads(results[0])["kind"] == "triplet"
    assert results[1] == ""
    assert load_run(tmp_path / "run").facts["metrics"]["epoch"] == 2


def test_ranks_agree_on_the_first_refusal(tmp_path: Path) -> None:
    """A folder that is not there ends every rank at once, each with the same line and none hanging."""
    command = [
        sys.executable,
        "-m",
        "lookalike",
        "train",
        str(tmp_path / "none"),
        "--kind",
        "triplet",
        "--output",
        str(tmp_path / "run"),
    ]
    done = run_ranks(command)
    assert [process.returncode for process in done] == [1, 1]
    assert all("nothing there" in process.stderr for process in done)
