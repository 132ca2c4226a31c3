"""Shards of a job and their merge: what one job would have written, to the byte, or a line that says why not."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from artifact.errors import DataError, OutputError, UsageError
from rows.tables import ImageTable, open_table
from rows.vectors.table import VectorTable
from serving.jobs.merging import merge_shards
from serving.jobs.shards import Shard
from tests.shared.job_tables import csv_of_images, files_of, folder_of_images, read_manifest, score
from tests.shared.scored_images import BAD, publish_models, write_images

MODELS = ["triplet_branch", "triplet_full"]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    return folder_of_images(tmp_path / "pictures", 26, bad=(4, 19, 25))


def score_shards(table: ImageTable, repository: Path, folder: Path, count: int, **options: int) -> list[Path]:
    outputs = [folder / f"shard-{number}" for number in range(1, count + 1)]
    for number, output in enumerate(outputs, start=1):
        score(table, repository, output, shard=Shard(number, count), **({"rows_per_part": 6} | options))
    return outputs


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_merged_shards_are_the_folder_of_one_job(repository: Path, tmp_path: Path, count: int) -> None:
    """Every file to the byte, for a folder and for a CSV read through; also with more shards than parts."""
    paths = write_images(tmp_path / "images", 26)
    paths[3].write_bytes(BAD)
    tables = {"csv": csv_of_images(tmp_path / "t.csv", paths), "folder": tmp_path / "images"}
    for name, source in tables.items():
        table, folder = open_table(source), tmp_path / name
        score(table, repository, folder / "whole", rows_per_part=6)
        if count == 1:
            outputs = [folder / "shard-1"]
            score(table, repository, outputs[0], shard=Shard(1, 1), rows_per_part=6)
            assert files_of(outputs[0]) == files_of(folder / "whole")
            continue
        outputs = score_shards(table, repository, folder, count)
        before = [files_of(output) for output in outputs]
        result = merge_shards(outputs[::-1], folder / "merged")
        assert (result.num_rows, result.num_scored, result.num_errors) == (26, 25, 1)
        assert files_of(folder / "merged") == files_of(folder / "whole")
        assert [files_of(output) for output in outputs] == before
        assert merge_shards(outputs, folder / "merged").note == "the shards were merged already: nothing to do"
        assert score(table, repository, folder / "merged", rows_per_part=6).num_images == 0


def test_a_shard_says_which_and_has_its_own_rows_alone(repository: Path, pictures: Path, tmp_path: Path) -> None:
    """Parts by their numbers in the whole table; resumed and refused as its own job."""
    output = score_shards(open_table(pictures), repository, tmp_path, 2)[1]
    manifest = read_manifest(output)
    assert (manifest["shard"], manifest["num_rows"], manifest["table_rows"]) == ("2/2", 12, 26)
    assert [part["file"] for part in manifest["parts"]] == ["part-00001.parquet", "part-00003.parquet"]
    with pytest.raises(OutputError, match=r"another job: expected shard 1/2, got shard 2/2 \("):
        score(open_table(pictures), repository, output, rows_per_part=6, shard=Shard(1, 2))
    with pytest.raises(OutputError, match=r"another job: expected the whole table, got shard 2/2 \("):
        score(open_table(pictures), repository, output, rows_per_part=6)


def test_parts_are_copied_where_they_cannot_be_linked(
    repository: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another file system, as os.link tells of it."""
    outputs = score_shards(open_table(pictures), repository, tmp_path, 2)
    merge_shards(outputs, tmp_path / "linked")
    assert (tmp_path / "linked/part-00000.parquet").stat().st_nlink == 2

    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr("os.link", refuse)
    merge_shards(outputs, tmp_path / "copied")
    assert (tmp_path / "copied/part-00000.parquet").stat().st_nlink == 1
    assert files_of(tmp_path / "copied") == files_of(tmp_path / "linked")


def test_a_merge_that_was_stopped_is_no_vectors_yet_and_goes_on(
    repository: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped before the second shard; its parts are not linked again."""
    table = open_table(pictures)
    outputs = score_shards(table, repository, tmp_path, 3)
    real, linked = os.link, []

    def link(source: Path, target: Path) -> None:
        if len(linked) == 2:
            raise KeyboardInterrupt
        linked.append(target.name)
        real(source, target)

    monkeypatch.setattr("os.link", link)
    with pytest.raises(KeyboardInterrupt):
        merge_shards(outputs, tmp_path / "out")
    with pytest.raises(DataError, match="finish it with the same command"):
        VectorTable.open(tmp_path / "out")
    kept = {path.name: path.stat().st_ino for path in (tmp_path / "out").glob("part-*")}
    assert set(kept) == set(linked)
    monkeypatch.undo()
    merge_shards(outputs, tmp_path / "out")
    score(table, repository, tmp_path / "whole", rows_per_part=6)
    assert files_of(tmp_path / "out") == files_of(tmp_path / "whole")


def test_shards_that_do_not_make_one_job_are_one_line_each(repository: Path, pictures: Path, tmp_path: Path) -> None:
    """Missing, twice, of another artifact, table, part size or count; unfinished, none, damaged; nothing is made."""
    table = open_table(pictures)
    one, two, three = score_shards(table, repository, tmp_path, 3)
    other = tmp_path / "other"
    publish_models(tmp_path / "again", tmp_path / "files", seed=3, models=["triplet_branch"])
    score(table, tmp_path / "again", other, shard=Shard(2, 3), rows_per_part=6)
    sizes, count, plain = tmp_path / "sizes", tmp_path / "count", tmp_path / "plain"
    score(table, repository, sizes, shard=Shard(2, 3), rows_per_part=5)
    score(table, repository, count, shard=Shard(2, 4), rows_per_part=6)
    score(table, repository, plain, rows_per_part=6)
    copied = tmp_path / "copied"
    shutil.copytree(pictures, copied)
    (copied / "cats" / "00000.png").write_bytes(BAD)
    tables = tmp_path / "tables"
    score(open_table(copied), repository, tables, shard=Shard(2, 3), rows_per_part=6)
    unfinished = tmp_path / "unfinished"
    shutil.copytree(two, unfinished)
    manifest = unfinished / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"complete"', '"running"'))
    holed = tmp_path / "holed"
    shutil.copytree(two, holed)
    (holed / "part-00001.parquet").unlink()
    for shards, words in (
        ([one, three], "shards are missing: expected all 3, got none of 2/3; score and name them too"),
        ([one, two, three, two], f"shard 2/3 is given twice ({two} and {two}); name each once"),
        (
            [one, other, three],
            f"shards of two jobs: expected artifact triplet_branch version 1 as it is now as in {one}, "
            f"got another one that had this name and version ({other})",
        ),
        ([one, sizes, three], f"shards of two jobs: expected 6 rows a part as in {one}, got 5 rows a part ({sizes})"),
        ([one, count, three], f"shards of two jobs: expected one of 3 as in {one}, got shard 2/4 ({count})"),
        ([one, tables], f"shards of two jobs: expected table {pictures} as in {one}, got table {copied} ({tables})"),
        (
            [one, unfinished, three],
            f"shard 2/3 is not complete: got 8 rows so far ({unfinished}); finish it with the command that began it",
        ),
        (
            [one, plain],
            "shard of a job: expected an output folder of `lookalike score --shard I/N`, got another "
            f"({plain}); merge the folders of shards only",
        ),
        ([one, holed, three], f"parts of shard 2/3 are missing: expected 2, got 1 ({holed}); score it again"),
    ):
        with pytest.raises(DataError) as error:
            merge_shards(shards, tmp_path / "out")
        assert str(error.value) == words
        assert not (tmp_path / "out").exists()
    with pytest.raises(OutputError, match="another job: expected the whole table, got shard 1/3"):
        merge_shards([one, two, three], one)


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "1/0", "a/b", "1/2/3", "-1/2"])
def test_shards_that_make_no_sense_are_usage_errors(text: str) -> None:
    """I from 1 to N."""
    with pytest.raises(UsageError, match=r"expected I/N with I from 1 to N, for example 1/4"):
        Shard.parse(text)
