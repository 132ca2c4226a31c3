"""Tables of scored tuples without labels: ranking of their own distances, verification of pairs with a truth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet
from sklearn.metrics import roc_auc_score

from lookalike.cli import main
from rows.vectors.schema import vector_array

NUM_ROWS = 300


def write(folder: Path, **columns: Any) -> str:
    vectors = vector_array(np.zeros((NUM_ROWS, 3), np.float32))
    parquet.write_table(pa.table({"embedding_left": vectors, **columns}), folder / "t.parquet")
    return str(folder / "t.parquet")


def numbers(seed: int) -> Any:
    return np.random.default_rng(seed).uniform(size=NUM_ROWS).astype(np.float32)


def test_triplets_are_ranked_by_their_own_distances(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The share in the right order with its interval, in JSON and in the table for people; no label is asked for."""
    near, far = numbers(0), numbers(1) + np.float32(0.3)
    table = write(tmp_path, distance_anchor_positive=near, distance_anchor_negative=far)
    assert main(["evaluate", table, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["ranking_accuracy"], found["tuples"]) == (sum(near < far) / NUM_ROWS, NUM_ROWS)
    assert found["ranking_accuracy_low"] < found["ranking_accuracy"] < found["ranking_accuracy_high"]
    assert found["verification"] is None
    assert main(["evaluate", table]) == 0
    line = capsys.readouterr().out.splitlines()[1].split()
    assert (line[0], float(line[1])) == ("ranking_accuracy", pytest.approx(found["ranking_accuracy"], abs=1e-3))


@pytest.mark.parametrize("kind", [bool, np.int8, np.float64])
def test_pairs_are_verified_by_their_truth(kind: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """AUC as scikit-learn has it; the decision at the threshold, which stands beside it, is not taken for the truth."""
    truth = np.arange(NUM_ROWS) % 3 > 0
    apart = numbers(2) + truth.astype(np.float32) * np.float32(0.4)
    table = write(tmp_path, distance_left_right=apart, different=truth.astype(kind), same=apart < 0.5)
    assert main(["evaluate", table, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["verification"]
    assert found["AUC"] == pytest.approx(roc_auc_score(truth, apart))
    different = np.sort(apart[truth])
    assert found["TAR@FAR=0.1"] == pytest.approx(np.mean(apart[~truth] < different[int(0.1 * len(different))]))
    assert (found["same_pairs"], found["different_pairs"], found["TAR@FAR=0.01"]) == (100, 200, None)
    assert main(["evaluate", table]) == 0
    assert "AUC" in capsys.readouterr().out


def test_pairs_without_a_truth_are_left_out_and_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Null in some rows: the figures are those of the other rows alone."""
    truth: list[int | None] = [row % 2 for row in range(NUM_ROWS)]
    apart = numbers(3) + np.float32(0.2) * np.array(truth, np.float32)
    truth[4:14] = [None] * 10
    assert main(["evaluate", write(tmp_path, distance_left_right=apart, different=truth), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["verification"]
    rest = [row for row in range(NUM_ROWS) if truth[row] is not None]
    assert found["AUC"] == pytest.approx(roc_auc_score([truth[row] for row in rest], apart[rest]))
    assert (found["same_pairs"], found["different_pairs"], found["unlabelled_pairs"]) == (145, 145, 10)


@pytest.mark.parametrize(
    ("columns", "options", "code", "words"),
    [
        ({}, (), 2, "--label: expected the column of classes, or a table of scored"),
        ({"distance_left_right": [0.5] * NUM_ROWS, "same": [True] * NUM_ROWS}, (), 2, "--label: expected the column"),
        ({"distance_left_right": [0.5] * NUM_ROWS, "different": [2] * NUM_ROWS}, (), 1, "expected 0 or 1 in every row"),
        (
            {"distance_left_right": [0.5] * NUM_ROWS, "different": [1] * NUM_ROWS},
            (),
            1,
            f"expected pairs of both sorts, 0 and 1, to tell them apart, got 0 same and {NUM_ROWS} different",
        ),
        ({"distance_left_right": [0.5] * NUM_ROWS, "different": ["x"] * NUM_ROWS}, (), 1, "expected a number in every"),
        ({}, ("--per-class",), 2, "--per-class: expected --label with it"),
    ],
)
def test_what_cannot_be_measured_is_one_line(
    columns: Any, options: tuple[str, ...], code: int, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No distances, no truth, and options that are of classes."""
    assert main(["evaluate", write(tmp_path, **columns), *options]) == code
    assert words in capsys.readouterr().err
