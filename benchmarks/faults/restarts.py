"""kill -9 and restart of the server while our client scores: nothing lost, nothing twice, every vector right.

A job of `lookalike score` runs through the server, which is killed at moments drawn at random and started again on the
same port at once; its rows are then compared with those of plain numpy.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from rows.vectors.table import VectorTable
from tests.shared.job_tables import csv_of_images
from tests.shared.scored_images import expected_vectors, publish_models, write_images
from tests.shared.serving_urls import ServerProcess

KILLS, ROWS, IMAGES = 30, 6_000, 300
MODEL = "triplet_branch"


def run(*, kills: int = KILLS, rows: int = ROWS, seed: int | None = None) -> dict[str, Any]:
    """Rows lost, doubled and different; raises AssertionError where there is one."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="lookalike-restarts-") as name:
        home = Path(name)
        repository = publish_models(home / "repository", home / "files", models=[MODEL])
        images = write_images(home / "images", min(IMAGES, rows))
        paths = [images[row % len(images)] for row in range(rows)]
        table, output = csv_of_images(home / "t.csv", paths), home / "out"
        command = [sys.executable, "-m", "lookalike", "score", str(table), "--model", MODEL, "--output", str(output)]
        options = ["--rows-per-part", "20", "--batch-size", "4", "--retry", "120"]
        done = 0
        with ServerProcess(repository) as server:
            job = subprocess.Popen(
                [*command, "--url", server.url, *options],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                env=os.environ | {"OMP_NUM_THREADS": "1"},
            )
            try:
                while done < kills and job.poll() is None:
                    _wait_for_rows(job, output)
                    time.sleep(chance.uniform(0, 0.3))
                    server.kill()
                    server.start()
                    done += 1
                _, errors = job.communicate(timeout=300)
            finally:
                job.kill()
        assert job.returncode == 0, errors
        scored = VectorTable.open(output)
        ids = [f"r{row}" for row in range(rows)]
        difference = float(np.abs(scored.matrix - expected_vectors(paths)).max()) if scored.ids == ids else None
        result = {
            "kills": done,
            "rows": rows,
            "rows_lost": len(set(ids) - set(scored.ids)),
            "rows_doubled": len(scored.ids) - len(set(scored.ids)),
            "max_difference": difference,
        }
    assert done > 0, result
    assert difference is not None, result
    assert difference < 1e-5, result
    return result


def _wait_for_rows(job: subprocess.Popen[str], output: Path) -> None:
    """Until another part is there: the server is killed in its work, not while the job waits for it."""
    before = len(list(output.glob("part-*")))
    while job.poll() is None and len(list(output.glob("part-*"))) == before:
        time.sleep(0.01)
