"""Outliers: planted ones come first, and the parts are what scikit-learn gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors

from analysis.datasets import outliers as room
from analysis.datasets.class_outliers import NEAREST
from analysis.datasets.landmarks import Landmarks
from analysis.datasets.local_outliers import GRID, SHRINKAGE, LocalOutliers
from analysis.datasets.outliers import find_outliers, write_outliers
from artifact.errors import DataError, UsageError
from rows.vectors.lineage import Lineage
from rows.vectors.table import VectorTable

LINEAGE = Lineage(artifact="a", version=1, digest="d", space="s", distance="cosine", normalized=False)


def _classes(seed: int = 0, *, num_classes: int = 12, per_class: int = 40, dim: int = 24) -> np.ndarray:
    """Classes in the plane of the first dims, the others hardly used, as a network's own pictures have them."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(num_classes, dim)) * np.where(np.arange(dim) < dim // 2, 3.0, 0.2)
    noise = rng.normal(size=(num_classes * per_class, dim)) * np.where(np.arange(dim) < dim // 2, 0.5, 0.1)
    return (np.repeat(centres, per_class, axis=0) + noise).astype(np.float32)


def _foreign(count: int, *, is_clumped: bool, dim: int = 24) -> np.ndarray:
    rng = np.random.default_rng(9)
    places = rng.normal(size=(1 if is_clumped else count, dim)) * 1.2
    return (places + (0.02 if is_clumped else 0.0) * rng.normal(size=(count, dim))).astype(np.float32)


def _auroc(vectors: np.ndarray, foreign: np.ndarray, scores: np.ndarray) -> float:
    return float(roc_auc_score(np.arange(len(vectors) + len(foreign)) >= len(vectors), scores))


@pytest.mark.parametrize("is_clumped", [False, True])
@pytest.mark.parametrize("count", [3, 25])
def test_planted_rows_stand_out(count: int, is_clumped: bool) -> None:
    """Few and many, scattered and in one clump that is larger than any usual k looks at."""
    ours, foreign = _classes(), _foreign(count, is_clumped=is_clumped)
    both = np.concatenate([ours, foreign])
    found = find_outliers(VectorTable.from_arrays(both), distance="euclidean")
    assert _auroc(ours, foreign, found.scores) > 0.97
    if count > 20 and is_clumped:  # what a plain distance to the nearest rows makes of it
        plain = NearestNeighbors(n_neighbors=11).fit(both).kneighbors(both)[0].mean(axis=1)
        assert _auroc(ours, foreign, plain) < 0.1


def test_local_measures_are_those_of_scikit_learn() -> None:
    """Distances and local outlier factors at each k, of vectors whitened by hand."""
    vectors = _classes(1)
    local = LocalOutliers.of(vectors, np.arange(len(vectors)))
    measures = local.measures(vectors, 0)
    whitened = local.whitened(vectors)
    np.testing.assert_allclose(local.references, whitened, atol=1e-4)
    for at, k in enumerate(GRID):
        distances = NearestNeighbors(n_neighbors=k).fit(whitened).kneighbors()[0]
        np.testing.assert_allclose(np.exp(measures[:, 2 * at]), distances[:, -1], rtol=1e-3)
        factors = -LocalOutlierFactor(n_neighbors=k).fit(whitened).negative_outlier_factor_
        np.testing.assert_allclose(np.exp(measures[:, 2 * at + 1]), factors, rtol=2e-3)


def test_whitening_is_of_the_nine_tenths_that_are_not_far_out() -> None:
    """The shrunk covariance of the kept rows becomes the identity, and far rows have no part in it."""
    vectors = _classes(2)
    far = np.concatenate([vectors, 50 + _classes(3)[:20]])
    both = [LocalOutliers.of(each, np.arange(len(each))) for each in (vectors, far)]
    for local in both:
        back = np.linalg.inv(local.whitening.astype(np.float64))
        covariance = back.T @ back
        own = np.cov(vectors.T, bias=True)
        shrunk = own + SHRINKAGE * np.trace(own) / len(own) * np.eye(len(own))
        assert np.linalg.norm(covariance - shrunk) < 0.15 * np.linalg.norm(shrunk)


def test_landmarks_are_apart_and_stand_for_all() -> None:
    """No two within the radius, every row within it of one; distances leave the row's own landmark out."""
    vectors = _classes(4)
    landmarks = Landmarks.of(vectors, np.random.default_rng(0))
    places = landmarks.vectors + landmarks.centre
    among = NearestNeighbors(n_neighbors=1).fit(places).kneighbors()[0]
    assert among.min() > landmarks.radius - 1e-4
    apart, _ = NearestNeighbors(n_neighbors=len(places)).fit(places).kneighbors(vectors)
    assert apart[:, 0].max() <= landmarks.radius + 1e-4
    assert 11 < len(places) < 400
    np.testing.assert_allclose(landmarks.distances(vectors), apart[:, 1:11].mean(axis=1), rtol=1e-4)
    away = NearestNeighbors(n_neighbors=10).fit(places).kneighbors(vectors[:5] + 99)[0].mean(axis=1)
    np.testing.assert_allclose(landmarks.distances(vectors[:5] + 99), away, rtol=1e-4)


def test_units_are_the_median_and_the_furthest_tenth() -> None:
    """Each measure, and the score too, is 0 at the median row and 1 where a tenth of the rows lies above."""
    found = find_outliers(VectorTable.from_arrays(_classes(5)), distance="euclidean")
    for measure in (found.apart, found.remote, found.scores):
        assert np.median(measure) == pytest.approx(0, abs=1e-9)
        assert np.quantile(measure, 0.9) == pytest.approx(1)
    larger = np.maximum(found.apart, found.remote)
    np.testing.assert_array_equal(np.argsort(-larger, kind="stable"), found.order)
    assert (np.diff(found.scores[found.order]) <= 0).all()
    assert found.ranks[found.order].tolist() == list(range(1, len(found.scores) + 1))


def test_a_sample_of_the_rows_finds_them_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the table has more rows than are compared with; the same seed gives the same scores."""
    monkeypatch.setattr(room, "REFERENCES", 200)
    ours, foreign = _classes(6), _foreign(20, is_clumped=False)
    table = VectorTable.from_arrays(np.concatenate([ours, foreign]))
    found, again = (find_outliers(table, distance="euclidean", seed=3) for _ in range(2))
    assert found.references == 200
    assert _auroc(ours, foreign, found.scores) > 0.97
    np.testing.assert_array_equal(found.scores, again.scores)


def test_cosine_is_of_directions() -> None:
    """Lengths decide nothing under the cosine distance, which the lineage tells."""
    ours, foreign = _classes(7), _foreign(10, is_clumped=False)
    both = np.concatenate([ours, foreign])
    lengths = np.random.default_rng(0).uniform(0.5, 2, size=(len(both), 1)).astype(np.float32)
    plain, scaled = (find_outliers(VectorTable.from_arrays(each, lineage=LINEAGE)) for each in (both, both * lengths))
    assert plain.distance == "cosine"
    np.testing.assert_allclose(plain.scores, scaled.scores, atol=0.02)


def test_rows_are_ranked_within_their_classes() -> None:
    """Times further from the nearest of its class than its median row; none in small classes or without a label."""
    vectors = _classes(8, num_classes=3)
    labels: list[str | None] = ["a"] * 40 + ["b"] * 40 + ["ü"] * 40
    labels[0] = "b"  # of class a by its vector
    labels[1], labels[2], labels[3:6] = None, "", ["few"] * 3
    table = VectorTable.from_arrays(vectors, {"id": list(range(120)), "class": labels})
    found = find_outliers(table, label="class", distance="euclidean")
    assert found.class_scores is not None
    assert found.class_order[0] == 0
    assert np.flatnonzero(np.isnan(found.class_scores)).tolist() == [1, 2, 3, 4, 5]
    members = np.array([row for row in range(120) if labels[row] == "b"])
    whitened = LocalOutliers.of(vectors, np.arange(120)).whitened(vectors)[members]
    apart = NearestNeighbors(n_neighbors=NEAREST).fit(whitened).kneighbors()[0].mean(axis=1)
    np.testing.assert_allclose(found.class_scores[members], apart / np.median(apart), rtol=1e-3)


def test_numbers_are_classes_too() -> None:
    """A column of integers, and one class of all rows."""
    table = VectorTable.from_arrays(_classes(), {"n": [7] * 480})
    scores = find_outliers(table, label="n", distance="euclidean").class_scores
    assert scores is not None
    assert np.median(scores) == pytest.approx(1)


@pytest.mark.parametrize("num_rows", [10, 11, 12])
def test_few_rows_are_ranked(num_rows: int) -> None:
    """The one far out is first among ten."""
    vectors = np.random.default_rng(0).normal(size=(num_rows, 5)).astype(np.float32)
    vectors[1] += 40
    found = find_outliers(VectorTable.from_arrays(vectors), distance="euclidean")
    assert np.isfinite(found.scores).all()
    assert found.order[0] == 1


def test_equal_rows_are_no_outliers() -> None:
    """All equal: nobody stands out. Copies of one row among others: numbers are finite, the far one is first."""
    same = find_outliers(VectorTable.from_arrays(np.ones((30, 4), np.float32)), distance="euclidean")
    assert not same.scores.any()
    copies = np.repeat(_classes(num_classes=2, per_class=2, dim=4), 100, axis=0)
    copies[7] += 9
    found = find_outliers(VectorTable.from_arrays(copies), distance="euclidean")
    assert np.isfinite(found.scores).all()
    assert found.order[0] == 7


@pytest.mark.parametrize("place", [0.0, 40.0])
def test_rows_in_a_class_of_copies_are_ranked(place: float) -> None:
    """Eleven placeholders and two others: these are the first of their class, the further one before the nearer."""
    ours = _classes(num_classes=3)
    copies = np.full((13, 24), place, np.float32)
    copies[3] += 4
    copies[8] += 9
    table = VectorTable.from_arrays(np.concatenate([ours, copies]), {"c": [*np.repeat([0, 1, 2], 40), *[7] * 13]})
    found = find_outliers(table, label="c", distance="euclidean")
    assert found.class_scores is not None
    assert np.isfinite(found.class_scores).all()
    assert found.class_order[:2].tolist() == [128, 123]
    np.testing.assert_allclose(np.delete(found.class_scores[120:], [3, 8]), 1)


def test_classes_of_nothing_but_copies_have_no_outliers() -> None:
    """All rows of each class are equal."""
    table = VectorTable.from_arrays(np.repeat(_classes()[:3], 10, axis=0), {"c": np.repeat([0, 1, 2], 10)})
    scores = find_outliers(table, label="c", distance="euclidean").class_scores
    assert scores is not None
    np.testing.assert_array_equal(scores, 1)


@pytest.mark.parametrize("size", [1e19, 1e20, 3e38])
@pytest.mark.parametrize("rows", [[7], [*range(480)]])
def test_vectors_whose_squares_are_infinite_are_refused(size: float, rows: list[int]) -> None:
    """One row or all: one line, as from a search, and no warning."""
    vectors = _classes()
    vectors[rows] = size * np.sign(vectors[rows])
    with pytest.raises(DataError, match=r"^vectors: expected squared distances within float32, got larger ones$"):
        find_outliers(VectorTable.from_arrays(vectors, {"c": [1] * 480}), label="c", distance="euclidean")


def test_a_row_that_is_infinite_once_whitened_is_refused() -> None:
    """Its own square fits into float32, but not beside what the others hardly vary."""
    vectors = _classes() * np.float32(1e-6)
    vectors[7] = 1e17
    with pytest.raises(DataError, match="squared distances within float32"):
        find_outliers(VectorTable.from_arrays(vectors), distance="euclidean")


def test_file_has_the_scores_beside_the_columns(tmp_path: Path) -> None:
    """Rows in the order of the table, `class_outlier` null where it is not known, lineage on."""
    labels = ["a"] * 240 + ["b"] * 239 + [None]
    table = VectorTable.from_arrays(
        _classes(), {"id": list(range(480)), "label": labels, "rank": [0] * 480}, lineage=LINEAGE
    )
    found = find_outliers(table, label="label")
    assert write_outliers(table, found, tmp_path / "o.parquet") == ["rank"]
    written = pq.read_table(tmp_path / "o.parquet")
    assert written.column_names == ["id", "label", "outlier", "rank", "class_outlier"]
    np.testing.assert_allclose(written["outlier"].to_numpy(), found.scores, rtol=1e-6)
    assert written["rank"].to_pylist() == found.ranks.tolist()
    assert written["class_outlier"].to_pylist()[-1] is None
    assert written["class_outlier"].null_count == 1
    assert Lineage.from_metadata(written.schema.metadata) == LINEAGE


def test_tables_that_cannot_be_ranked_are_one_line() -> None:
    """Nine rows, no such column, no distance, lists as labels."""
    with pytest.raises(DataError, match="at least 10 rows, for one of them to be unlike the rest, got 9"):
        find_outliers(VectorTable.from_arrays(_classes()[:9]), distance="euclidean")
    table = VectorTable.from_arrays(_classes(), {"tags": [[1]] * 480})
    with pytest.raises(DataError, match="no such column"):
        find_outliers(table, label="label", distance="euclidean")
    with pytest.raises(DataError, match="lists or structs"):
        find_outliers(table, label="tags", distance="euclidean")
    with pytest.raises(UsageError, match="--distance"):
        find_outliers(table)
