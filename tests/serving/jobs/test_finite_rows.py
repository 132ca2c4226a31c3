"""Jobs over pictures of which the network gives no finite vector: bad rows in every output, and analysis goes on."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pyarrow import parquet

from rows.tables import open_table
from rows.vectors.table import VectorTable
from serving.client.scorer import Scorer
from serving.jobs.scoring import score_table
from tests.shared.command_line import Cli
from tests.shared.unsound_networks import NOT_FINITE, expected_vector, grey, noise, publish_unsound, soft


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`unsound` and `unsound_full`, of triplets and with a loss."""
    root = tmp_path_factory.mktemp("unsound") / "models"
    publish_unsound(root, loud=1e30, loss="triplet", margin=0.2)
    return root


def write(folder: Path, pictures: dict[str, np.ndarray]) -> Path:
    """PNG files by name."""
    folder.mkdir()
    for name, picture in pictures.items():
        Image.fromarray(picture).save(folder / f"{name}.png")
    return folder


def test_the_command_sets_such_rows_aside_and_analysis_goes_on(cli: Cli, repository: Path, tmp_path: Path) -> None:
    """Exit 3, the reason in errors.parquet, arrays without the row; the folder can then be clustered and searched."""
    pictures = {f"{number:02d}": soft(number) for number in range(20)} | {"07": grey(), "20": grey(255)}
    folder, out = write(tmp_path / "photos", pictures), str(tmp_path / "out")
    model = ["--model", "unsound", "--repository", str(repository)]
    assert cli("score", str(folder), *model, "--output", out, "--format", "npy", "--json")[0] == 3
    errors = parquet.read_table(tmp_path / "out/errors.parquet").to_pylist()
    assert [(error["id"], error["reason"]) for error in errors] == [("07.png", NOT_FINITE), ("20.png", NOT_FINITE)]
    vectors = np.load(tmp_path / "out/embedding.npy")
    expected = [expected_vector(picture) for name, picture in sorted(pictures.items()) if name not in ("07", "20")]
    np.testing.assert_allclose(vectors, expected, rtol=1e-4, atol=1e-5)
    assert cli("cluster", out, "-k", "3", "--output", str(tmp_path / "clusters.parquet"))[0] == 0
    assert cli("index", out, "--output", str(tmp_path / "photos.index"))[0] == 0
    code, _, err = cli("search", str(tmp_path / "photos.index"), str(folder / "07.png"), *model)
    assert code == 1
    assert f"07.png': expected an image that has a vector, got {NOT_FINITE}" in err
    again = cli("score", str(folder), *model, "--output", out, "--retry-errors", "--json")
    assert again[0] == 3
    assert len(VectorTable.open(Path(out)).ids) == 19


@pytest.mark.parametrize("model", ["unsound", "unsound_full"])
def test_tuples_with_a_loss_have_no_row_without_finite_distances(repository: Path, tmp_path: Path, model: str) -> None:
    """NaN of one stream, and a distance that float32 has no number for: bad rows; the loss of the others is there."""
    write(tmp_path / "p", {"a": soft(0), "b": soft(1), "c": soft(2), "grey": grey(), "noise": noise(0)})
    rows = [("a", "b", "c"), ("a", "grey", "c"), ("b", "c", "noise"), ("c", "a", "b")]
    text = io.StringIO()
    csv.writer(text).writerows([("anchor", "positive", "negative"), *([f"p/{x}.png" for x in row] for row in rows)])
    (tmp_path / "t.csv").write_text(text.getvalue())
    table = open_table(tmp_path / "t.csv", streams=("anchor", "positive", "negative"))
    with Scorer(model, repository=repository) as scorer:
        result = score_table(table, scorer, tmp_path / "out", loss=True)
    assert (result.num_rows, result.num_scored, result.num_errors) == (4, 2, 2)
    errors = parquet.read_table(tmp_path / "out/errors.parquet").to_pylist()
    assert [(error["stream"], error["reason"].startswith("the network gave a vector")) for error in errors] == [
        ("positive", True),
        ("negative", True),
    ]
    scored = parquet.read_table(tmp_path / "out/part-00000.parquet")
    vector = {name: expected_vector(soft(number)).astype(np.float64) for number, name in enumerate("abc")}
    for got, (a, p, n) in zip(scored.to_pylist(), [rows[0], rows[3]], strict=True):
        positive = np.linalg.norm(vector[a] - vector[p])
        negative = np.linalg.norm(vector[a] - vector[n])
        assert got["distance_anchor_positive"] == pytest.approx(positive, rel=1e-4)
        assert got["loss"] == pytest.approx(max(positive - negative + 0.2, 0), abs=1e-4)
