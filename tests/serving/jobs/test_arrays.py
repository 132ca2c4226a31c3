"""Arrays beside the parts, and what a job says about odd rows: ids that are not unique, most rows bad."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from artifact.errors import UsageError
from rows.tables import open_table
from rows.vectors.table import VectorTable
from serving.client.scorer import Scorer
from serving.jobs.claiming import open_job_folder
from serving.jobs.duplicate_ids import duplicate_ids
from serving.jobs.identity import JobIdentity
from serving.jobs.merging import merge_shards
from serving.jobs.shards import Shard
from tests.shared.job_tables import csv_of_images, read_manifest, read_rows, score
from tests.shared.scored_images import BAD, DIM, write_images

MODELS = ["triplet_branch"]


def pairs_table(folder: Path) -> Path:
    """15 triplets with text, numbers, nothing and lists beside them; row 3 has a bad image."""
    paths = [str(path) for path in write_images(folder / "images", 15)]
    Path(paths[3]).write_bytes(BAD)
    columns = {
        "id": [f"ä{row}" * (row + 1) for row in range(15)],
        "anchor": paths,
        "positive": paths[1:4] * 5,
        "negative": paths[5:10] * 3,
        "weight": np.arange(15) / 4,
        "kind": np.arange(15, dtype=np.int16),
        "good": [row % 2 == 0 for row in range(15)],
        "hole": [None, *range(14)],
        "list": [[1, 2]] * 15,
        "a/b": list(range(15)),
    }
    columns["positive"] = [path for path in columns["positive"] if path != paths[3]] + paths[1:6]
    parquet.write_table(pa.table(columns), folder / "t.parquet")
    return folder / "t.parquet"


@pytest.mark.parametrize("output_format", ["npy", "npz"])
def test_arrays_hold_what_the_parts_hold(repository: Path, tmp_path: Path, output_format: str) -> None:
    """Every column that NumPy has a plain type for, row by row; nothing pickled; nothing else beside the parts."""
    copied = ["weight", "kind", "good", "hole", "list", "a/b"]
    table = open_table(pairs_table(tmp_path), streams=("anchor", "positive", "negative"), copy=copied)
    output = tmp_path / "out"
    result = score(table, repository, output, rows_per_part=4, output_format=output_format)
    names = ["id", "weight", "kind", "good", "embedding_anchor", "embedding_positive", "embedding_negative"]
    names += ["distance_anchor_positive", "distance_anchor_negative", "same"]
    if output_format == "npy":
        assert result.arrays == tuple(f"{name}.npy" for name in names)
        arrays = {name: np.load(output / f"{name}.npy") for name in names}
    else:
        assert result.arrays == ("vectors.npz",)
        with np.load(output / "vectors.npz") as opened:
            assert opened.files == names
            arrays = {name: opened[name] for name in names}
    rows = read_rows(output)
    assert 0 < rows.num_rows == result.num_scored < 15
    for name in names:
        expected = rows[name].to_pylist()
        assert arrays[name].tolist() == expected, name
    assert arrays["embedding_anchor"].dtype == np.float32
    assert arrays["embedding_anchor"].shape == (rows.num_rows, DIM)
    assert (arrays["kind"].dtype, arrays["good"].dtype, arrays["id"].dtype.kind) == (np.int16, np.bool_, "U")
    assert VectorTable.open(output, "embedding_anchor").num_rows == rows.num_rows
    assert read_manifest(output)["arrays"] == list(result.arrays)


def test_columns_that_make_no_array_stay_in_the_parts(repository: Path, tmp_path: Path) -> None:
    """Vectors with holes or of other types, names that are no file here; what lies elsewhere by such a name stays."""
    paths = [str(path) for path in write_images(tmp_path / "images", 4)]
    holed = [[1.0, None], [2.0, 3.0], [4.0, 5.0], [6.0, 7.0]]
    lists = {
        "whole": ([[row, -row] for row in range(4)], pa.float32()),
        "empty": ([None, [1, 2], [3, 4], [5, 6]], pa.float32()),
        "holed": (holed, pa.float32()),
        "int": ([[2**53 + 1, row] for row in range(4)], pa.int64()),
        "text": ([["a", "b"]] * 4, pa.string()),
        "../up": ([[0, 0]] * 4, pa.float32()),
    }
    columns = {name: pa.array(values, pa.list_(kind, 2)) for name, (values, kind) in lists.items()}
    names = ["a/b", "../x", "..", ".hidden", "a\\b", "a: b", "n" * 300, "plain"]
    columns |= {name: pa.array(range(4)) for name in names}
    parquet.write_table(pa.table({"image": paths, **columns}), tmp_path / "t.parquet")
    output, beside = tmp_path / "out", [tmp_path / "x.npy", tmp_path / "up.npy"]
    for path in beside:
        path.write_bytes(b"not ours")
    table = open_table(tmp_path / "t.parquet", copy=list(columns))
    result = score(table, repository, output, rows_per_part=3, output_format="npy")
    assert result.arrays == ("id.npy", "whole.npy", "plain.npy", "embedding.npy")
    np.testing.assert_array_equal(np.load(output / "whole.npy"), np.array(lists["whole"][0], np.float32))
    rows = read_rows(output)
    assert {name: rows[name].to_pylist() for name in columns} == {
        name: column.to_pylist() for name, column in columns.items()
    }
    with Scorer("triplet_branch", repository=repository) as scorer:
        identity, _ = JobIdentity.of(table, scorer, rows_per_part=3)
    with open_job_folder(output, identity) as folder:
        folder.reopen(table.fingerprint)
    assert not list(output.glob("*.npy"))
    assert [path.read_bytes() for path in beside] == [b"not ours"] * 2


def test_arrays_of_a_finished_job_are_made_when_they_are_asked_for(repository: Path, tmp_path: Path) -> None:
    """Without an image run; kept where they are; made anew after a retry; also by a merge, to the same bytes."""
    paths = write_images(tmp_path / "images", 14)
    good = paths[6].read_bytes()
    paths[6].write_bytes(BAD)
    table, output = csv_of_images(tmp_path / "t.csv", paths), tmp_path / "out"
    score(open_table(table), repository, output, rows_per_part=4)
    assert score(open_table(table), repository, output, rows_per_part=4, output_format="npy").num_images == 0
    inode = (output / "embedding.npy").stat().st_ino
    score(open_table(table), repository, output, rows_per_part=4, output_format="npy")
    assert (output / "embedding.npy").stat().st_ino == inode
    paths[6].write_bytes(good)
    score(open_table(table), repository, output, rows_per_part=4, retry_errors=True)
    assert not list(output.glob("*.npy"))
    score(open_table(table), repository, output, rows_per_part=4, output_format="npz")
    with np.load(output / "vectors.npz") as arrays:
        np.testing.assert_array_equal(arrays["embedding"], VectorTable.open(output).matrix)
    shards = [tmp_path / "one", tmp_path / "two"]
    for number, shard in enumerate(shards, start=1):
        score(open_table(table), repository, shard, rows_per_part=4, shard=Shard(number, 2))
    assert merge_shards(shards, tmp_path / "merged", output_format="npz").arrays == ("vectors.npz",)
    with np.load(tmp_path / "merged/vectors.npz") as merged, np.load(output / "vectors.npz") as arrays:
        assert merged["id"].tolist() == arrays["id"].tolist() == [f"r{row}" for row in range(14)]
    with pytest.raises(UsageError, match="format 'csv': expected one of parquet, npy, npz"):
        score(open_table(table), repository, output, rows_per_part=4, output_format="csv")


def test_a_table_of_bad_rows_alone_gives_empty_arrays(repository: Path, tmp_path: Path) -> None:
    """[0, n] and [0]."""
    table = csv_of_images(tmp_path / "t.csv", [tmp_path / f"none{row}.png" for row in range(5)])
    score(open_table(table), repository, tmp_path / "out", output_format="npy")
    assert np.load(tmp_path / "out/embedding.npy").shape == (0, DIM)
    assert np.load(tmp_path / "out/id.npy").shape == (0,)


def test_duplicate_ids_are_counted_and_every_row_is_scored(repository: Path, tmp_path: Path) -> None:
    """Over parts, among good and bad rows; a row with two bad images is one row."""
    paths = [str(path) for path in write_images(tmp_path / "images", 6)]
    ids = ["a", "b", "a", "c", "d", "e", "a", "f", "g", "c"]
    rows = {name: [*paths, *paths[:4]] for name in ("anchor", "positive", "negative")}
    for name in ("anchor", "positive"):
        rows[name][9] = rows[name][1] = "nowhere.png"
    parquet.write_table(pa.table({"id": ids, **rows}), tmp_path / "t.parquet")
    table = open_table(tmp_path / "t.parquet", streams=tuple(rows))
    result = score(table, repository, tmp_path / "out", rows_per_part=3)
    assert (result.num_duplicate_ids, result.num_scored, result.num_errors) == (3, 8, 2)
    manifest = read_manifest(tmp_path / "out")
    assert manifest["num_duplicate_ids"] == 3
    assert manifest["duplicate_id"] in ("a", "c")
    (warning,) = result.warnings
    assert warning == (
        f"3 rows have ids that an earlier row has, such as {manifest['duplicate_id']!r}; all rows are scored"
    )


@pytest.mark.parametrize("at_a_time", [1, 7, 100, 10_000])
def test_duplicate_ids_are_the_same_number_in_any_number_of_passes(
    monkeypatch: pytest.MonkeyPatch, at_a_time: int
) -> None:
    """Beside a set; the more passes the less memory."""
    monkeypatch.setattr("serving.jobs.duplicate_ids.IDS_AT_A_TIME", at_a_time)
    ids = [str(value) for value in np.random.default_rng(5).integers(0, 300, 500)]

    def chunks() -> Iterator[list[str]]:
        return (ids[first : first + 60] for first in range(0, 500, 60))

    number, example = duplicate_ids(chunks, 500)
    assert number == 500 - len(set(ids))
    assert ids.count(example or "") > 1
    assert duplicate_ids(lambda: iter([["x"], ["y"]]), 2) == (0, None)


def test_a_table_with_most_rows_bad_says_why(repository: Path, tmp_path: Path) -> None:
    """The commonest reason without the name of a file; silent at half."""
    paths = write_images(tmp_path / "images", 10)
    for path in paths[:2]:
        path.write_bytes(BAD)
    gone = [tmp_path / f"none{row}.png" for row in range(4)]
    half = csv_of_images(tmp_path / "half.csv", [*paths[:6], *gone[:2]])
    assert score(open_table(half), repository, tmp_path / "half").warnings == ()
    most = csv_of_images(tmp_path / "most.csv", [*paths[:2], *gone, *paths[5:10]])
    assert score(open_table(most), repository, tmp_path / "most", rows_per_part=4).warnings == (
        "more than half of the rows are bad, 6 of 11; the commonest reason, of 4 images: no such file",
    )
