"""A repository and two jobs of an earlier version, one of them half done: sound, gone on with, and the same answers.

tests/data/earlier_job.zip was written by the commit before rooms were made (d3e5c44): images.arrow holds 30 images of
8 x 8 pixels, two of them broken; `repository` the model `tiny`, whose NAME_decode has all its code in one file; `whole`
is the finished job of 10 rows a part, `half` the same killed after its first part.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from artifact.image_batch import load_batch
from artifact.preprocessing import Preprocessing
from artifact.repository.layout import find_problems
from artifact.repository.publishing import publish
from artifact.repository.reading import versions_in
from rows.tables import open_table
from rows.vectors.table import VectorTable
from serving.check import check_repository
from serving.client.scorer import Scorer
from serving.jobs.scoring import JobResult, score_table
from tests.shared.decode_model import run_decode_model
from tests.shared.places import DATA
from tests.shared.tiny_artifact import write_tiny_artifact

PARTS = [f"part-0000{number}.parquet" for number in range(3)]


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    with zipfile.ZipFile(DATA / "earlier_job.zip") as archive:
        archive.extractall(tmp_path / "earlier")
    return tmp_path / "earlier"


def images_of(earlier: Path) -> pa.Table:
    with pa.memory_map(str(earlier / "images.arrow")) as file:
        return pa.ipc.open_file(file).read_all()


def score(earlier: Path, output: str) -> JobResult:
    with Scorer("tiny", repository=earlier / "repository", threads=1) as scorer:
        return score_table(open_table(images_of(earlier)), scorer, earlier / output, rows_per_part=10)


def test_half_done_job_goes_on_where_it_stopped(earlier: Path) -> None:
    """Its part stays to the byte; the others have the rows, reasons, types and lineage of the finished job's."""
    first = (earlier / "half" / PARTS[0]).read_bytes()
    got = score(earlier, "half")
    assert (got.resumed_at, got.num_rows, got.num_errors, list(got.parts)) == (10, 30, 2, PARTS)
    assert (earlier / "half" / PARTS[0]).read_bytes() == first
    for name in (*PARTS, "errors.parquet"):
        new, old = (parquet.read_table(earlier / job / name) for job in ("half", "whole"))
        assert new.schema.equals(old.schema, check_metadata=True)
        plain = [column for column in old.column_names if column != "embedding"]
        assert new.select(plain).equals(old.select(plain))
    new, old = (VectorTable.open(earlier / job) for job in ("half", "whole"))
    np.testing.assert_allclose(new.matrix, old.matrix, rtol=0, atol=1e-5)  # other processors round differently


def test_finished_job_is_finished(earlier: Path) -> None:
    """Nothing is run and nothing is written."""
    before = {path.name: path.read_bytes() for path in (earlier / "whole").iterdir()}
    got = score(earlier, "whole")
    assert (got.note, got.num_images) == ("the job was complete already: nothing to do", 0)
    assert {path.name: path.read_bytes() for path in (earlier / "whole").iterdir()} == before


def test_repository_is_sound_and_takes_a_version(earlier: Path) -> None:
    """Its golden vectors too; what is published next brings NAME_decode of today along."""
    root = earlier / "repository"
    assert check_repository(root).problems == []
    write_tiny_artifact(earlier / "next.onnx", seed=1)
    assert publish(earlier / "next.onnx", root, name="tiny").served == [2]
    assert versions_in(root / "tiny_decode") == [1, 2]
    assert find_problems(root) == []


def test_its_decoder_gives_the_pixels_of_today(earlier: Path) -> None:
    """The code that was published then, run as Triton runs it."""
    images = [data for data in images_of(earlier)["image"].to_pylist() if data != b"no image"]
    pixels, _ = run_decode_model(earlier / "repository" / "tiny_decode", 1, images, earlier)
    np.testing.assert_array_equal(pixels, load_batch({"image": images}, Preprocessing(height=8, width=8))["image"])
