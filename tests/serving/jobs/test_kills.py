"""kill -9 at random moments of scoring, merging and retrying: the folder in the end is that of a run never killed.

Real processes of the command line. They are started together, load everything, and wait for their turn; scoring is
killed some time after its first rows: what is hit is the work and not the start. Moments are drawn from the time that
the work took here without a kill.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lookalike.cli import main
from tests.shared.job_tables import csv_of_images, files_of
from tests.shared.scored_images import BAD, write_images

pytestmark = pytest.mark.slow

NUM_ROWS, BAD_IMAGES = 600, (3, 17)
WAITING = """
import sys
import lookalike.progress, serving.jobs.scoring, serving.jobs.merging, serving.client.connections.local, lookalike.cli

report = lookalike.progress.EventProgress.report

def begun(self, event):
    print("rows", flush=True)
    lookalike.progress.EventProgress.report = report

lookalike.progress.EventProgress.report = begun
sys.stdin.readline()
sys.exit(lookalike.cli.main(sys.argv[1:]))
"""
MODELS = ["triplet_branch"]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """40 images in turn, two of them bad."""
    paths = write_images(tmp_path / "images", 40)
    for number in BAD_IMAGES:
        paths[number].write_bytes(BAD)
    return csv_of_images(tmp_path / "t.csv", paths * (NUM_ROWS // 40))


def timed(command: list[str], code: int) -> float:
    """Seconds of a command in this process."""
    started = time.monotonic()
    assert main(command) == code
    return time.monotonic() - started


def kill_again_and_again(command: list[str], num_kills: int, seconds: float, code: int) -> int:
    """Run a command as often, killed each time after up to `seconds`, then to its end; gives the kills that hit."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WAITING, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for _ in range(num_kills + 1)
    ]
    random, num_hit = np.random.default_rng(int.from_bytes(os.urandom(4))), 0
    try:
        for process in processes[:-1]:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write("\n")
            process.stdin.flush()
            if command[0] == "score":
                process.stdout.readline()  # its first rows
            try:
                process.wait(random.uniform(0, seconds))
            except subprocess.TimeoutExpired:
                process.kill()
            _, errors = process.communicate(timeout=60)
            assert process.returncode in (code, -signal.SIGKILL), errors
            num_hit += process.returncode == -signal.SIGKILL
        _, errors = processes[-1].communicate("\n", timeout=60)
        assert processes[-1].returncode == code, errors
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    return num_hit


def scoring(table: Path, repository: Path, *options: object) -> Callable[[Path], list[str]]:
    """The command as a function of its output folder."""
    fixed = ["score", table, "--model", "triplet_branch", "--repository", repository, "--rows-per-part", 5]
    fixed += ["--thumbnails", 16, *options]
    return lambda output: [*map(str, fixed), "--output", str(output)]


def test_kills_of_scoring_lose_and_double_no_row(repository: Path, table: Path, tmp_path: Path) -> None:
    """120 parts and their thumbnails; every file is the same to the byte."""
    score = scoring(table, repository)
    seconds = timed(score(tmp_path / "whole"), 3)
    assert kill_again_and_again(score(tmp_path / "out"), 8, seconds / 4, 3) > 0
    assert files_of(tmp_path / "out") == files_of(tmp_path / "whole")


def test_kills_of_a_merge_leave_nothing_half(repository: Path, table: Path, tmp_path: Path) -> None:
    """The shards are as they were; the merged folder is that of one job."""
    shards = [tmp_path / "one", tmp_path / "two"]
    for number, shard in enumerate(shards, start=1):
        timed(scoring(table, repository, "--shard", f"{number}/2")(shard), 3)
    timed(scoring(table, repository)(tmp_path / "whole"), 3)
    before = [files_of(shard) for shard in shards]
    merge = ["merge", *map(str, shards), "--output"]
    seconds = timed([*merge, str(tmp_path / "merged")], 3)
    kill_again_and_again([*merge, str(tmp_path / "out")], 3, seconds, 3)
    assert files_of(tmp_path / "out") == files_of(tmp_path / "merged") == files_of(tmp_path / "whole")
    assert [files_of(shard) for shard in shards] == before


def test_kills_of_a_retry_lose_no_row_and_no_mended_one(repository: Path, table: Path, tmp_path: Path) -> None:
    """One of the two bad images is mended; the folder is that of one retry from start to end."""
    timed(scoring(table, repository)(tmp_path / "whole"), 3)
    shutil.copytree(tmp_path / "whole", tmp_path / "out")
    mended = write_images(tmp_path / "mended", 1, seed=11)[0].read_bytes()
    next((tmp_path / "images").glob(f"{BAD_IMAGES[0]:05d}.*")).write_bytes(mended)
    retry = scoring(table, repository, "--retry-errors")
    seconds = timed(retry(tmp_path / "whole"), 3)
    kill_again_and_again(retry(tmp_path / "out"), 3, seconds, 3)
    assert files_of(tmp_path / "out") == files_of(tmp_path / "whole")
