"""The commands `score` and `merge`: options, the end by a signal or a full disk, a table that changes."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lookalike.cli import main
from serving.jobs.identity import MAX_ROWS_PER_PART
from tests.shared.child_process import start_child
from tests.shared.job_tables import STEPWISE, csv_of_images, files_of, read_manifest
from tests.shared.scored_images import BAD, publish_models, write_images

NUM_ROWS = 200
COMMAND = [sys.executable, "-m", "lookalike"]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    return publish_models(folder / "repository", folder / "files", models=["triplet_branch", "triplet_full"])


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Ten images in turn, one of them bad."""
    paths = write_images(tmp_path / "images", 10)
    paths[4].write_bytes(BAD)
    return csv_of_images(tmp_path / "t.csv", paths * (NUM_ROWS // 10))


def scoring(table: Path, repository: Path, output: Path, *options: object) -> list[str]:
    fixed = ["score", table, "--model", "triplet_branch", "--repository", repository, "--output", output]
    return [str(word) for word in (*fixed, "--rows-per-part", 20, *options)]


def test_shards_are_scored_and_merged_by_commands(
    repository: Path, table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 3 for the bad rows; the figures as JSON; the folder of one job."""
    shards = [tmp_path / "one", tmp_path / "two"]
    for number, shard in enumerate(shards, start=1):
        assert main(scoring(table, repository, shard, "--shard", f"{number}/2")) == 3
    assert main(scoring(table, repository, tmp_path / "whole")) == 3
    capsys.readouterr()
    merge = ["merge", *map(str, shards), "--output", str(tmp_path / "out")]
    assert main([*merge, "--json"]) == 3
    printed = capsys.readouterr()
    facts = json.loads(printed.out)
    assert (facts["num_rows"], facts["num_scored"], facts["num_errors"]) == (200, 180, 20)
    assert len(facts["parts"]) == 10
    assert printed.err == f"20 rows with bad images, listed in {tmp_path / 'out' / 'errors.parquet'}\n"
    assert files_of(tmp_path / "out") == files_of(tmp_path / "whole")
    assert main(["merge", str(shards[0]), "--output", str(tmp_path / "half")]) == 1
    assert capsys.readouterr().err == (
        "lookalike: shards are missing: expected all 2, got none of 2/2; score and name them too\n"
    )


def test_every_figure_of_a_job_is_in_its_json(
    repository: Path, table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rows, images, speed, latency, odd rows, arrays; again with what another run did."""
    assert main(scoring(table, repository, tmp_path / "out", "--json", "--format", "npy")) == 3
    facts: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (facts["num_rows"], facts["num_images"], facts["resumed_at"]) == (200, 9 * 10, 0)
    assert facts["images_per_s"] == pytest.approx(facts["num_images"] / facts["seconds"])
    assert 0 < facts["p50_ms"] <= facts["p99_ms"]
    assert facts["arrays"] == ["id.npy", "embedding.npy"]
    assert np.load(tmp_path / "out/embedding.npy").shape == (180, 4)
    assert (facts["num_duplicate_ids"], facts["warnings"], facts["note"]) == (0, [], None)
    assert main(scoring(table, repository, tmp_path / "out", "--retry-errors", "--json")) == 3
    printed = capsys.readouterr()
    assert json.loads(printed.out)["num_mended"] == 0
    assert printed.err.splitlines()[0] == "bad rows tried again: 20, scored now: 0"


def test_options_that_make_no_sense_are_usage_errors(
    repository: Path, table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, and no folder."""
    for options, words in (
        (("--shard", "3/2"), "shard '3/2': expected I/N with I from 1 to N, for example 1/4"),
        (("--format", "csv"), "format 'csv': expected one of parquet, npy, npz"),
        (("--rows-per-part", "0"), "'--rows-per-part'"),
        (
            ("--rows-per-part", str(MAX_ROWS_PER_PART + 1)),
            f"'--rows-per-part': Input should be less than or equal to {MAX_ROWS_PER_PART}",
        ),
    ):
        assert main(scoring(table, repository, tmp_path / "out", *options)) == 2
        assert words in capsys.readouterr().err
        assert not (tmp_path / "out").exists()


def test_an_image_folder_for_a_full_model_names_the_branch(
    repository: Path, table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A full model takes tuples; single images are for the other model of the run."""
    command = ["score", str(tmp_path / "images"), "--model", "triplet_full", "--repository", str(repository)]
    assert main([*command, "--output", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err == (
        "lookalike: table of images: expected a table with an image column for each of anchor, positive, negative, "
        "got an image folder (images); score single images with the branch model 'triplet'\n"
    )


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_job_with_how_far_it_is(
    repository: Path, table: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    """The rows of finished parts, and that the same command goes on; it does."""
    command = scoring(table, repository, tmp_path / "out")
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with start_child([sys.executable, "-c", STEPWISE, *command], text=True, **pipes) as job:
        assert job.stdin is not None
        assert job.stdout is not None
        for done in (20, 40, 60):
            assert job.stdout.readline() == f"{done}\n"
            if done == 60:
                break  # it waits for an answer to this line
            job.stdin.write("\n")
            job.stdin.flush()
        job.send_signal(number)
        _, errors = job.communicate(timeout=30)
    assert job.returncode == code
    lines = ["40 rows are done and kept; the same command goes on from there"]
    assert errors.splitlines() == lines + (["lookalike: interrupted"] if number == signal.SIGINT else [])
    assert read_manifest(tmp_path / "out")["num_rows"] == 40
    assert main(command) == 3
    assert read_manifest(tmp_path / "out")["num_rows"] == NUM_ROWS


def test_a_full_disk_is_one_line_and_the_job_goes_on_with_room(repository: Path, tmp_path: Path) -> None:
    """A part that finds no room, as the limit on the size of files has it; the parts before it are kept."""
    noise = np.random.default_rng(2)  # long names, which no compression makes short
    paths = write_images(tmp_path / "images", 40) + [tmp_path / f"{noise.bytes(120).hex()}.png" for _ in range(40)]
    command = scoring(csv_of_images(tmp_path / "t.csv", paths), repository, tmp_path / "out")

    def little_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))

    ended = subprocess.run(
        [*COMMAND, *command], capture_output=True, text=True, preexec_fn=little_room, check=False, timeout=60
    )
    part = tmp_path / "out" / "part-00002.parquet"
    assert ended.returncode == 1
    assert ended.stderr == f"lookalike: cannot write the file: got File too large ({part})\n"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        ".lookalike.lock",
        "manifest.json",
        "part-00000.parquet",
        "part-00001.parquet",
    ]
    assert main(command) == 3
    assert read_manifest(tmp_path / "out")["num_rows"] == 80


def test_a_table_that_changes_under_a_job_stops_it(repository: Path, table: Path, tmp_path: Path) -> None:
    """Before a part of it is written; the line names the file."""
    command = scoring(table, repository, tmp_path / "out")
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen([sys.executable, "-c", STEPWISE, *command], text=True, **pipes) as job:
        assert job.stdout is not None
        assert job.stdout.readline() == "20\n"
        with table.open("a") as file:
            file.write("more,nowhere.png\n")
        _, errors = job.communicate("\n" * NUM_ROWS, timeout=30)
    assert job.returncode == 1
    assert errors == (
        "lookalike: table that is being read: expected the file as it was when it was opened, got another size or time "
        f"({table}); write tables under another name first, then start again\n"
    )
    assert not list((tmp_path / "out").glob("part-*"))
    assert os.listdir(tmp_path / "out").count("manifest.json") == 1
    assert main(command) == 3
