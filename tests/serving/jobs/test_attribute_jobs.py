"""Tables of attributes through the job: vectors by hand, bad rows, resuming to the byte, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyarrow import parquet

from artifact.errors import DataError, OutputError, UsageError
from rows.formats.reading import Reading
from rows.regions import RegionOptions
from rows.vectors.named_images import NamedImages
from rows.vectors.table import VectorTable
from serving.client.scorer import Scorer
from serving.jobs.scoring import JobResult, score_table
from serving.jobs.tables import open_scored_table
from tests.shared.child_process import start_child
from tests.shared.job_tables import STEPWISE, files_of, read_manifest, read_rows
from tests.shared.two_tower_models import drawn_columns, publish_towers, vectors_of, write_csv

NUM_ROWS = 40
COLUMNS = drawn_columns(NUM_ROWS)
IDS = [f"r{row}" for row in range(NUM_ROWS)]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The two models."""
    return publish_towers(tmp_path_factory.mktemp("towers") / "repository")


def score(table: Path, repository: Path, output: Path, model: str = "tiny_attributes", **options: Any) -> JobResult:
    """Score a table as the command does."""
    of_table = ("columns", "copy", "id_column", "loss", "reading", "regions")
    opening = {name: options.pop(name) for name in of_table if name in options}
    with Scorer(model, repository=repository) as scorer:
        opened, _ = open_scored_table(str(table), scorer.manifest, model=model, **opening)
        return score_table(opened, scorer, output, **options)


def test_table_of_attributes_becomes_vectors(repository: Path, tmp_path: Path) -> None:
    """Order, ids, copied attributes and lineage; nobody takes the table for one of images."""
    table = write_csv(tmp_path / "t.csv", COLUMNS, id=IDS, label=["a", "b"] * 20)
    result = score(table, repository, tmp_path / "out", rows_per_part=16)
    assert (result.num_rows, result.num_scored, result.num_errors) == (NUM_ROWS, NUM_ROWS, 0)
    rows = read_rows(tmp_path / "out")
    assert rows.column_names == ["id", "label", "color", "striped", "size", "embedding"]
    assert rows["id"].to_pylist() == IDS
    vectors = VectorTable.open(tmp_path / "out")
    np.testing.assert_allclose(vectors.matrix, vectors_of(COLUMNS), atol=1e-5)
    assert vectors.lineage is not None
    assert (vectors.lineage.artifact, vectors.lineage.mode) == ("tiny_attributes", "attributes")
    manifest = read_manifest(tmp_path / "out")
    assert manifest["streams"] == {"attributes": "color=color, striped=striped, size=size"}
    assert NamedImages.of_job(manifest, "embedding", tmp_path / "out") is None
    with Scorer("tiny", repository=repository) as images:
        assert vectors.lineage.space == images.lineage.space


def test_bad_rows_stand_in_the_errors(repository: Path, tmp_path: Path) -> None:
    """With id, stream and reason; equal rows run once, equal ids are told."""
    columns = {"color": ["red", "rot", "red", None], "size": [1, 1, 1, None]}
    table = write_csv(tmp_path / "t.csv", columns, id=["a", "b", "a", "c"])
    result = score(table, repository, tmp_path / "out")
    assert (result.num_scored, result.num_errors, result.num_images, result.num_duplicate_ids) == (2, 2, 1, 1)
    errors = parquet.read_table(tmp_path / "out" / "errors.parquet").to_pylist()
    assert [(each["id"], each["stream"]) for each in errors] == [("b", "attributes"), ("c", "attributes")]
    assert errors[0]["reason"].startswith("attribute 'color': expected one of blue, green, red, got 'rot'")
    assert result.table_notes == ("no column for striped: missing in all rows",)
    write_csv(tmp_path / "t.csv", columns | {"color": ["red", "green", "red", "blue"]}, id=["a", "b", "a", "c"])
    mended = score(table, repository, tmp_path / "out", retry_errors=True)
    assert (mended.num_mended, mended.num_errors) == (2, 0)
    assert read_rows(tmp_path / "out")["id"].to_pylist() == ["a", "b", "a", "c"]


def test_killed_job_goes_on_to_the_same_bytes(repository: Path, tmp_path: Path) -> None:
    """Killed with two of five parts under way; the parts are those of a job that was never killed."""
    table = write_csv(tmp_path / "t.csv", COLUMNS, id=IDS)
    words = ["score", table, "--model", "tiny_attributes", "--repository", repository, "--rows-per-part", 8]
    command = [sys.executable, "-c", STEPWISE, *map(str, [*words, "--output", tmp_path / "killed"])]
    with start_child(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        while int(child.stdout.readline()) < 16:
            child.stdin.write("\n")
            child.stdin.flush()
        child.kill()
    resumed = score(table, repository, tmp_path / "killed", rows_per_part=8)
    assert 0 < resumed.resumed_at < NUM_ROWS
    score(table, repository, tmp_path / "whole", rows_per_part=8)
    ours, theirs = files_of(tmp_path / "killed"), files_of(tmp_path / "whole")
    assert {name: data for name, data in ours.items() if name.startswith("part-")} == {
        name: data for name, data in theirs.items() if name.startswith("part-")
    }


def test_job_of_other_columns_is_another(repository: Path, tmp_path: Path) -> None:
    """The columns that attributes are read from are part of what a job is."""
    table = write_csv(tmp_path / "t.csv", {"color": ["red"], "other": ["blue"]})
    score(table, repository, tmp_path / "out")
    with pytest.raises(OutputError, match="color=other"):
        score(table, repository, tmp_path / "out", columns={"color": "other"})


def test_images_of_two_towers_copy_their_attributes(repository: Path, images: list[Path], tmp_path: Path) -> None:
    """A table of images that has columns of the attributes keeps them beside the vectors."""
    table = write_csv(tmp_path / "t.csv", {"path": images[:3], "color": ["red", "blue", "?"], "price": [1, 2, 3]})
    score(table, repository, tmp_path / "out", "tiny")
    assert read_rows(tmp_path / "out").column_names == ["id", "color", "embedding"]


def test_each_model_names_the_other_for_tables(repository: Path, images: list[Path], tmp_path: Path) -> None:
    """An image folder or a table of paths, and a table of attributes, for the wrong one of the two."""
    paths = write_csv(tmp_path / "paths.csv", {"path": images[:2]})
    rows = write_csv(tmp_path / "rows.csv", COLUMNS, id=IDS)
    for table in (images[0].parent, paths):
        with pytest.raises(
            DataError, match=r"table of attributes: expected columns of .*; for images take model 'tiny'$"
        ):
            score(table, repository, tmp_path / "out")
    with pytest.raises(
        DataError, match=r"image column \"image\".*; for rows of attributes take model 'tiny_attributes'$"
    ):
        score(rows, repository, tmp_path / "out", "tiny")
    assert not (tmp_path / "out").exists()


def test_what_only_images_have_is_refused(repository: Path, tmp_path: Path) -> None:
    """A loss of tuples, thumbnails, and objects in images."""
    table = write_csv(tmp_path / "t.csv", COLUMNS)
    with pytest.raises(UsageError, match="loss of each row: expected a table of tuples of images"):
        score(table, repository, tmp_path / "out", loss=True)
    for objects in ({"regions": RegionOptions()}, {"reading": Reading(format="coco")}):
        with pytest.raises(UsageError, match="regions: expected a model of images, model 'tiny', got"):
            score(table, repository, tmp_path / "out", **objects)
    with pytest.raises(UsageError, match="thumbnails: expected a table of images, got rows of attributes"):
        score(table, repository, tmp_path / "out", thumbnails_px=32)
