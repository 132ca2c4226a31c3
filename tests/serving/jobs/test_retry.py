"""Bad rows tried again: what was mended joins the rows that are there, which stay as they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from artifact.errors import DataError, OutputError
from rows.tables import open_table
from rows.vectors.table import VectorTable
from serving.jobs.merging import merge_shards
from serving.jobs.shards import Shard
from tests.shared.job_tables import csv_of_images, folder_of_images, read_manifest, read_rows, score
from tests.shared.scored_images import BAD, expected_vectors, write_images

MODELS = ["triplet_branch"]


def errors_of(output: Path) -> list[str]:
    ids: list[str] = parquet.read_table(output / "errors.parquet")["id"].to_pylist()
    return ids


def test_mended_rows_join_in_table_order_and_the_others_stay(repository: Path, tmp_path: Path) -> None:
    """Of five bad rows three are mended; parts without a change are not touched; ids, order and vectors by numpy."""
    paths = write_images(tmp_path / "images", 26)
    good = {row: paths[row].read_bytes() for row in (0, 4, 5, 20, 25)}
    for row in good:
        paths[row].write_bytes(BAD)
    table, output = csv_of_images(tmp_path / "t.csv", paths), tmp_path / "out"
    score(open_table(table), repository, output, rows_per_part=6)
    before = dict(zip(*id_and_vector(output), strict=True))
    files = {path.name: path.stat().st_ino for path in output.glob("part-*")}
    for row in (0, 5, 25):
        paths[row].write_bytes(good[row])

    events: list[tuple[int, int]] = []
    result = score(
        open_table(table),
        repository,
        output,
        rows_per_part=6,
        retry_errors=True,
        report=lambda event: events.append((event["done"], event["num_rows"])),
    )
    assert (result.num_mended, result.num_errors, result.num_images) == (3, 2, 3)
    assert result.note == "bad rows tried again: 5, scored now: 3"
    assert events[-1] == (5, 5)
    ids, vectors = id_and_vector(output)
    kept = [row for row in range(26) if row not in (4, 20)]
    assert ids == [f"r{row}" for row in kept]
    np.testing.assert_allclose(vectors, expected_vectors([paths[row] for row in kept]), atol=1e-5)
    assert all((vectors[ids.index(name)] == value).all() for name, value in before.items())
    assert errors_of(output) == ["r4", "r20"]
    changed = {path.name for path in output.glob("part-*") if path.stat().st_ino != files[path.name]}
    assert changed == {"part-00000.parquet", "part-00004.parquet"}
    manifest = read_manifest(output)
    assert (manifest["state"], manifest["num_scored"], manifest["num_errors"]) == ("complete", 24, 2)
    again = score(open_table(table), repository, output, rows_per_part=6, retry_errors=True)
    assert (again.num_mended, again.num_images, again.num_errors) == (0, 0, 2)


def id_and_vector(output: Path) -> tuple[list[str], np.ndarray]:
    return read_rows(output)["id"].to_pylist(), np.array(VectorTable.open(output).matrix)


def test_a_folder_with_mended_images_is_the_same_table(repository: Path, tmp_path: Path) -> None:
    """Its fingerprint changed by them; both the retry and the same command afterwards know it."""
    pictures, output = folder_of_images(tmp_path / "pictures", 20, bad=(4, 13)), tmp_path / "out"
    score(open_table(pictures), repository, output, rows_per_part=6)
    mended = write_images(tmp_path / "mended", 1, seed=8)[0].read_bytes()
    bad = sorted(path for path in pictures.rglob("*.*") if path.read_bytes() == BAD)
    bad[0].write_bytes(mended)
    with pytest.raises(OutputError, match="as it is now, got that table before it changed"):
        score(open_table(pictures), repository, output, rows_per_part=6)
    result = score(open_table(pictures), repository, output, rows_per_part=6, retry_errors=True)
    assert (result.num_mended, result.num_errors) == (1, 1)
    assert score(open_table(pictures), repository, output, rows_per_part=6).note is not None
    names = sorted(path.relative_to(pictures).as_posix() for path in pictures.rglob("*.*"))
    assert read_rows(output)["id"].to_pylist() == [name for name in names if pictures / name != bad[1]]


def test_a_table_with_other_rows_is_not_retried(repository: Path, tmp_path: Path) -> None:
    """One id differs, or one row more; the folder is left as it was."""
    paths, table, output = write_images(tmp_path / "images", 12), tmp_path / "t.csv", tmp_path / "out"
    paths[3].write_bytes(BAD)
    csv_of_images(table, paths)
    score(open_table(table), repository, output, rows_per_part=4)
    before = {path.name: path.read_bytes() for path in output.iterdir()}
    lines = table.read_text().splitlines()
    for changed, got in (
        ([*lines[:6], "other,x.png", *lines[7:]], "other ids from row 4 on"),
        ([*lines, f"r12,{paths[0]}"], "13 rows instead of 12"),
    ):
        table.write_text("\n".join(changed) + "\n")
        with pytest.raises(DataError) as error:
            score(open_table(table), repository, output, rows_per_part=4, retry_errors=True)
        assert str(error.value) == (
            "table that changed since it was scored: expected the same rows, with images mended, "
            f"got {got} ({table}); score it into another folder"
        )
        assert {path.name: path.read_bytes() for path in output.iterdir()} == before


class StopError(Exception):
    """Ends a job from its report."""


def test_a_retry_that_was_stopped_is_ended_by_the_next_run(repository: Path, tmp_path: Path) -> None:
    """After one part; the next run, with or without --retry-errors, leaves a finished folder."""
    for name, options in (("again", {"retry_errors": True}), ("plain", {})):
        paths = write_images(tmp_path / name, 24)
        good = {row: paths[row].read_bytes() for row in (1, 8, 22)}
        for row in good:
            paths[row].write_bytes(BAD)
        table, output = csv_of_images(tmp_path / f"{name}.csv", paths), tmp_path / f"out-{name}"
        score(open_table(table), repository, output, rows_per_part=6)
        for row, data in good.items():
            paths[row].write_bytes(data)

        def stop(event: object) -> None:
            if event["done"] == 2:  # type: ignore[index]
                raise StopError

        with pytest.raises(StopError):
            score(open_table(table), repository, output, rows_per_part=6, retry_errors=True, report=stop)
        with pytest.raises(DataError, match="finish it with the same command"):
            VectorTable.open(output)
        result = score(open_table(table), repository, output, rows_per_part=6, **options)
        left = ["r8", "r22"] if name == "plain" else []
        assert (result.num_scored, errors_of(output)) == (24 - len(left), left)
        assert VectorTable.open(output).num_rows == 24 - len(left)


def test_a_running_job_is_finished_first_and_then_retried(repository: Path, tmp_path: Path) -> None:
    """Parts that this call makes are not tried twice."""
    paths = write_images(tmp_path / "images", 18)
    good = paths[2].read_bytes()
    for row in (2, 14):
        paths[row].write_bytes(BAD)
    table, output = csv_of_images(tmp_path / "t.csv", paths), tmp_path / "out"

    def stop(event: object) -> None:
        if event["done"] == 12:  # type: ignore[index]
            raise StopError

    with pytest.raises(StopError):
        score(open_table(table), repository, output, rows_per_part=6, report=stop)
    paths[2].write_bytes(good)
    result = score(open_table(table), repository, output, rows_per_part=6, retry_errors=True)
    assert (result.num_mended, result.num_errors, errors_of(output)) == (1, 1, ["r14"])
    assert result.note == "continued at row 6 where an earlier job had stopped; bad rows tried again: 1, scored now: 1"
    assert read_rows(output)["id"].to_pylist() == [f"r{row}" for row in range(18) if row != 14]


def test_mended_tuples_have_their_distances_and_their_loss(repository: Path, tmp_path: Path) -> None:
    """The rows of a folder whose images were never bad, an image in many rows."""
    paths = [str(path) for path in write_images(tmp_path / "images", 12)]
    rows = {"anchor": paths, "positive": paths[3:] + paths[:3], "negative": paths[7:] + paths[:7]}
    parquet.write_table(pa.table({"id": range(12), **rows}), tmp_path / "t.parquet")
    table = open_table(tmp_path / "t.parquet", streams=tuple(rows))
    score(table, repository, tmp_path / "whole", rows_per_part=5, loss=True)
    good = Path(paths[4]).read_bytes()
    Path(paths[4]).write_bytes(BAD)
    result = score(table, repository, tmp_path / "out", rows_per_part=5, loss=True)
    assert result.num_errors == 3
    Path(paths[4]).write_bytes(good)
    result = score(table, repository, tmp_path / "out", rows_per_part=5, loss=True, retry_errors=True)
    assert (result.num_errors, result.num_mended) == (0, 3)
    expected, got = read_rows(tmp_path / "whole"), read_rows(tmp_path / "out")
    assert got.schema.equals(expected.schema, check_metadata=False)
    assert got["id"].to_pylist() == list(range(12))
    assert "loss" in got.column_names
    for name in got.column_names[1:]:
        np.testing.assert_allclose(np.stack(got[name].to_numpy()), np.stack(expected[name].to_numpy()), atol=1e-5)


def test_shards_are_retried_each_for_itself(repository: Path, tmp_path: Path) -> None:
    """And merged as if nothing had been bad."""
    paths = write_images(tmp_path / "images", 20)
    good = paths[7].read_bytes()
    paths[7].write_bytes(BAD)
    table, outputs = csv_of_images(tmp_path / "t.csv", paths), [tmp_path / "one", tmp_path / "two"]
    for number, output in enumerate(outputs, start=1):
        score(open_table(table), repository, output, rows_per_part=6, shard=Shard(number, 2))
    paths[7].write_bytes(good)
    result = score(open_table(table), repository, outputs[1], rows_per_part=6, shard=Shard(2, 2), retry_errors=True)
    assert result.num_mended == 1
    merge_shards(outputs, tmp_path / "out")
    ids, vectors = id_and_vector(tmp_path / "out")
    assert ids == [f"r{row}" for row in range(20)]
    np.testing.assert_allclose(vectors, expected_vectors(paths), atol=1e-5)
