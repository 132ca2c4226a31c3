"""Suspected label errors: flipped labels of real vectors are found, copies do not vouch for each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyarrow import parquet
from sklearn.datasets import load_digits
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.model_selection import cross_val_predict
from sklearn.neighbors import KNeighborsClassifier

from analysis.datasets.label_errors import find_label_errors, write_label_errors
from artifact.errors import DataError, UsageError
from rows.vectors.lineage import Lineage
from rows.vectors.table import VectorTable


@pytest.fixture(scope="module")
def flipped() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Digits of 8 x 8 pixels as vectors, their classes, and labels of which five in a hundred are wrong."""
    digits = load_digits()
    true = digits.target.astype(np.int64)
    rng = np.random.default_rng(3)
    labels, rows = true.copy(), rng.choice(len(true), 90, replace=False)
    labels[rows] = (labels[rows] + rng.integers(1, 10, 90)) % 10
    return digits.data.astype(np.float32), true, labels


def _blobs(sizes: list[int], *, dim: int = 6, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    centres = 5 * rng.normal(size=(len(sizes), dim))
    return (centres[labels] + rng.normal(size=(len(labels), dim))).astype(np.float32), labels


def test_flipped_labels_are_found_as_well_as_by_classifiers(flipped: Any) -> None:
    """Precision at as many as were flipped, beside the self-confidence of cross-validated kNN and LDA."""
    vectors, true, labels = flipped
    wrong = labels != true
    found = find_label_errors(VectorTable.from_arrays(vectors, {"label": labels}), "label", distance="euclidean")
    precision = wrong[found.rows[:90]].mean()
    for model in (KNeighborsClassifier(10), LinearDiscriminantAnalysis()):
        chances = cross_val_predict(model, vectors, labels, cv=5, method="predict_proba")
        doubt = chances[np.arange(len(labels)), labels]
        assert precision >= wrong[np.argsort(doubt, kind="stable")[:90]].mean()
    hits = found.rows[:90][wrong[found.rows[:90]]]
    proposed = np.array(found.classes)[found.proposed[:90]][wrong[found.rows[:90]]]
    assert (proposed == true[hits]).mean() > 0.95
    assert found.proposed_right > 0.85
    assert wrong[found.rows[found.suspected]].mean() > 0.9
    assert found.expected is not None
    assert 75 < found.expected < 120
    assert found.by_planted is not None
    assert 80 < found.by_planted < 150
    assert sum(pair["suspected"] for pair in found.pairs()) == found.suspected.sum()
    assert sum(row["expected"] for row in found.per_class()) == pytest.approx(found.expected)


def test_copies_with_one_wrong_label_do_not_vouch_for_each_other() -> None:
    """Twelve copies of one picture in another class than its surroundings: each of them is suspected."""
    vectors, labels = _blobs([60, 60, 60])
    vectors = np.concatenate([vectors, np.repeat(vectors[[5]] + np.float32(0.3), 12, axis=0)])
    labels = np.concatenate([labels, np.full(12, 2)])
    found = find_label_errors(VectorTable.from_arrays(vectors, {"label": labels}), "label", distance="euclidean")
    assert set(found.rows[:12].tolist()) == set(range(180, 192))
    assert found.suspected[:12].all()
    assert found.proposed[:12].tolist() == [0] * 12
    assert found.num_vectors == 181
    assert not found.disagreeing.any()


def test_copies_of_two_labels_are_told_and_the_wrong_one_is_suspected() -> None:
    """One picture twice, with two labels."""
    vectors, labels = _blobs([50, 50])
    vectors, labels = np.concatenate([vectors, vectors[[7]]]), np.concatenate([labels, [1]])
    found = find_label_errors(VectorTable.from_arrays(vectors, {"label": labels}), "label", distance="euclidean")
    assert found.rows[0] == 100
    assert found.suspected[0]
    assert set(found.rows[found.disagreeing].tolist()) == {7, 100}
    assert not found.suspected[found.rows.tolist().index(7)]


def test_rows_without_label_are_left_out_and_lone_classes_come_last() -> None:
    """None, an empty text and NaN are no labels; a class of one vector is not judged."""
    vectors, labels = _blobs([40, 40, 1])
    names: list[Any] = [f"klasse {label} ü" for label in labels]
    names[0], names[1] = None, ""
    found = find_label_errors(VectorTable.from_arrays(vectors, {"label": names}), "label", distance="cosine")
    assert set(found.rows.tolist()) == set(range(2, 81))
    assert found.rows[-1] == 80
    assert found.num_unjudged == 1
    assert np.isnan(found.confidence[-1])
    assert found.proposed[-1] == -1
    numbers = [np.nan, *labels[1:].astype(float)]
    again = find_label_errors(VectorTable.from_arrays(vectors, {"label": numbers}), "label", distance="cosine")
    assert len(again.rows) == 80
    assert again.classes[0] == 0.0


def test_the_file_holds_all_labelled_rows_ranked(flipped: Any, tmp_path: Path) -> None:
    """Columns as they were, proposals of the label's type, lineage; columns of an earlier ranking are replaced."""
    vectors, true, labels = flipped
    lineage = Lineage(artifact="a", version=1, digest="d", space="s", distance="euclidean", normalized=False)
    columns = {
        "id": [f"{row}/ü" for row in range(600)],
        "label": [f"c{label}" for label in labels[:600]],
        "price": true[:600],
        "confidence": ["old"] * 600,
    }
    table = VectorTable.from_arrays(vectors[:600], columns, lineage=lineage)
    found = find_label_errors(table, "label")
    assert write_label_errors(table, "label", found, tmp_path / "a.parquet") == ["confidence"]
    write_label_errors(table, "label", find_label_errors(table, "label"), tmp_path / "b.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    written = parquet.read_table(tmp_path / "a.parquet")
    assert written.schema.names == ["id", "label", "price", "proposed", "confidence", "suspected", "copies_disagree"]
    assert Lineage.from_metadata(written.schema.metadata, where="a") == lineage
    rows = found.rows.tolist()
    assert written["id"].to_pylist() == [columns["id"][row] for row in rows]
    assert written["label"].to_pylist() == [columns["label"][row] for row in rows]
    assert written["proposed"].to_pylist() == [found.classes[code] for code in found.proposed]
    np.testing.assert_allclose(written["confidence"].to_numpy(), found.confidence, rtol=1e-6)
    assert (np.diff(found.confidence) <= 0).all()
    assert written["suspected"].to_pylist() == found.suspected.tolist()


def test_hundreds_of_small_classes_are_judged() -> None:
    """300 classes of four, twenty flipped: nearly all are first, and their class is proposed."""
    vectors, true = _blobs([4] * 300, dim=16)
    rng = np.random.default_rng(0)
    rows = rng.choice(1200, 20, replace=False)
    labels = true.copy()
    labels[rows] = (labels[rows] + rng.integers(1, 300, 20)) % 300
    found = find_label_errors(VectorTable.from_arrays(vectors, {"label": labels}), "label", distance="euclidean")
    assert len(set(found.rows[:20].tolist()) & set(rows.tolist())) >= 19
    hits = np.flatnonzero(np.isin(found.rows[:20], rows))
    assert (np.array(found.classes)[found.proposed[hits]] == true[found.rows[hits]]).all()


def test_right_labels_are_not_suspected() -> None:
    """Clear classes without an error."""
    vectors, labels = _blobs([80, 80, 80])
    found = find_label_errors(VectorTable.from_arrays(vectors, {"label": labels}), "label", distance="euclidean")
    assert not found.suspected.any()
    assert found.by_planted is not None
    assert found.by_planted < 5
    assert found.pairs() == []


@pytest.mark.parametrize(("seed", "num_classes"), [(0, 10), (1, 10), (2, 10), (3, 10), (4, 10), (0, 2), (1, 40)])
def test_labels_that_have_nothing_to_do_with_the_vectors_are_not_suspected(
    flipped: Any, tmp_path: Path, seed: int, num_classes: int
) -> None:
    """No suspect, no confidence, no estimate, and a note says why; the rows are in the file."""
    vectors, _, _ = flipped
    labels = np.random.default_rng(seed).integers(0, num_classes, len(vectors))
    table = VectorTable.from_arrays(vectors, {"label": labels})
    found = find_label_errors(table, "label", distance="euclidean")
    assert not found.suspected.any()
    assert (found.expected, found.by_planted, found.recall, found.num_unjudged) == (None, None, 0.0, 0)
    assert found.note is not None
    assert found.pairs() == []
    assert {row["expected"] for row in found.per_class()} == {None}
    write_label_errors(table, "label", found, tmp_path / "a.parquet")
    written = parquet.read_table(tmp_path / "a.parquet")
    assert written.num_rows == written["confidence"].null_count == len(vectors)
    assert written["proposed"].null_count == 0
    assert not any(written["suspected"].to_pylist())


def test_labels_that_vectors_hardly_tell_are_not_suspected() -> None:
    """Right labels of two classes that lie almost on top of each other."""
    rng = np.random.default_rng(0)
    labels = np.arange(1000) % 2
    vectors = (rng.normal(size=(1000, 8)) + 0.15 * labels[:, None]).astype(np.float32)
    found = find_label_errors(VectorTable.from_arrays(vectors, {"label": labels}), "label", distance="euclidean")
    assert not found.suspected.any()


@pytest.mark.parametrize("share", [0.2, 0.35])
def test_many_wrong_labels_are_suspected(flipped: Any, share: float) -> None:
    """A third of all: nearly all of them, hardly any other, and about as many as there are."""
    vectors, true, _ = flipped
    rng = np.random.default_rng(1)
    rows, labels = rng.choice(len(true), round(share * len(true)), replace=False), true.copy()
    labels[rows] = (labels[rows] + rng.integers(1, 10, len(rows))) % 10
    found = find_label_errors(VectorTable.from_arrays(vectors, {"label": labels}), "label", distance="euclidean")
    suspects = found.rows[found.suspected]
    assert np.isin(suspects, rows).mean() > 0.9
    assert np.isin(rows, suspects).mean() > 0.8
    assert found.expected == pytest.approx(len(rows), rel=0.15)


def test_two_names_of_one_class_do_not_make_every_label_doubtful(flipped: Any) -> None:
    """Nothing tells the names apart, which hides no label of quite another class."""
    vectors, true, labels = flipped
    twofold = 2 * labels + np.random.default_rng(0).integers(0, 2, len(labels))
    found = find_label_errors(VectorTable.from_arrays(vectors, {"label": twofold}), "label", distance="euclidean")
    wrong = labels != true
    suspects = found.rows[found.suspected]
    assert wrong[suspects].mean() > 0.7
    assert np.isin(np.flatnonzero(wrong), suspects).mean() > 0.8


@pytest.mark.parametrize("sizes", [[1], [2], [5], [1, 1], [2, 1], [5, 1, 1]])
def test_too_few_classes_are_refused(sizes: list[int]) -> None:
    """One row, two rows, one class: there is nothing to judge by."""
    vectors, labels = _blobs(sizes)
    table = VectorTable.from_arrays(vectors, {"label": labels})
    with pytest.raises(DataError, match=r"^labels: expected at least two classes of two different vectors each, got "):
        find_label_errors(table, "label", distance="euclidean")


@pytest.mark.parametrize("sizes", [[2, 2], [3, 2, 1], [2, 2, 2]])
def test_the_smallest_sets_are_judged(sizes: list[int]) -> None:
    """Two classes of two: all are ranked, with a class instead; too few to say how likely any is wrong."""
    vectors, labels = _blobs(sizes)
    found = find_label_errors(VectorTable.from_arrays(vectors, {"label": labels}), "label", distance="euclidean")
    assert (found.proposed >= 0).sum() == len(labels) - sizes.count(1)
    assert found.num_unjudged == sizes.count(1)
    assert not found.suspected.any()


def test_bad_input_is_one_line(tmp_path: Path) -> None:
    """No labels at all, lists as labels, a number that is not finite, a column of the output as label."""
    vectors, labels = _blobs([9, 9])
    for column, message in (([None] * 18, "expected a class in some rows, got none"), ([[1]] * 18, "lists or structs")):
        with pytest.raises(DataError, match=message):
            find_label_errors(VectorTable.from_arrays(vectors, {"label": column}), "label", distance="cosine")
    table = VectorTable.from_arrays(vectors, {"proposed": labels})
    found = find_label_errors(table, "proposed", distance="cosine")
    with pytest.raises(UsageError, match=r"^label column: expected none of proposed, .* got proposed; rename it"):
        write_label_errors(table, "proposed", found, tmp_path / "out.parquet")
    vectors[4, 1] = np.nan
    with pytest.raises(DataError, match="got NaN or infinity in row 4"):
        find_label_errors(VectorTable.from_arrays(vectors, {"label": labels}), "label", distance="cosine")
    assert not any(tmp_path.iterdir())
