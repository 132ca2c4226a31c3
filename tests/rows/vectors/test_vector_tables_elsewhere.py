"""Scored tables opened by other programs: pandas, polars, DuckDB, LanceDB and embedding-atlas."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from rows.tables import open_table
from serving.client.scorer import Scorer
from serving.jobs.scoring import score_table
from tests.shared.scored_images import DIM, expected_vectors, publish_models, write_images

NUM_ROWS, NEAREST = 30, 5
TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of a job: three parts, with `id`, `label` and `embedding`."""
    folder = tmp_path_factory.mktemp("elsewhere")
    for number, path in enumerate(write_images(folder / "all", NUM_ROWS)):
        target = folder / "images" / ("cats", "dogs")[number % 2] / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)
    repository = publish_models(folder / "models", folder / "files", models=["triplet_branch"])
    with Scorer("triplet_branch", repository=repository, threads=1) as scorer:
        score_table(open_table(folder / "images"), scorer, folder / "vectors", rows_per_part=12)
    return folder / "vectors"


@pytest.fixture(scope="module")
def ids(scored: Path) -> list[str]:
    """Table order, by the file system."""
    images = scored.parent / "images"
    return sorted(path.relative_to(images).as_posix() for path in images.rglob("*.*"))


@pytest.fixture(scope="module")
def vectors(scored: Path, ids: list[str]) -> np.ndarray:
    """float32 [NUM_ROWS, DIM] by numpy."""
    return expected_vectors([scored.parent / "images" / each for each in ids])


def nearest(vectors: np.ndarray, ids: list[str], query: np.ndarray) -> list[tuple[str, float]]:
    """The neighbours of a vector by numpy, nearest first: (id, euclidean distance)."""
    distances = np.linalg.norm(vectors.astype(np.float64) - query, axis=1)
    return [(ids[row], float(distances[row])) for row in np.argsort(distances)[:NEAREST]]


def test_pandas_reads_the_parts(scored: Path, ids: list[str], vectors: np.ndarray) -> None:
    """All rows in order; the vectors of a column stack into a matrix."""
    import pandas as pd

    frame = pd.read_parquet(sorted(scored.glob("part-*.parquet")))
    assert frame["id"].tolist() == ids
    assert frame["label"].tolist() == [each.split("/")[0] for each in ids]
    matrix = np.stack(frame["embedding"])
    assert matrix.dtype == np.float32
    np.testing.assert_allclose(matrix, vectors, atol=TOLERANCE)


def test_polars_reads_the_parts_as_arrays(scored: Path, ids: list[str], vectors: np.ndarray) -> None:
    """The column keeps its width, and becomes a matrix at once."""
    import polars as pl

    frame = pl.read_parquet(f"{scored}/part-*.parquet")
    assert frame["id"].to_list() == ids
    assert frame["embedding"].dtype == pl.Array(pl.Float32, DIM)
    np.testing.assert_allclose(frame["embedding"].to_numpy(), vectors, atol=TOLERANCE)
    lazily = pl.scan_parquet(f"{scored}/part-*.parquet").filter(pl.col("label") == "cats").select("id").collect()
    assert lazily["id"].to_list() == [each for each in ids if each.startswith("cats")]


def test_duckdb_finds_neighbours_in_the_files(scored: Path, ids: list[str], vectors: np.ndarray) -> None:
    """SQL over the parts where they lie, nearest by array_distance; cosine distance agrees with numpy too."""
    import duckdb

    query = f"""
        SELECT b.id, array_distance(a.embedding::FLOAT[{DIM}], b.embedding::FLOAT[{DIM}]) AS distance,
               array_cosine_distance(a.embedding::FLOAT[{DIM}], b.embedding::FLOAT[{DIM}]) AS cosine
        FROM '{scored}/part-*.parquet' a, '{scored}/part-*.parquet' b
        WHERE a.id = ? ORDER BY distance LIMIT {NEAREST}"""
    with duckdb.connect() as connection:
        for row in (0, 13, 29):
            found = connection.execute(query, [ids[row]]).fetchall()
            expected = nearest(vectors, ids, vectors[row])
            assert [each for each, _, _ in found] == [each for each, _ in expected]
            np.testing.assert_allclose([each[1] for each in found], [each[1] for each in expected], atol=TOLERANCE)
            others = np.array([vectors[ids.index(each)] for each, _, _ in found])
            lengths = np.linalg.norm(others, axis=1) * np.linalg.norm(vectors[row])
            cosines = 1 - others @ vectors[row] / lengths
            np.testing.assert_allclose([each[2] for each in found], cosines, atol=TOLERANCE)
        counted = connection.execute(f"SELECT label, count(*) FROM '{scored}/part-*.parquet' GROUP BY 1 ORDER BY 1")
        assert counted.fetchall() == [("cats", 15), ("dogs", 15)]


def test_lancedb_makes_a_table_and_searches_it(
    scored: Path, ids: list[str], vectors: np.ndarray, tmp_path: Path
) -> None:
    """From the parts as Arrow, by batches; its L2 is the squared distance."""
    lancedb = pytest.importorskip("lancedb", reason="lancedb is not installed: 180 MB, so it is in no extra")
    import pyarrow.dataset

    parts = pyarrow.dataset.dataset(sorted(map(str, scored.glob("part-*.parquet"))))
    table = lancedb.connect(tmp_path / "lance").create_table("digits", parts.to_batches(), schema=parts.schema)
    assert table.count_rows() == NUM_ROWS
    for row in (0, 13, 29):
        found = table.search(vectors[row], vector_column_name="embedding").distance_type("l2").limit(NEAREST).to_list()
        expected = nearest(vectors, ids, vectors[row])
        assert [each["id"] for each in found] == [each for each, _ in expected]
        squared = [each["_distance"] for each in found]
        np.testing.assert_allclose(squared, [each[1] ** 2 for each in expected], atol=TOLERANCE)


def test_embedding_atlas_lays_the_vectors_out(
    scored: Path, ids: list[str], vectors: np.ndarray, tmp_path: Path
) -> None:
    """Its page, exported, holds every row with a place on the map and its true neighbours. Takes more than a minute."""
    pytest.importorskip("embedding_atlas", reason="embedding-atlas is not installed: 600 MB, so it is in no extra")
    program = Path(sys.executable).with_name("embedding-atlas")
    parts = sorted(scored.glob("part-*.parquet"))
    options = ["--vector", "embedding", "--umap-metric", "euclidean", "--export-application", tmp_path / "page.zip"]
    subprocess.run([program, *parts, *options], check=True, capture_output=True)
    with zipfile.ZipFile(tmp_path / "page.zip") as page:
        rows = parquet.read_table(pa.BufferReader(page.read("data/dataset.parquet")))
    assert rows["id"].to_pylist() == ids
    assert np.isfinite([rows["projection_x"].to_numpy(), rows["projection_y"].to_numpy()]).all()
    for row, found in enumerate(rows["__neighbors"].to_pylist()):
        expected = nearest(vectors, ids, vectors[row])
        assert [ids[each] for each in found["ids"][:NEAREST]] == [each for each, _ in expected]
