"""Small scoring jobs for tests: folders of images with broken ones, a job over them, and the content of its folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from rows.tables import ImageTable
from serving.client.scorer import Scorer
from serving.jobs.scoring import JobResult, score_table
from tests.shared.scored_images import BAD, write_images

STEPWISE = """
import sys
from lookalike import progress
from lookalike.cli import main

report = progress.EventProgress.report

def wait_and_report(self, event):
    report(self, event)
    print(event["done"], flush=True)
    sys.stdin.readline()

progress.EventProgress.report = wait_and_report
sys.exit(main(sys.argv[1:]))
"""
"""A program: the command line that waits for a line of standard input after each step of its progress."""


def folder_of_images(folder: Path, num_images: int, *, bad: tuple[int, ...] = ()) -> Path:
    """Images in two class folders; those numbered in `bad` are broken."""
    for number, path in enumerate(write_images(folder / "all", num_images)):
        target = folder / ("cats", "dogs")[number % 2] / path.name
        target.parent.mkdir(exist_ok=True)
        path.rename(target)
        if number in bad:
            target.write_bytes(BAD)
    (folder / "all").rmdir()
    return folder


def csv_of_images(file: Path, paths: list[Path]) -> Path:
    """A CSV table with the columns id and path, one row an image: its length cannot be told beforehand."""
    file.write_text("id,path\n" + "".join(f"r{row},{path}\n" for row, path in enumerate(paths)))
    return file


def score(
    table: ImageTable, repository: Path, output: Path, model: str = "triplet_branch", **options: Any
) -> JobResult:
    """Score in this process, in batches of 4 on one thread."""
    with Scorer(model, repository=repository, batch_size=4, threads=1) as scorer:
        return score_table(table, scorer, output, **options)


def read_rows(output: Path) -> pa.Table:
    """The rows of all parts, in table order."""
    return pa.concat_tables([parquet.read_table(path) for path in sorted(output.glob("part-*.parquet"))])


def read_manifest(output: Path) -> dict[str, Any]:
    """manifest.json."""
    manifest: dict[str, Any] = json.loads((output / "manifest.json").read_bytes())
    return manifest


def files_of(output: Path) -> dict[str, bytes]:
    """Every file of an output folder by name."""
    return {path.name: path.read_bytes() for path in output.iterdir()}
