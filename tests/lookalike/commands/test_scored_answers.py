"""Scored folders through `score`, `index`, `search`, `cluster` and `evaluate`, and what they refuse."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from artifact.repository.publishing import publish
from tests.shared.command_line import Cli, everything, one_line
from tests.shared.spoiled_images import spoil
from tests.shared.tiny_artifact import write_tiny_artifact


def test_score_index_search_cluster_evaluate(cli: Cli, images: Path, repository: Path) -> None:
    """The journey after training, in-process: a folder to vectors to answers."""
    code, out, _ = cli("score", "images", "--model", "tiny", "--repository", "models", "--output", "v", "--json")
    assert (code, json.loads(out)["num_scored"]) == (0, 16)
    code, out, _ = cli("evaluate", "v", "--label", "label", "--json")
    assert (code, set(json.loads(out)) >= {"recall@1", "recall@5", "recall@10", "mAP", "mAP@R", "purity", "nmi"}) == (
        0,
        True,
    )
    assert cli("index", "v", "--output", "shapes.index")[0] == 0
    query = ("search", "shapes.index", "images/disc/01.png", "-k", 3, "--model", "tiny", "--repository", "models")
    code, out, _ = cli(*query, "--json")
    nearest = json.loads(out)[0]["neighbours"]
    assert nearest[0]["id"] == "disc/01.png"
    assert nearest[0]["distance"] == pytest.approx(0, abs=1e-3)
    assert "disc/01.png" in cli(*query)[1]
    assert len(json.loads(cli("search", "shapes.index", "v", "-k", 2, "--json")[1])) == 16
    code, out, _ = cli("cluster", "v", "-k", 4, "--output", "c.parquet", "--json")
    assert (code, sum(json.loads(out)["sizes"])) == (0, 16)


def test_bad_images_of_a_table_exit_with_3(cli: Cli, images: Path, repository: Path) -> None:
    """The good rows are scored, the bad ones listed with their reasons."""
    import pyarrow.parquet as pq

    spoil(images, "text")
    spoil(images, "0 bytes")
    code, out, err = cli("score", "images", "--model", "tiny", "--repository", "models", "--output", "v", "--json")
    assert code == 3
    assert (json.loads(out)["num_scored"], json.loads(out)["num_errors"]) == (16, 2)
    assert "2 rows with bad images, listed in v/errors.parquet" in err
    errors = pq.read_table("v/errors.parquet").to_pylist()
    assert {row["id"] for row in errors} == {"disc/note.jpg", "disc/nothing.png"}
    assert {row["stream"] for row in errors} == {"image"}


def write_triplets(images: Path, file: Path) -> None:
    paths = sorted(images.rglob("*.png"))
    with file.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "a", "p", "n"])
        for row in range(10):
            writer.writerow(
                [row, *(paths[(row * step) % len(paths)].relative_to(file.resolve().parent) for step in (1, 3, 5))]
            )


def test_multi_stream_table_by_both_artifacts(cli: Cli, images: Path, repository: Path) -> None:
    """A full and a branch artifact of one space give the same vectors and distances for a triplet table."""
    import pyarrow.parquet as pq

    write_triplets(images, Path("triplets.csv"))
    columns = "anchor=a,positive=p,negative=n"
    tables = []
    for model in ("tiny", "tiny_full"):
        code, _, err = cli(
            "score", "triplets.csv", "--model", model, "--repository", "models", "--output", model, "--columns", columns
        )
        assert code == 0, err
        tables.append(pq.read_table(f"{model}/part-00000.parquet"))
    for name in ("embedding_anchor", "embedding_negative"):
        vectors = [np.stack(table[name].to_numpy()) for table in tables]
        np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-5)
    for name in ("distance_anchor_positive", "distance_anchor_negative"):
        np.testing.assert_allclose(tables[0][name].to_numpy(), tables[1][name].to_numpy(), atol=1e-5)


def test_bad_tables_and_vectors_fail_in_one_line(cli: Cli, images: Path, repository: Path) -> None:
    """Columns, streams, servers and spaces that do not fit; another job's folder; nothing is changed."""
    write_triplets(images, Path("triplets.csv"))
    score = ("score", "images", "--model", "tiny")
    assert cli(*score, "--repository", "models", "--output", "v")[0] == 0
    write_tiny_artifact(Path("other.onnx"), seed=5)
    publish(Path("other.onnx"), Path("models"), name="other")
    Path("other.onnx").unlink()
    assert cli("score", "images", "--model", "other", "--repository", "models", "--output", "w")[0] == 0
    assert cli("index", "v", "--output", "v.index")[0] == 0
    (Path("foreign")).mkdir()
    Path("foreign/file.txt").write_text("mine")
    before = everything(Path())
    full = ("score", "triplets.csv", "--model", "tiny_full", "--repository", "models", "--output", "new")
    for arguments, words in (
        ([*score, "--url", "127.0.0.1:9", "--output", "new"], ["127.0.0.1:9"]),
        ([*score, "--url", "nonsense", "--output", "new"], ["nonsense"]),
        ([*full], ["anchor", "triplets.csv"]),
        ([*full, "--columns", "anchor=a,positive=p,negative=zzz"], ["zzz", "triplets.csv"]),
        ([*full, "--columns", "anchor=a,positive=p,negativ=n"], ["negativ"]),
        (["score", "none.csv", "--model", "tiny", "--repository", "models", "--output", "new"], ["none.csv"]),
        ([*score, "--repository", "models", "--output", "w"], ["w"]),
        ([*score, "--repository", "models", "--output", "foreign"], ["foreign"]),
        (["search", "v.index", "w"], ["space"]),
        (["search", "v.index", "images/disc/00.png", "--model", "other", "--repository", "models"], ["space"]),
        (["search", "v.index", "images/disc/00.png"], ["--model"]),
        (["search", "none.index", "v"], ["none.index"]),
        (["evaluate", "v", "--label", "lable"], ["lable", "label"]),
        (["evaluate", "none", "--label", "label"], ["none"]),
        (["cluster", "v", "-k", "100", "--output", "c.parquet"], ["100", "16"]),
        (["index", "v", "--column", "embeding", "--output", "x.index"], ["embeding", "embedding"]),
    ):
        code, _, err = cli(*arguments)
        assert code in (1, 2), arguments
        for word in words:
            assert word in one_line(err), arguments
        assert everything(Path()) == before, arguments
