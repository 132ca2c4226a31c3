"""What names no class: one rule for everything that reads a column of labels."""

from __future__ import annotations

import math

import numpy as np
import pytest

from analysis.datasets.comparison.comparing import compare_tables
from analysis.datasets.label_errors import find_label_errors
from analysis.datasets.outliers import find_outliers
from analysis.evaluation.labelled_tables import evaluate
from rows.vectors.table import VectorTable

EMPTY = [(None, [1, 2]), ("", ["a", "b"]), (math.nan, [1.0, 2.0])]


def _table(labels: list[object], seed: int = 0) -> VectorTable:
    vectors = np.random.default_rng(seed).normal(size=(len(labels), 6)).astype(np.float32)
    return VectorTable.from_arrays(vectors, {"id": [str(row) for row in range(len(labels))], "label": labels})


@pytest.mark.parametrize(("empty", "classes"), EMPTY)
def test_rows_without_a_label_are_of_no_class(empty: object, classes: list[object]) -> None:
    """Null, an empty text and NaN are left out of evaluation, outliers, label errors and comparison alike."""
    labels = [*(classes[row % 2] for row in range(40)), *[empty] * 8]
    table = _table(labels)
    assert evaluate(table, "label", distance="euclidean", bootstrap=0)["num_classes"] == 2
    scores = find_outliers(table, label="label", distance="euclidean").class_scores
    assert scores is not None
    assert np.isnan(scores[40:]).all()
    assert np.isfinite(scores[:40]).all()
    assert len(find_label_errors(table, "label", distance="euclidean").per_class()) == 2
    compared = compare_tables(table, _table(labels, 1), label="label", distance="euclidean", relabellings=19).classes
    assert compared is not None
    assert sorted(each.count_a for each in compared) == [20, 20]
