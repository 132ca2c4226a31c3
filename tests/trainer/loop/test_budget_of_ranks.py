"""A time budget of several processes: the first one's clock decides for all."""

import sys
from pathlib import Path

import pytest

from tests.shared.places import SHARED
from tests.shared.ranks import run_ranks
from trainer.run.saved_run import load_run


@pytest.mark.slow
def test_two_ranks_settle_on_the_same_steps(shapes: Path, tmp_path: Path) -> None:
    """Both try, neither waits for ever, and one run comes of it."""
    done = run_ranks([sys.executable, str(SHARED / "two_ranks_budget.py"), str(shapes), str(tmp_path / "run")])
    assert [process.returncode for process in done] == [0, 0], done[0].stderr + done[1].stderr
    run = load_run(tmp_path / "run")
    assert run.config.steps == run.facts["metrics"]["step"] == 7
    assert {process.stdout for process in done} == {run.checkpoint_sha256}
