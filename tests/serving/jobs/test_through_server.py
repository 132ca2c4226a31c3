"""Jobs through a server that is killed and started again: a pause and nothing else, or the end if it is another."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from pyarrow import parquet

from artifact.repository.publishing import remove
from rows.vectors.table import VectorTable
from tests.shared.job_tables import STEPWISE, csv_of_images, read_manifest, read_rows
from tests.shared.scored_images import BAD, expected_vectors, publish_models, write_images
from tests.shared.serving_urls import ServerProcess

MODEL, NUM_ROWS = "triplet_branch", 600


@contextmanager
def job_of(table: Path, url: str, output: Path) -> Iterator[subprocess.Popen[str]]:
    """The command line scoring, which waits after each window for a line; one part is written."""
    command = [sys.executable, "-c", STEPWISE, "score", str(table), "--model", MODEL, "--url", url]
    command += ["--output", str(output), "--rows-per-part", "20", "--batch-size", "4", "--retry", "60"]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, text=True, env=environment, **pipes) as job:
        try:
            assert job.stdout is not None
            assert job.stdin is not None
            assert job.stdout.readline() == "20\n"
            job.stdin.write("\n")
            job.stdin.flush()
            assert job.stdout.readline() == "40\n"
            yield job
        finally:
            job.kill()


def table_of(folder: Path) -> tuple[Path, list[Path]]:
    paths = write_images(folder / "images", NUM_ROWS)
    paths[77].write_bytes(BAD)
    return csv_of_images(folder / "t.csv", paths), paths


def test_a_server_restarted_in_the_middle_costs_a_job_a_pause(tmp_path: Path) -> None:
    """Killed while the job runs, started on the same port; every row once, in order, with its vector."""
    models = publish_models(tmp_path / "repository", tmp_path / "files", models=[MODEL])
    table, paths = table_of(tmp_path)
    with ServerProcess(models) as server, job_of(table, server.url, tmp_path / "out") as job:
        server.kill()
        assert job.stdin is not None
        job.stdin.write("\n" * NUM_ROWS)  # let it go on, into nobody
        job.stdin.flush()
        server.start()
        _, errors = job.communicate(timeout=90)
        assert job.returncode == 3, errors
    rows, kept = read_rows(tmp_path / "out"), [row for row in range(NUM_ROWS) if row != 77]
    assert rows["id"].to_pylist() == [f"r{row}" for row in kept]
    assert parquet.read_table(tmp_path / "out/errors.parquet")["id"].to_pylist() == ["r77"]
    vectors = VectorTable.open(tmp_path / "out").matrix
    np.testing.assert_allclose(vectors, expected_vectors([paths[row] for row in kept]), atol=1e-5)


def test_a_server_that_comes_back_with_another_artifact_stops_the_job(tmp_path: Path) -> None:
    """One line that says so; the parts of the old artifact are kept, and no vector of the new one is among them."""
    models = publish_models(tmp_path / "repository", tmp_path / "files", models=[MODEL])
    table, paths = table_of(tmp_path)
    output = tmp_path / "out"
    with ServerProcess(models) as server, job_of(table, server.url, output) as job:
        server.kill()
        remove(models, MODEL)
        publish_models(models, tmp_path / "files", seed=1, models=[MODEL])
        assert job.stdin is not None
        job.stdin.write("\n" * NUM_ROWS)
        job.stdin.flush()
        server.start()
        _, errors = job.communicate(timeout=90)
    assert job.returncode == 1
    line = errors.splitlines()[-1]
    assert line.startswith(f"lookalike: the server changed model '{MODEL}' meanwhile: expected version 1 with digest ")
    rows = read_rows(output)
    assert 0 < rows.num_rows < NUM_ROWS - 1
    manifest = read_manifest(output)
    assert (manifest["state"], manifest["num_scored"]) == ("running", rows.num_rows)
    vectors = np.stack(rows["embedding"].to_numpy())
    numbers = [int(name.removeprefix("r")) for name in rows["id"].to_pylist()]
    np.testing.assert_allclose(vectors, expected_vectors([paths[row] for row in numbers]), atol=1e-5)
