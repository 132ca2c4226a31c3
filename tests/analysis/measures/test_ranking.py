"""Ranks by counting against full sorts, pytorch-metric-learning, float128 distances and plain loops."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from analysis.measures import ranking
from analysis.measures.ranks import rank_values, recall_by_depth, wrong_before
from analysis.measures.retrieval import retrieval_metrics
from analysis.neighbours.pairwise import References
from artifact.errors import UsageError
from tests.analysis.measures.test_retrieval import by_loops, unbalanced


def clustered(num_rows: int, num_classes: int, *, dims: int = 16, noise: float = 1.5, seed: int = 0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(num_rows) % num_classes)
    centres = rng.normal(size=(num_classes, dims))
    return (centres[labels] + rng.normal(size=(num_rows, dims)) * noise).astype(np.float32), labels


def by_full_sort(vectors: Any, labels: Any, ks: tuple[int, ...]) -> dict[str, float]:
    """Every distance in float64 by differences, a lexsort of each row, wrong classes first among equals."""
    wide = vectors.astype(np.float64)
    rows = []
    for i, label in enumerate(labels):
        apart = np.sqrt(np.square(wide - wide[i]).sum(axis=1)).astype(np.float32)
        same = labels == label
        order = np.lexsort((same, apart))
        ranks = np.flatnonzero(same[order[order != i]])
        if len(ranks):
            precision = np.arange(1, len(ranks) + 1) / (ranks + 1)
            rows.append(
                [float((ranks < k).any()) for k in ks]
                + [(ranks < k).sum() / k for k in ks]
                + [precision.mean(), (precision * (ranks < len(ranks))).sum() / len(ranks)]
            )
    names = [*(f"recall@{k}" for k in ks), *(f"P@{k}" for k in ks), "mAP", "mAP@R"]
    return dict(zip(names, np.mean(rows, axis=0).tolist(), strict=True))


@pytest.mark.parametrize(("num_classes", "noise"), [(5, 3.0), (5, 0.2), (40, 1.5), (400, 2.5)])
def test_ranks_by_counting_equal_full_sorts(num_classes: int, noise: float) -> None:
    """Classes of 300, 37 and 3 images, well apart and not: every way of counting is taken."""
    vectors, labels = clustered(1500, num_classes, noise=noise)
    found = retrieval_metrics(vectors, labels, distance="euclidean", ks=(1, 7, 50))
    expected = by_full_sort(vectors, labels, (1, 7, 50))
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-12)
    assert found["mAP_queries"] == found["queries"] == 1500


@pytest.mark.parametrize("num_classes", [4, 60, 600])
def test_metrics_equal_pytorch_metric_learning(num_classes: int) -> None:
    """precision_at_1, mean_average_precision and mean_average_precision_at_r of its AccuracyCalculator, by faiss."""
    import torch
    from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator

    vectors, labels = clustered(1200, num_classes, seed=1)
    names = {
        "precision_at_1": "P@1",
        "mean_average_precision": "mAP",
        "mean_average_precision_at_r": "mAP@R",
    }
    calculator = AccuracyCalculator(include=tuple(names), k=1199, device=torch.device("cpu"))
    expected = calculator.get_accuracy(torch.from_numpy(vectors), torch.from_numpy(labels))
    found = retrieval_metrics(vectors, labels, distance="euclidean")
    for theirs, ours in names.items():
        assert found[ours] == pytest.approx(expected[theirs], abs=1e-5), ours
    assert found["recall@1"] == found["P@1"]


@pytest.mark.parametrize("depth", [None, 1, 10, 300])
@pytest.mark.parametrize("num_thresholds", [1, 5, 40])
def test_wrong_before_equals_a_count_of_each(depth: int | None, num_thresholds: int) -> None:
    """Below the depth exactly, beyond it never below the depth; with ties, NaN, infinity, any thresholds."""
    rng = np.random.default_rng(num_thresholds)
    for scale in (0.02, 1.0, 30.0):
        row = np.abs(rng.normal(size=8000)).astype(np.float32).round(3)
        row[rng.integers(0, 8000, 200)] = np.nan
        row[5] = np.inf
        thresholds = np.sort(np.abs(rng.normal(size=num_thresholds)).astype(np.float32).round(3) * np.float32(scale))
        expected = np.array([(row <= threshold).sum() for threshold in thresholds])
        found = wrong_before(row, thresholds, np.empty(8000, bool), depth=depth)
        if depth is None:
            np.testing.assert_array_equal(found, expected)
        else:
            np.testing.assert_array_equal(found[expected < depth], expected[expected < depth])
            assert (found[expected >= depth] >= depth).all()


def test_wrong_before_survives_a_sample_that_misleads() -> None:
    """The numbers that are looked at to guess lie far below all others, and the other way round."""
    for low, high in ((0.0, 1.0), (1.0, 0.0)):
        row = np.full(6400, high, np.float32) + np.arange(6400, dtype=np.float32) * np.float32(1e-5)
        row[::64] = low
        row[63::64] = np.nan
        thresholds = np.array([0.5, 2.0], np.float32)
        expected = [(row <= 0.5).sum(), (row <= 2).sum()]
        for depth in (20, 150, 1500):
            found = wrong_before(row, thresholds, np.empty(6400, bool), depth=depth)
            assert [min(depth, count) for count in found] == [min(depth, count) for count in expected]


def test_recall_by_depth_counts_the_queries_that_are_done() -> None:
    """Every depth by a plain count; 1, 5 and 10 are among them, and all is found at the last."""
    ranks = np.random.default_rng(0).integers(1, 3000, 200)
    for some in (ranks, np.array([1, 1, 4, 10]), np.array([1])):
        depths, recall = recall_by_depth(some)
        assert {1, 5, 10, max(10, int(some.max()))} <= set(depths.tolist())
        assert depths.tolist() == sorted(set(depths.tolist()))
        assert recall.tolist() == [np.mean(some <= depth) for depth in depths]
    assert dict(zip(*recall_by_depth(np.array([1, 1, 4, 10])), strict=True))[5] == 0.75


def test_rank_values_by_hand() -> None:
    """R = 3 found first, third and sixth: P@1 = 1, P@4 = 2/4, AP@R = (1 + 2/3) / 3, AP = (1 + 2/3 + 3/6) / 3."""
    found = rank_values(np.array([[0, 2, 5], [3, 4, 5]]), (1, 4))
    expected = [
        [1, 1, 1, 2 / 4, (1 + 2 / 3) / 3, (1 + 2 / 3 + 1 / 2) / 3],
        [0, 1, 0, 1 / 4, 0, (1 / 4 + 2 / 5 + 1 / 2) / 3],
    ]
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize("distance", ["euclidean", "squared_euclidean"])
def test_order_far_from_the_origin_is_that_of_exact_arithmetic(distance: str) -> None:
    """Points a few float32 steps apart at 30,000: as by Python's integers, where uncentred float64 rounds some to 0."""
    rng = np.random.default_rng(0)
    steps = rng.integers(-3, 4, size=(60, 5))
    vectors = (30_000 + steps * 2.0**-9).astype(np.float32)
    np.testing.assert_array_equal((vectors - np.float32(30_000)) * 2**9, steps)
    exact = np.square(steps[:, None] - steps[None]).sum(axis=-1) * 2.0**-18
    found = References.of(vectors, distance).distances(vectors)
    np.testing.assert_allclose(found, np.sqrt(exact) if distance == "euclidean" else exact, rtol=1e-6)
    labels = rng.integers(0, 6, 60)
    assert retrieval_metrics(vectors, labels, distance=distance) == pytest.approx(
        retrieval_metrics(steps.astype(np.float32), labels, distance=distance)
    )


@pytest.mark.parametrize("distance", ["euclidean", "squared_euclidean", "cosine"])
def test_equal_vectors_of_many_dims_are_at_zero(distance: str) -> None:
    """2,048 dims of very different sizes, more references than one product takes, one vector far longer than all."""
    rng = np.random.default_rng(0)
    vectors = (rng.normal(size=(5000, 2048)) * np.geomspace(1e-3, 1e3, 2048)).astype(np.float32)
    vectors[7] *= 1000
    found = References.of(vectors, distance).distances(vectors[4980:])
    assert (found[np.arange(20), np.arange(4980, 5000)] == 0).all()
    assert np.count_nonzero(found == 0) == 20


def test_sampled_queries_are_ranked_against_all() -> None:
    """Of 300 queries the mean is near that of all; the interval holds it; the seed decides."""
    vectors, labels = clustered(1500, 100)
    whole = retrieval_metrics(vectors, labels, distance="euclidean")
    found = retrieval_metrics(vectors, labels, distance="euclidean", max_queries=300, seed=4)
    assert (found["queries"], found["mAP_queries"]) == (300, 300)
    for name in ("recall@1", "P@10", "mAP", "mAP@R"):
        assert found[f"{name}_low"] < whole[name] < found[f"{name}_high"], name
        assert found[name] != whole[name]
    assert found == retrieval_metrics(vectors, labels, distance="euclidean", max_queries=300, seed=4)
    assert found != retrieval_metrics(vectors, labels, distance="euclidean", max_queries=300, seed=5)
    assert not any(name.endswith("_low") for name in whole)


def test_mean_average_precision_is_sampled_beyond_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others stay exact; the result says how many queries it is of and how far it may be off."""
    vectors, labels = clustered(1000, 10)
    exact = retrieval_metrics(vectors, labels, distance="cosine")
    monkeypatch.setattr("analysis.measures.retrieval.MAP_COMPARISONS", 1000 * 99 * 200)
    found = retrieval_metrics(vectors, labels, distance="cosine")
    assert (found["queries"], found["mAP_queries"]) == (1000, 200)
    assert found["mAP_low"] < exact["mAP"] < found["mAP_high"]
    same = [name for name in exact if not name.startswith("mAP") or name == "mAP@R"]
    assert {name: found[name] for name in same} == pytest.approx({name: exact[name] for name in same}, abs=1e-12)


def test_per_class_equals_the_loops_of_that_class() -> None:
    """Queries of one class against all references; a class of one image has no row."""
    vectors, labels = unbalanced(2)
    found = retrieval_metrics(vectors, labels, distance="cosine", ks=(1, 5), per_class=True)["per_class"]
    assert [row["class"] for row in found] == [label for label in dict.fromkeys(labels) if labels.count(label) > 1]
    for row in found:
        own = [i for i, label in enumerate(labels) if label == row["class"]]
        rows = []
        for i in own:
            others = [j for j in range(len(labels)) if j != i]
            rows.append(
                by_loops(vectors[[i]], [labels[i]], "cosine", (1, 5), vectors[others], [labels[j] for j in others])
            )
        assert row["queries"] == len(own)
        for name in ("recall@1", "recall@5", "P@1", "P@5", "mAP@R", "mAP"):
            assert row[name] == pytest.approx(np.mean([each[name] for each in rows])), name


def test_per_class_of_a_sample_says_where_it_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of 100 queries have an average precision: most classes have none, and all have the rest."""
    vectors, labels = clustered(100, 20)
    monkeypatch.setattr("analysis.measures.retrieval.MAP_COMPARISONS", 100 * 4 * 2)
    found = retrieval_metrics(vectors, labels, distance="cosine", per_class=True)["per_class"]
    assert len(found) == 20
    assert sum(row["mAP"] is not None for row in found) in (1, 2)
    assert all(row["mAP@R"] is not None for row in found)


def test_bootstrap_gives_an_interval_to_each_metric() -> None:
    """Around the value; wider for fewer classes; None for four."""
    vectors, labels = clustered(1200, 100)
    found = retrieval_metrics(vectors, labels, distance="euclidean", bootstrap=100, seed=1)
    few = retrieval_metrics(vectors, labels % 12, distance="euclidean", bootstrap=100, seed=1)
    for name in ("recall@1", "recall@10", "P@5", "mAP", "mAP@R"):
        assert found[f"{name}_low"] < found[name] < found[f"{name}_high"], name
    assert few["recall@1_high"] - few["recall@1_low"] > 0
    none = retrieval_metrics(vectors, labels % 4, distance="euclidean", bootstrap=100)
    assert none["recall@1_low"] is None
    assert none["mAP_high"] is None


def test_threads_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three threads over many small blocks, as one; and a failure in a thread is not lost."""
    vectors, labels = clustered(700, 30)
    monkeypatch.setattr("analysis.neighbours.pairwise.CHUNK_BYTES", 40_000)
    one = retrieval_metrics(vectors, labels, distance="euclidean")
    monkeypatch.setattr(ranking, "_num_cores", lambda: 3)
    before = threading.active_count()
    assert retrieval_metrics(vectors, labels, distance="euclidean") == one
    assert threading.active_count() == before
    monkeypatch.setattr(ranking, "block_values", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        retrieval_metrics(vectors, labels, distance="euclidean")


def test_threads_are_those_that_the_environment_grants(monkeypatch: pytest.MonkeyPatch) -> None:
    """OMP_NUM_THREADS is a limit; what is no number is none."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert ranking._num_cores() == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "2,1")
    cores = ranking._num_cores()
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert ranking._num_cores() == cores >= 1


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"max_queries": 0}, "max_queries: expected at least 1, got 0"),
        ({"bootstrap": -1}, "bootstrap: expected at least 0 resamples, got -1"),
        ({"seed": -1}, "seed: expected at least 0, got -1"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], text: str) -> None:
    """One line each."""
    with pytest.raises(UsageError) as caught:
        retrieval_metrics(np.eye(4, dtype=np.float32), list("aabb"), distance="cosine", **options)
    assert str(caught.value) == text
