"""Scoring jobs of prefixes: parts, arrays and manifest hold D numbers, and no other job goes on in their folder."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from artifact.errors import DataError, OutputError
from rows.tables import open_table
from rows.vectors.lineage import Lineage
from rows.vectors.table import VectorTable
from serving.client.scorer import Scorer
from serving.jobs.merging import merge_shards
from serving.jobs.part_scoring import ScoredPart, score_part
from serving.jobs.scoring import JobResult, score_table
from serving.jobs.shards import Shard
from serving.on_ray import scoring as on_ray
from serving.on_ray.dataset import _Embedder
from tests.shared.job_tables import folder_of_images, read_manifest, read_rows
from tests.shared.promising_models import SHORT, SHORTER, expected_prefixes, publish_promising

PART = 8


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Normalised models that promise prefixes."""
    root = tmp_path_factory.mktemp("models") / "repository"
    publish_promising(root, models=("triplet_branch", "siamese_branch"))
    return root


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of_images(tmp_path_factory.mktemp("images") / "images", 20, bad=(3,))


def score(
    table: Path, repository: Path, output: Path, *, dims: int | None, model: str = "triplet_branch", **options: Any
) -> JobResult:
    with Scorer(model, repository=repository, dims=dims, threads=1) as scorer:
        return score_table(open_table(table), scorer, output, rows_per_part=PART, **options)


def test_parts_arrays_and_manifest_hold_the_prefixes(folder: Path, repository: Path, tmp_path: Path) -> None:
    """As numpy gives them; the table is read back as one of D numbers, with their threshold."""
    score(folder, repository, tmp_path / "v", dims=SHORTER, output_format="npz")
    rows = read_rows(tmp_path / "v")
    paths = [folder / name for name in rows["id"].to_pylist()]
    vectors = np.stack(rows["embedding"].to_pylist()).astype(np.float32)
    np.testing.assert_allclose(vectors, expected_prefixes(paths, SHORTER), atol=1e-5)
    assert rows.schema.field("embedding").type == pa.list_(pa.float32(), SHORTER)
    with np.load(tmp_path / "v" / "vectors.npz") as arrays:
        assert arrays["embedding"].tobytes() == vectors.tobytes()
    lineage = VectorTable.open(tmp_path / "v").lineage
    assert lineage is not None
    assert (lineage.dims, lineage.prefixes, lineage.threshold) == (SHORTER, (), 0.7)
    manifest = read_manifest(tmp_path / "v")
    assert Lineage.from_dict(manifest["lineage"]) == lineage
    assert manifest["job"]["dims"] == SHORTER


def test_a_cut_table_is_the_scored_one_to_the_byte(folder: Path, repository: Path, tmp_path: Path) -> None:
    """Whether vectors are cut when they are scored or when they are read."""
    score(folder, repository, tmp_path / "whole", dims=None)
    score(folder, repository, tmp_path / "short", dims=SHORT)
    cut, scored = VectorTable.open(tmp_path / "whole").cut(SHORT), VectorTable.open(tmp_path / "short")
    assert cut.matrix.tobytes() == scored.matrix.tobytes()
    assert cut.lineage == scored.lineage
    assert "dims" not in read_manifest(tmp_path / "whole")["job"]


@pytest.mark.parametrize(
    ("before", "now", "line"),
    [
        (SHORT, SHORTER, "the first 3 numbers of each vector, got the first 5 numbers of each vector"),
        (None, SHORT, "the first 5 numbers of each vector, got whole vectors"),
        (SHORT, None, "whole vectors, got the first 5 numbers of each vector"),
    ],
)
def test_a_job_of_other_dims_is_not_gone_on_with(
    before: int | None, now: int | None, line: str, folder: Path, repository: Path, tmp_path: Path
) -> None:
    """In one line that says what differs; the same dims go on."""
    score(folder, repository, tmp_path / "v", dims=before)
    with pytest.raises(OutputError) as caught:
        score(folder, repository, tmp_path / "v", dims=now)
    assert line in str(caught.value)
    assert "columns" not in str(caught.value)
    assert score(folder, repository, tmp_path / "v", dims=before).num_images == 0


def test_a_retry_keeps_the_dims(repository: Path, tmp_path: Path) -> None:
    """Rows that are mended have as many numbers as the others."""
    images = folder_of_images(tmp_path / "images", 10, bad=(3,))
    score(images, repository, tmp_path / "v", dims=SHORT)
    bad = next(path for path in images.rglob("00003.*"))
    bad.write_bytes(next(images.rglob("00000.*")).read_bytes())
    assert score(images, repository, tmp_path / "v", dims=SHORT, retry_errors=True).num_mended == 1
    assert VectorTable.open(tmp_path / "v").matrix.shape == (10, SHORT)


def test_shards_of_other_dims_are_not_merged(folder: Path, repository: Path, tmp_path: Path) -> None:
    """In one line; those of one D are, and the merged table knows it."""
    for number, dims in ((1, SHORT), (2, SHORTER), (3, SHORT)):
        shard = Shard(min(number, 2), 2)
        score(folder, repository, tmp_path / str(number), dims=dims, shard=shard)
    with pytest.raises(DataError, match=r"expected the first 5 numbers of each vector .*, got the first 3 numbers"):
        merge_shards([tmp_path / "1", tmp_path / "2"], tmp_path / "v")
    merge_shards([tmp_path / "1", tmp_path / "3"], tmp_path / "v")
    table = VectorTable.open(tmp_path / "v")
    assert table.lineage is not None
    assert (table.num_rows, table.dim, table.lineage.dims) == (19, SHORT, SHORT)


def test_tuples_have_distances_decision_and_loss_of_the_prefixes(
    folder: Path, repository: Path, tmp_path: Path
) -> None:
    """And a table of whole tuples that is cut has the same distances and decisions, and no loss."""
    paths = sorted(path for path in folder.rglob("*.*") if "00003" not in path.name)
    streams = dict(zip(("anchor", "positive", "negative"), (paths[:6], paths[6:12], paths[12:18]), strict=True))
    lines = [",".join(map(str, row)) for row in zip(*streams.values(), strict=True)]
    (tmp_path / "triplets.csv").write_text("\n".join([",".join(streams), *lines]) + "\n")
    for name, dims in (("short", SHORTER), ("whole", None)):
        table = open_table(tmp_path / "triplets.csv", streams=list(streams))
        with Scorer("triplet_branch", repository=repository, dims=dims, threads=1) as scorer:
            score_table(table, scorer, tmp_path / name, loss=True)
    rows = read_rows(tmp_path / "short")
    a, p, n = (expected_prefixes(each, SHORTER) for each in streams.values())
    near, far = np.linalg.norm(a - p, axis=1), np.linalg.norm(a - n, axis=1)
    np.testing.assert_allclose(rows["distance_anchor_positive"].to_numpy(), near, atol=1e-5)
    np.testing.assert_allclose(rows["distance_anchor_negative"].to_numpy(), far, atol=1e-5)
    np.testing.assert_allclose(rows["loss"].to_numpy(), np.maximum(near - far + 0.2, 0), atol=1e-5)
    assert rows["same"].to_pylist() == (rows["distance_anchor_positive"].to_numpy() <= np.float32(0.7)).tolist()
    whole = VectorTable.open(tmp_path / "whole", "embedding_anchor")
    cut = whole.cut(SHORTER)
    assert set(whole.columns) - set(cut.columns) == {"loss"}
    for name in ("distance_anchor_positive", "distance_anchor_negative", "same"):
        assert cut.column(name).to_pylist() == rows[name].to_pylist()
        assert name == "same" or whole.column(name).to_pylist() != rows[name].to_pylist()


def test_actors_of_a_cluster_have_the_dims_of_the_driver(
    folder: Path, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their parts are those of this process; a cluster itself is slow to start and is not needed to see it."""

    def parts_of_actors(_: Any, job: Any, plan: Any, numbers: Any, *, wait_s: float) -> Generator[ScoredPart]:
        with Scorer(job.model, **job.options, threads=1) as scorer:
            for number in numbers:
                yield score_part(job.table, scorer, job.schema, number=number, rows_per_part=job.rows_per_part)

    monkeypatch.setattr(on_ray, "ray_cluster", lambda address: nullcontext())
    monkeypatch.setattr(on_ray, "find_room", lambda *_, **__: None)
    monkeypatch.setattr(on_ray, "scored_parts", parts_of_actors)
    score(folder, repository, tmp_path / "here", dims=SHORT)
    engine = on_ray.RayEngine(model="triplet_branch", repository=repository)
    score(folder, repository, tmp_path / "there", dims=SHORT, engine=engine)
    assert VectorTable.open(tmp_path / "there").lineage == VectorTable.open(tmp_path / "here").lineage
    for part in sorted((tmp_path / "here").glob("part-*.parquet")):
        assert parquet.read_table(tmp_path / "there" / part.name).equals(parquet.read_table(part))


def test_a_ray_dataset_gets_prefixes(folder: Path, repository: Path) -> None:
    """From its actor, which is a Scorer; null where the image cannot be read."""
    embedder = _Embedder("photo", str(folder), "triplet_branch", {"repository": str(repository), "dims": SHORT})
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.*"))
    found = embedder(pa.table({"photo": names}))
    assert found.schema.field("embedding").type == pa.list_(pa.float32(), SHORT)
    good = [row for row, name in enumerate(names) if "00003" not in name]
    vectors = np.array(found["embedding"].take(good).to_pylist(), np.float32)
    np.testing.assert_allclose(vectors, expected_prefixes([folder / names[row] for row in good], SHORT), atol=1e-5)
    assert found["embedding"].null_count == 1
