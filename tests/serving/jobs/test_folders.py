"""The folder of a job is its own: what is refused, in which words, and that it is left as it was."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from artifact.errors import DataError, OutputError, UsageError
from rows.tables import open_table
from tests.shared.job_tables import folder_of_images, score
from tests.shared.scored_images import DIM, publish_models

NUM_IMAGES = 37


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}


def refused(repository: Path, table: Path, output: Path, model: str = "triplet_branch", **options: Any) -> str:
    """The message of a job that the folder does not let in; the folder is as it was."""
    before = snapshot(output) if output.is_dir() else {}
    with pytest.raises(OutputError) as error:
        score(open_table(table), repository, output, model, **options)
    assert (snapshot(output) if output.is_dir() else {}) == before
    assert "\n" not in str(error.value)
    return str(error.value)


def test_folders_of_other_things_are_refused_untouched(repository: Path, images: list[Path], tmp_path: Path) -> None:
    """Foreign files, a foreign manifest, a file instead of a folder."""
    mend = "choose another with --output, or remove it"
    pictures = images[0].parent
    output = tmp_path / "out"
    output.mkdir()
    (output / "letters.txt").write_text("mine")
    assert refused(repository, pictures, output) == (
        f"output folder: expected an empty one or that of this job, got 'letters.txt' in it ({output}); {mend}"
    )
    (output / "manifest.json").write_text('{"name": "an extension for a browser"}')
    assert refused(repository, pictures, output) == (
        f"output folder: expected a manifest.json of lookalike-scores/2, got another ({output}); {mend}"
    )
    file = tmp_path / "file"
    file.touch()
    assert refused(repository, pictures, file) == f"output: expected a folder, got a file ({file}); {mend}"


def test_folders_of_other_jobs_are_refused_untouched(repository: Path, images: list[Path], tmp_path: Path) -> None:
    """Another artifact, other files, other options, other columns: each is named, and in words."""
    mend = "choose another with --output, or remove it"
    output, file = tmp_path / "out", tmp_path / "t.csv"
    file.write_text(f"id,path,a\n1,{images[0]},x\n")
    score(open_table(file), repository, output)

    def refusal(expected: str, got: str) -> str:
        return f"output folder belongs to another job: expected {expected}, got {got} ({output}); {mend}"

    assert refused(repository, file, output, "triplet_full") == refusal(
        "artifact triplet_full version 1", "artifact triplet_branch version 1"
    )
    assert refused(repository, file, output, rows_per_part=3) == refusal("3 rows a part", "8192 rows a part")
    folder = folder_of_images(tmp_path / "pictures", 4)
    embedding = f"embedding: fixed_size_list<item: float>[{DIM}]"
    assert refused(repository, folder, output) == refusal(
        f"table {folder}, columns id: string, label: string, {embedding}",
        f"table {file}, columns id: string, {embedding}",
    )
    other = tmp_path / "other.csv"
    other.write_text(f"id,path,a\n1,{images[1]},x\n")
    assert refused(repository, other, output) == refusal(f"table {other}", f"table {file}")
    file.write_text(f"id,path,a\n1,{images[0]},x\n2,{images[1]},y\n")
    assert refused(repository, file, output) == refusal(
        f"table {file} as it is now", "that table before it changed (or with another id column)"
    )
    again = publish_models(tmp_path / "again", tmp_path / "files", seed=5, models=["triplet_branch"])
    assert refused(again, file, output) == refusal(
        f"table {file} as it is now, artifact triplet_branch version 1 as it is now",
        "that table before it changed (or with another id column), another one that had this name and version",
    )


def test_a_folder_without_a_part_is_free_for_another_job(repository: Path, images: list[Path], tmp_path: Path) -> None:
    """A table broken further down fails before its first part; mended, it may go where it was to go."""
    table, output = tmp_path / "t.csv", tmp_path / "out"
    table.write_text(f"id,path\n1,{images[0]}\n,{images[1]}\n")
    with pytest.raises(DataError, match="a value in every row"):
        score(open_table(table), repository, output)
    table.write_text(f"id,path\n1,{images[0]}\n2,{images[1]}\n")
    assert score(open_table(table), repository, output).num_scored == 2


def test_parts_that_are_gone_or_strange_are_not_passed_over(
    repository: Path, images: list[Path], tmp_path: Path
) -> None:
    """A complete job without its last part is not complete; a hole or a foreign part is named."""
    mend = "choose another with --output, or remove it"
    pictures, output = images[0].parent, tmp_path / "out"
    score(open_table(pictures), repository, output, rows_per_part=10)
    (output / "part-00003.parquet").unlink()
    assert refused(repository, pictures, output, rows_per_part=10) == (
        f"parts are missing: expected the 4 that manifest.json lists, got 3 ({output}); {mend}"
    )
    (output / "part-00002.parquet").rename(output / "part-00003.parquet")
    assert refused(repository, pictures, output, rows_per_part=10) == (
        f"part of another job: expected one of this ({output / 'part-00003.parquet'}); {mend}"
    )
    (output / "part-00003.parquet").unlink()
    parquet.write_table(pa.table({"x": [1]}), output / "part-00001.parquet")
    assert refused(repository, pictures, output, rows_per_part=10) == (
        f"part of another job: expected one of this ({output / 'part-00001.parquet'}); {mend}"
    )


def test_two_jobs_at_once_in_one_folder_are_refused(repository: Path, images: list[Path], tmp_path: Path) -> None:
    """The second is told; the first is not disturbed. The lock goes with its process, so a kill frees it."""
    output = tmp_path / "out"
    score(open_table(images[0].parent), repository, output)
    with (output / ".lookalike.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert refused(repository, images[0].parent, output) == (
            f"output folder is in use by another job ({output}); wait for it to end"
        )
    assert score(open_table(images[0].parent), repository, output).note is not None


def test_streams_and_columns_that_do_not_fit_are_refused(repository: Path, images: list[Path], tmp_path: Path) -> None:
    """Nothing is made on disk then."""
    file = tmp_path / "pairs.csv"
    file.write_text(f"left,right,embedding_left\n{images[0]},{images[1]},x\n")
    output = tmp_path / "out"
    pairs = open_table(file, streams=("left", "right"), copy=["embedding_left"])
    with pytest.raises(UsageError) as usage:
        score(pairs, repository, output)
    assert str(usage.value) == (
        "streams: expected anchor, positive, negative (or image alone), got left, right "
        "(model 'triplet_branch' of kind triplet)"
    )
    with pytest.raises(DataError, match='copied column "embedding_left": expected a name that the output does not use'):
        score(pairs, repository, output, "siamese_branch")
    with pytest.raises(UsageError, match="rows_per_part: expected 1 to 65536, got 0"):
        score(pairs, repository, output, "siamese_branch", rows_per_part=0)
    assert not output.exists()


def test_a_read_only_place_is_one_line(repository: Path, images: list[Path], tmp_path: Path) -> None:
    """A folder that cannot be made."""
    (tmp_path / "file").touch()
    output = tmp_path / "file" / "out"
    with pytest.raises(OutputError) as error:
        score(open_table(images[0].parent), repository, output)
    assert str(error.value) == (
        f"output folder: got Not a directory ({output}); choose another with --output, or remove it"
    )
