"""Merging again after a shard was retried, and shards of a table that was mended meanwhile."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from artifact.errors import DataError
from rows.tables import open_table
from rows.vectors.table import VectorTable
from serving.jobs.merging import merge_shards
from serving.jobs.shards import Shard
from tests.shared.job_tables import csv_of_images, files_of, folder_of_images, read_manifest, read_rows, score
from tests.shared.scored_images import BAD, write_images

MODELS = ["triplet_branch"]


def score_shard(table: Path, repository: Path, folder: Path, number: int, *, retry: bool = False) -> Path:
    """Shard `number` of two, in parts of 6 rows."""
    output = folder / f"shard-{number}"
    score(open_table(table), repository, output, rows_per_part=6, shard=Shard(number, 2), retry_errors=retry)
    return output


def test_a_merge_takes_what_a_retry_gave_since_the_last_one(repository: Path, tmp_path: Path) -> None:
    """The part with more rows takes the place of the old one, the arrays are made anew, other parts are not touched."""
    paths = write_images(tmp_path / "images", 20)
    good = {row: paths[row].read_bytes() for row in (7, 8, 19)}
    for row in good:
        paths[row].write_bytes(BAD)
    table, merged = csv_of_images(tmp_path / "t.csv", paths), tmp_path / "merged"
    shards = [score_shard(table, repository, tmp_path, number) for number in (1, 2)]
    assert merge_shards(shards, merged, output_format="npy").num_errors == 3
    inodes = {path.name: path.stat().st_ino for path in merged.glob("part-*")}
    for row in (7, 19):
        paths[row].write_bytes(good[row])
    score_shard(table, repository, tmp_path, 2, retry=True)

    result = merge_shards(shards, merged)
    assert (result.num_scored, result.num_errors, result.note) == (19, 1, None)
    assert read_rows(merged)["id"].to_pylist() == [f"r{row}" for row in range(20) if row != 8]
    assert parquet.read_table(merged / "errors.parquet")["id"].to_pylist() == ["r8"]
    assert not list(merged.glob("*.npy"))
    changed = {name for name, inode in inodes.items() if (merged / name).stat().st_ino != inode}
    assert changed == {"part-00001.parquet", "part-00003.parquet"}
    again = merge_shards(shards, merged, output_format="npy")
    assert again.note == "the shards were merged already: nothing to do"
    np.testing.assert_array_equal(np.load(merged / "embedding.npy"), VectorTable.open(merged).matrix)
    fresh = tmp_path / "fresh"
    merge_shards(shards, fresh, output_format="npy")
    assert files_of(merged) == files_of(fresh)


def test_rows_that_the_merged_folder_gained_itself_stay(repository: Path, tmp_path: Path) -> None:
    """A retry of the whole; the shards, which know less, do not take it back."""
    paths = write_images(tmp_path / "images", 14)
    good = paths[3].read_bytes()
    paths[3].write_bytes(BAD)
    table, merged = csv_of_images(tmp_path / "t.csv", paths), tmp_path / "merged"
    shards = [score_shard(table, repository, tmp_path, number) for number in (1, 2)]
    merge_shards(shards, merged)
    paths[3].write_bytes(good)
    score(open_table(table), repository, merged, rows_per_part=6, retry_errors=True)
    assert merge_shards(shards, merged).num_scored == 14


def test_shards_of_a_folder_that_was_mended_between_them_are_refused_in_any_order(
    repository: Path, tmp_path: Path
) -> None:
    """The first was retried with the mended image, so it knows the table of the second, but its rows are of the old."""
    pictures = folder_of_images(tmp_path / "pictures", 20, bad=(0,))
    image = next(path for path in pictures.rglob("*.*") if path.read_bytes() == BAD)
    number = (
        1
        + sorted(path.relative_to(pictures) for path in pictures.rglob("*.*")).index(image.relative_to(pictures))
        // 6
        % 2
    )
    first = score_shard(pictures, repository, tmp_path, number)
    image.write_bytes(write_images(tmp_path / "mended", 1, seed=8)[0].read_bytes())
    score_shard(pictures, repository, tmp_path, number, retry=True)
    assert "mended" in read_manifest(first)
    second = score_shard(pictures, repository, tmp_path, 3 - number)
    for shards in ([first, second], [second, first]):
        with pytest.raises(DataError, match=r"^shards of two jobs: expected table .* as it is now as in"):
            merge_shards(shards, tmp_path / "merged")
        assert not (tmp_path / "merged").exists()


def test_shards_that_were_mended_alike_make_a_folder_that_knows_it(repository: Path, tmp_path: Path) -> None:
    """The command for the whole finds it complete, as it finds a whole that was retried."""
    pictures = folder_of_images(tmp_path / "pictures", 24, bad=tuple(range(0, 24, 2)))
    shards = [score_shard(pictures, repository, tmp_path, number) for number in (1, 2)]
    bad = [path for path in sorted(pictures.rglob("*.*")) if path.read_bytes() == BAD]
    bad[0].write_bytes(write_images(tmp_path / "mended", 1, seed=8)[0].read_bytes())
    for number in (1, 2):
        score_shard(pictures, repository, tmp_path, number, retry=True)
    merge_shards(shards, tmp_path / "merged")
    result = score(open_table(pictures), repository, tmp_path / "merged", rows_per_part=6)
    assert (result.num_images, result.num_scored) == (0, 13)
