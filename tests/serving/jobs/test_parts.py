"""Parts of a job are independent: made alone and in any order they are those of one job, to the byte."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from artifact.errors import DataError, OutputError
from rows.tables import ImageTable, open_table
from serving.client.scorer import Scorer
from serving.jobs.claiming import open_job_folder
from serving.jobs.folder import JobFolder
from serving.jobs.identity import MAX_ROWS_PER_PART, JobIdentity
from serving.jobs.part_files import read_errors, write_scored_part
from serving.jobs.part_scoring import ScoredPart, errors_schema, score_part
from serving.jobs.shards import Shard
from tests.shared.job_tables import csv_of_images, files_of, folder_of_images, score
from tests.shared.scored_images import BAD, write_images

MODELS = ["triplet_branch"]


def whole_and_begun(table: ImageTable, repository: Path, folder: Path, numbers: Iterable[int]) -> tuple[Path, Path]:
    """Two jobs in parts of 6 rows: a finished one, and one with the parts of these numbers alone, in this order."""
    whole, output = folder / f"whole-{table.num_rows}", folder / f"out-{table.num_rows}"
    score(table, repository, whole, rows_per_part=6)
    with Scorer("triplet_branch", repository=repository, batch_size=4, threads=1) as scorer:
        identity, schema = JobIdentity.of(table, scorer, rows_per_part=6)
        with open_job_folder(output, identity) as begun:
            for number in numbers:
                begun.add_part(score_part(table, scorer, schema, number=number, rows_per_part=6))
    return whole, output


def tables(folder: Path) -> list[ImageTable]:
    """26 rows, two of them bad and some of them twice, as a folder and as a CSV whose length nobody knows."""
    pictures = folder_of_images(folder / "pictures", 26, bad=(4, 19))
    paths = write_images(folder / "images", 20)
    paths[7].write_bytes(BAD)
    return [open_table(pictures), open_table(csv_of_images(folder / "t.csv", [*paths, *paths[:6]]))]


@pytest.mark.parametrize("which", [0, 1])
def test_parts_made_alone_in_any_order_are_those_of_one_job(repository: Path, tmp_path: Path, which: int) -> None:
    """Each from its number alone, in a random order; the same files to the byte."""
    table = tables(tmp_path)[which]
    score(table, repository, tmp_path / "whole", rows_per_part=6)
    with Scorer("triplet_branch", repository=repository, batch_size=4, threads=1) as scorer:
        identity, schema = JobIdentity.of(table, scorer, rows_per_part=6)
        with open_job_folder(tmp_path / "out", identity) as folder:
            for number in np.random.default_rng().permutation(5).tolist():
                assert number in folder.missing(26)
                folder.add_part(score_part(table, scorer, schema, number=number, rows_per_part=6))
                assert number not in folder.missing(26)
            folder.complete(26)
        beyond = score_part(table, scorer, schema, number=5, rows_per_part=6)
    assert (beyond.num_rows, beyond.table.num_rows, beyond.table.schema) == (0, 0, schema)
    assert files_of(tmp_path / "out") == files_of(tmp_path / "whole")


def test_a_job_fills_the_gaps_between_parts(repository: Path, tmp_path: Path) -> None:
    """Whichever parts lie there already, only the missing ones are made."""
    for table in tables(tmp_path):
        whole, output = whole_and_begun(table, repository, tmp_path, (3, 1))
        events: list[Any] = []
        result = score(table, repository, output, rows_per_part=6, report=events.append)
        assert (result.resumed_at, result.num_rows) == (12, 26)
        assert [event["done"] for event in events] == [18, 24, 26]
        assert files_of(output) == files_of(whole)


def test_a_folder_is_complete_only_with_every_row(repository: Path, tmp_path: Path) -> None:
    """A missing part, a table that said it had more rows, a part of another shard."""
    table = tables(tmp_path)[0]
    with Scorer("triplet_branch", repository=repository) as scorer:
        identity, schema = JobIdentity.of(table, scorer, rows_per_part=6, shard=Shard(2, 2))

        def part(number: int) -> ScoredPart:
            return score_part(table, scorer, schema, number=number, rows_per_part=6)

        with open_job_folder(tmp_path / "out", identity) as folder:
            folder.add_part(part(1))
            assert folder.missing(26) == [3]
            with pytest.raises(DataError, match="table that was read: expected 12 rows, got 6"):
                folder.complete(26)
            for number in (0, 5):
                with pytest.raises(OutputError, match=f"part of another shard: got part {number}"):
                    folder.add_part(part(number))
            folder.add_part(part(3))
            folder.complete(26)
            _assert_sums(folder, tmp_path / "out")


def test_the_largest_part_of_nothing_but_bad_rows_can_be_read(tmp_path: Path) -> None:
    """All that Parquet reads of metadata is 100 MB; here are four long addresses a row, as a table of quartets has."""
    num_images = 4 * MAX_ROWS_PER_PART
    rows = np.repeat(np.arange(MAX_ROWS_PER_PART), 4)
    ids = [f"https://images.example.com/{row * 7919:032x}/{row:064d}.jpg" for row in rows]
    reasons = [
        f"no such file: https://images.example.com/{row * 104729:032x}/{row:064d}.jpg" for row in range(num_images)
    ]
    errors = pa.table([rows, ids, ["anchor"] * num_images, reasons], schema=errors_schema(pa.string()))
    counts = {"number": 0, "first_row": 0, "num_rows": MAX_ROWS_PER_PART, "num_errors": MAX_ROWS_PER_PART}
    table = pa.table({"id": pa.array([], pa.string())})
    scored = ScoredPart(**counts, table=table, errors=errors, num_images=num_images)
    part = write_scored_part(tmp_path, scored, {"rows_per_part": MAX_ROWS_PER_PART})
    assert read_errors(tmp_path, part).equals(errors)


def _assert_sums(folder: JobFolder, output: Path) -> None:
    counts = [parquet.read_table(path).num_rows for path in output.glob("part-*")]
    assert (folder.num_rows, folder.num_scored) == (12, sum(counts))
    assert folder.num_errors == 12 - sum(counts)


@pytest.mark.parametrize(("rows", "rows_per_part", "count"), [(26, 6, 2), (24, 6, 4), (5, 6, 3), (100, 7, 5)])
def test_shards_have_every_row_once(rows: int, rows_per_part: int, count: int) -> None:
    """By counting row by row."""
    owners = [
        [shard for shard in range(1, count + 1) if Shard(shard, count).has(row // rows_per_part)] for row in range(rows)
    ]
    assert all(len(each) == 1 for each in owners)
    for shard in range(1, count + 1):
        assert Shard(shard, count).num_rows(rows, rows_per_part) == owners.count([shard])


def test_a_job_whose_every_part_is_there_is_completed(repository: Path, tmp_path: Path) -> None:
    """Killed before its last step: also where the table must be read to know that it has no more rows."""
    for table in tables(tmp_path):
        whole, output = whole_and_begun(table, repository, tmp_path, range(5))
        assert score(table, repository, output, rows_per_part=6).num_images == 0
        assert files_of(output) == files_of(whole)
