"""Tables of tuples scored with the loss of each row: its values, the target of pairs, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from artifact.errors import DataError, LookalikeError, OutputError, UsageError
from artifact.kinds import KINDS
from artifact.model.file import append_manifest
from artifact.repository.publishing import publish
from lookalike.cli import main
from rows.tables import open_table
from serving.client.scorer import Scorer
from serving.jobs.scoring import score_table
from tests.shared.scored_images import BAD, DIM, SIZE, expected_vectors
from tests.shared.tiny_artifact import tiny_model, write_tiny_artifact

TOLERANCE = 1e-5
LOSSES = {
    "siamese": ("contrastive", 1.5, None),
    "triplet": ("triplet", 0.1, None),
    "quartet": ("quadruplet", 0.1, 0.05),
}
"""{kind: (loss, margin, margin2)}: margins at which the noise images are on both sides."""
NUM_IMAGES = 12


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A branch and a full artifact of every kind, and a siamese one that says nothing of its loss."""
    folder = tmp_path_factory.mktemp("models")
    for kind, facts in LOSSES.items():
        for mode in ("branch", "full"):
            publish_trained(folder, f"{kind}_{mode}", kind, mode, *facts)
    publish_trained(folder, "silent", "siamese", "branch", None, None, None)
    return folder / "repository"


def publish_trained(
    folder: Path, name: str, kind: str, mode: str, loss: str | None, margin: float | None, margin2: float | None
) -> None:
    file = folder / f"{name}.onnx"
    manifest = write_tiny_artifact(file, name=name, kind=kind, mode=mode, size=SIZE, dim=DIM)
    training = manifest.training | ({} if margin2 is None else {"margin2": margin2})
    model = tiny_model(kind=kind, mode=mode, size=SIZE, dim=DIM, seed=0).SerializeToString(deterministic=True)
    facts = {"loss": loss, "margin": margin, "training": training}
    append_manifest(file, model, manifest.model_copy(update=facts))
    publish(file, folder / "repository")


def write_pairs(file: Path, images: Sequence[Path], **columns: Sequence[Any]) -> Path:
    """Image i with image i + 1, and further columns."""
    names = [str(path) for path in images]
    table = {"left": names, "right": [*names[1:], names[0]], **columns}
    parquet.write_table(pa.table(table), file)
    return file


def job(
    repository: Path, model: str, table: Path, output: Path, *, copy: Sequence[str] = (), **options: Any
) -> pa.Table:
    """Score with a loss; the parts in one table."""
    with Scorer(model, repository=repository) as scorer:
        rows = open_table(table, streams=scorer.streams, copy=copy)
        score_table(rows, scorer, output, rows_per_part=8, loss=True, **options)
    return pa.concat_tables([parquet.read_table(path) for path in sorted(output.glob("part-*.parquet"))])


def apart(images: Sequence[Path]) -> np.ndarray:
    """Distances of image i to image i + 1, written out."""
    vectors = expected_vectors(images).astype(np.float64)
    return np.asarray(np.linalg.norm(vectors - np.roll(vectors, -1, axis=0), axis=1))


@pytest.mark.parametrize("mode", ["branch", "full"])
@pytest.mark.parametrize("kind", ["triplet", "quartet"])
def test_each_tuple_has_its_loss(repository: Path, images: list[Path], tmp_path: Path, kind: str, mode: str) -> None:
    """Written out by hand from numpy's vectors; a row with a bad image drops out of every column."""
    streams = KINDS[kind].streams
    drawn = np.random.default_rng(3).integers(0, 12, (len(streams), 20))
    rows = {name: [images[i] for i in chosen] for name, chosen in zip(streams, drawn, strict=True)}
    cells = {name: [str(path) for path in paths] for name, paths in rows.items()}
    (tmp_path / "bad.png").write_bytes(BAD)
    cells["negative"][4] = "bad.png"
    parquet.write_table(pa.table(cells), tmp_path / "t.parquet")
    scored = job(repository, f"{kind}_{mode}", tmp_path / "t.parquet", tmp_path / "out")

    a, p, n, *last = (
        expected_vectors([path for row, path in enumerate(paths) if row != 4]).astype(np.float64)
        for paths in rows.values()
    )
    d_ap, d_an = np.linalg.norm(a - p, axis=1), np.linalg.norm(a - n, axis=1)
    expected = np.maximum(0, d_ap - d_an + 0.1)
    if last:
        expected += np.maximum(0, d_ap - np.linalg.norm(n - last[0], axis=1) + 0.05)
    assert scored.column_names[-1] == "loss"
    assert scored.schema.field("loss").type == pa.float32()
    np.testing.assert_allclose(scored["loss"].to_numpy(), expected, atol=TOLERANCE)
    assert 0 < (expected > 0).sum() < 19


@pytest.mark.parametrize("role", ["different", "same"])
def test_pairs_take_their_target_from_either_column(
    repository: Path, images: list[Path], tmp_path: Path, role: str
) -> None:
    """1 and 0, true and false; a row without a target has no loss; `same` is then the decision alone."""
    different = [True, False, None] * 4
    cells = [None if flag is None else int(flag == (role == "different")) for flag in different]
    table = write_pairs(tmp_path / "t.parquet", images, **{role: cells})
    scored = job(repository, "siamese_branch", table, tmp_path / "out", copy=[role])
    assert scored.column_names == [
        "id",
        "embedding_left",
        "embedding_right",
        "distance_left_right",
        "same",
        "different",
        "loss",
    ]
    distance = apart(images)
    assert scored["same"].to_pylist() == (distance <= 1).tolist()
    assert scored["different"].to_pylist() == different
    far = 0.5 * np.maximum(0, 1.5 - distance) ** 2
    losses = [None if flag is None else far[i] if flag else 0.5 * distance[i] ** 2 for i, flag in enumerate(different)]
    for got, expected in zip(scored["loss"].to_pylist(), losses, strict=True):
        assert got == (None if expected is None else pytest.approx(expected, abs=TOLERANCE))
    assert (far > 0).any()


def test_a_target_of_another_name_is_named_and_labels_are_then_clear(
    repository: Path, images: list[Path], tmp_path: Path
) -> None:
    """As words, in a column that is copied anyway; the schema says what the loss is."""
    table = write_pairs(tmp_path / "t.parquet", images, label=["True", "no", "1.0"] * 4)
    scored = job(repository, "siamese_full", table, tmp_path / "out", target=("same", "label"))
    assert scored["different"].to_pylist() == [False, True, False] * 4
    assert "label" not in scored.column_names
    told = parquet.read_schema(tmp_path / "out" / "part-00001.parquet").field("loss").metadata
    assert told is not None
    assert json.loads(told[b"lookalike.loss"]) == {
        "name": "contrastive",
        "kind": "siamese",
        "margins": {"margin": 1.5},
        "target": ["same", "label"],
    }


def refused(kind: type[LookalikeError], *arguments: Any, **options: Any) -> str:
    with pytest.raises(kind) as error:
        job(*arguments, **options)
    return str(error.value)


def test_pairs_without_a_clear_target_are_refused(repository: Path, images: list[Path], tmp_path: Path) -> None:
    """None, an ambiguous one, two, one that was not copied, and one that says something else."""
    table = write_pairs(
        tmp_path / "t.parquet", images, label=[1] * 12, different=[0] * 12, same=[1] * 12, odd=[*[1] * 9, 2, 1, 1]
    )
    output, mend = tmp_path / "out", "name it with --columns different=COLUMN or same=COLUMN"
    expected = "expected a column different (1 = different) or same (1 = same)"
    arguments = (repository, "siamese_branch", table, output)
    assert refused(DataError, *arguments) == (
        f"loss of pairs: {expected}, got label, which some read as 1 = same and others as 1 = different ({table}); "
        f"say which: {mend}"
    )
    assert refused(DataError, *arguments, copy=["same", "different"]) == (
        f"loss of pairs: {expected}, got both ({table}); {mend}"
    )
    assert refused(UsageError, *arguments, target=("different", "odd")) == (
        f'target "odd" of pairs: expected a copied column (id, label), got none ({table}); copy it'
    )
    assert not output.exists()
    assert refused(DataError, *arguments, copy=["odd"], target=("same", "odd")) == (
        'column "odd", row 9: expected 1 (same) or 0, got 2'
    )


def test_artifacts_and_tables_without_a_loss_are_refused(repository: Path, images: list[Path], tmp_path: Path) -> None:
    """An adopted network or an old export; images that are no tuples."""
    table = write_pairs(tmp_path / "t.parquet", images, different=[0] * 12)
    assert refused(UsageError, repository, "silent", table, tmp_path / "out", copy=["different"]) == (
        "the artifact does not say its loss (artifact silent); score without --loss; "
        "an artifact exported from a run says it"
    )
    with Scorer("triplet_full", repository=repository) as scorer, pytest.raises(UsageError) as error:
        score_table(open_table(images[0].parent), scorer, tmp_path / "out", loss=True)
    assert str(error.value) == (
        f"loss of each row: expected a table with anchor, positive, negative, got image ({images[0].parent})"
    )


def test_a_job_with_another_reading_of_its_target_is_another_job(
    repository: Path, images: list[Path], tmp_path: Path
) -> None:
    """The same columns would come out of it, with other losses."""
    table, output = write_pairs(tmp_path / "t.parquet", images, label=[1, 0, 1] * 4), tmp_path / "out"
    job(repository, "siamese_branch", table, output, target=("same", "label"))
    again = job(repository, "siamese_branch", table, output, target=("same", "label"))
    assert again.num_rows == 12
    assert "1 in label = different" in refused(
        OutputError, repository, "siamese_branch", table, output, target=("different", "label")
    )


def test_the_command_finds_the_target_by_its_name_or_by_its_role(
    repository: Path, images: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """--loss means tuples, also for a branch; a label is refused in one line until it is said which it is."""
    names = [str(path) for path in images]
    columns = {"left": names, "right": names[::-1], "label": [0, 1] * 6}
    parquet.write_table(pa.table({**columns, "different": [1, 0] * 6}), tmp_path / "clear.parquet")
    parquet.write_table(pa.table({**columns, "b": names[::-1]}).drop(["right"]), tmp_path / "label.parquet")

    def score(table: str, output: str, *options: str) -> int:
        arguments = ["--model", "siamese_branch", "--repository", str(repository), "--output", str(tmp_path / output)]
        return main(["score", str(tmp_path / f"{table}.parquet"), *arguments, "--loss", *options])

    assert score("clear", "a") == 0
    assert score("label", "b", "--columns", "right=b,same=label") == 0
    scored = [parquet.read_table(tmp_path / name / "part-00000.parquet") for name in ("a", "b")]
    assert scored[0]["different"].to_pylist() == [True, False] * 6
    for name in ("different", "loss", "distance_left_right"):
        assert scored[0][name].equals(scored[1][name])
    capsys.readouterr()
    assert score("label", "c", "--columns", "right=b") == 1
    assert "got label, which some read as 1 = same and others as 1 = different" in capsys.readouterr().err
    assert score("clear", "c", "--columns", "different=different,same=label") == 2
    assert capsys.readouterr().err == ("lookalike: target of pairs: expected different or same, got both (--columns)\n")
