"""Retrieval figures against plain loops, scikit-learn and numbers worked out by hand."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from analysis.measures.retrieval import retrieval_metrics
from analysis.neighbours import pairwise
from artifact.distances import DISTANCES
from artifact.errors import DataError, UsageError


def unbalanced(seed: int = 0, dims: int = 6) -> tuple[Any, list[Any]]:
    """Vectors of very different lengths; classes of 1, 2, 9, 14 and 1 images, in mixed order and of mixed types."""
    rng = np.random.default_rng(seed)
    labels = ["a"] + [7] * 2 + ["7"] * 9 + [("t", 1)] * 14 + ["z"]
    labels = [labels[i] for i in rng.permutation(len(labels))]
    centres = {label: rng.normal(size=dims) for label in dict.fromkeys(labels)}
    vectors = np.stack([centres[label] + rng.normal(size=dims) * 0.9 for label in labels])
    return (vectors * rng.uniform(0.2, 5, size=(len(labels), 1))).astype(np.float32), labels


def by_loops(
    vectors: Any, labels: Any, distance: str, ks: Any, references: Any = None, reference_labels: Any = None
) -> dict[str, float]:
    """The definitions, one query and one rank at a time; at equal distance the wrong class first."""
    targets, target_labels = (vectors, labels) if references is None else (references, reference_labels)
    rows: list[list[float]] = []
    for i, label in enumerate(labels):
        others = [j for j in range(len(targets)) if references is not None or j != i]
        num_relevant = sum(target_labels[j] == label for j in others)
        if not num_relevant:
            continue
        apart = {j: float(DISTANCES[distance](vectors[i].astype(float), targets[j].astype(float))) for j in others}
        others.sort(key=lambda j: (np.float32(apart[j]), target_labels[j] == label))
        right = [target_labels[j] == label for j in others]
        precision = [sum(right[: r + 1]) / (r + 1) for r in range(len(right))]
        rows.append(
            [float(any(right[:k])) for k in ks]
            + [sum(right[:k]) / k for k in ks]
            + [sum(p for p, hit in zip(precision, right, strict=True) if hit) / num_relevant]
            + [sum(precision[r] for r in range(num_relevant) if right[r]) / num_relevant]
        )
    means = np.mean(rows, axis=0)
    names = [f"recall@{k}" for k in ks] + [f"P@{k}" for k in ks] + ["mAP", "mAP@R"]
    return {name: float(mean) for name, mean in zip(names, means, strict=True)} | {
        "queries": len(rows),
        "skipped": len(labels) - len(rows),
        "mAP_queries": len(rows),
    }


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("seed", range(5))
def test_retrieval_equals_plain_loops_for_every_distance(distance: str, seed: int) -> None:
    """Unbalanced classes, singletons, unnormalised vectors, mixed label types."""
    vectors, labels = unbalanced(seed)
    found = retrieval_metrics(vectors, labels, distance=distance, ks=(1, 2, 5, 10))
    assert found == pytest.approx(by_loops(vectors, labels, distance, (1, 2, 5, 10)), abs=1e-12)
    assert found["skipped"] == 2
    assert 0 < found["mAP@R"] < found["mAP"] < 1


def test_the_two_distances_of_the_fixture_disagree() -> None:
    """Otherwise the test above could not tell cosine from euclidean."""
    vectors, labels = unbalanced()
    by_distance = [retrieval_metrics(vectors, labels, distance=name)["mAP"] for name in ("euclidean", "cosine")]
    assert by_distance[0] != pytest.approx(by_distance[1], abs=0.01)


def test_average_precision_equals_scikit_learn() -> None:
    """mAP of one query set is the mean of sklearn's average_precision_score."""
    from sklearn.metrics import average_precision_score

    vectors, labels = unbalanced(3)
    kept = [i for i, label in enumerate(labels) if labels.count(label) > 1]
    scores = []
    for i in kept:
        others = [j for j in range(len(labels)) if j != i]
        apart = np.linalg.norm(vectors[others].astype(float) - vectors[i], axis=1)
        scores.append(average_precision_score([labels[j] == labels[i] for j in others], -apart))
    assert retrieval_metrics(vectors, labels, distance="euclidean")["mAP"] == pytest.approx(np.mean(scores), abs=1e-9)


def test_mean_average_precision_at_r_by_hand() -> None:
    """Four of a class on a line, one of another between them; R = 3.

    From the ends the ranking is right, wrong, right, right: (1 + 0 + 2/3) / 3; from the middle wrong, right, right,
    right: (0 + 1/2 + 2/3) / 3.
    """
    vectors = np.array([[0.0], [1.1], [2.0], [3.3], [4.7]], np.float32)
    found = retrieval_metrics(vectors, ["a", "a", "b", "a", "a"], distance="euclidean", ks=(1,))
    ends, middles = (1 + 2 / 3) / 3, (1 / 2 + 2 / 3) / 3
    whole_ends, whole_middles = (1 + 2 / 3 + 3 / 4) / 3, (1 / 2 + 2 / 3 + 3 / 4) / 3
    assert found == pytest.approx(
        {"recall@1": 0.5, "P@1": 0.5, "mAP": (whole_ends + whole_middles) / 2, "mAP@R": (ends + middles) / 2}
        | {"queries": 4, "skipped": 1, "mAP_queries": 4}
    )


@pytest.mark.parametrize("distance", DISTANCES)
def test_a_collapsed_network_scores_nothing(distance: str) -> None:
    """All vectors equal: every tie goes against the model, whatever the order of the rows."""
    vectors = np.tile(np.array([[0.3, -1.7, 2.2]], np.float32), (20, 1))
    found = retrieval_metrics(vectors, [0] * 6 + [1] * 7 + [2] * 7, distance=distance, ks=(1, 4))
    assert found["recall@1"] == found["recall@4"] == found["mAP@R"] == 0
    assert 0 < found["mAP"] < 1  # the right ones come last, and still are somewhere


def test_ties_do_not_depend_on_row_order() -> None:
    """Vectors on a coarse grid, so most distances are shared, equal the loops under every permutation."""
    rng = np.random.default_rng(5)
    vectors, labels = rng.integers(0, 3, size=(40, 2)).astype(np.float32), rng.integers(0, 4, size=40)
    expected = by_loops(vectors, labels.tolist(), "squared_euclidean", (1, 5))
    for _ in range(3):
        order = rng.permutation(40)
        found = retrieval_metrics(vectors[order], labels[order], distance="squared_euclidean", ks=(1, 5))
        assert found == pytest.approx(expected, abs=1e-12)


def test_vectors_far_from_the_origin_keep_their_order() -> None:
    """A float32 product would lose these distances to cancellation."""
    vectors, labels = unbalanced(2)
    moved = (vectors + np.float32(3000)).astype(np.float32)
    found = retrieval_metrics(moved, labels, distance="euclidean")
    assert found == pytest.approx(by_loops(moved, labels, "euclidean", (1, 5, 10)), abs=1e-12)


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("chunk_bytes", [1, 2000, 1 << 20])
def test_equal_vectors_are_exactly_at_zero(distance: str, chunk_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However the product rounds; the rest is what the artifact's own function gives."""
    rng = np.random.default_rng(0)
    vectors = (rng.normal(size=(30, 65)) * 37).astype(np.float32)
    queries = vectors[rng.permutation(30)]
    monkeypatch.setattr(pairwise, "CHUNK_BYTES", chunk_bytes)
    chunks = [found for _, found in pairwise.distance_chunks(queries, vectors, distance=distance)]
    found = np.concatenate(chunks)
    np.testing.assert_array_equal(found == 0, (queries[:, None] == vectors).all(axis=-1))
    expected = DISTANCES[distance](queries[:, None].astype(float), vectors[None].astype(float))  # type: ignore[arg-type]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_chunks_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    """One query a chunk gives the same numbers as one chunk."""
    vectors, labels = unbalanced(4)
    whole = retrieval_metrics(vectors, labels, distance="cosine")
    monkeypatch.setattr(pairwise, "CHUNK_BYTES", 1)
    assert retrieval_metrics(vectors, labels, distance="cosine") == pytest.approx(whole, abs=1e-12)


def test_a_depth_beyond_the_set_is_the_whole_set() -> None:
    """recall@10 of three images looks at the two others."""
    vectors = np.array([[0], [1], [5]], np.float32)
    found = retrieval_metrics(vectors, ["a", "b", "a"], distance="euclidean", ks=(1, 10))
    assert (found["recall@1"], found["recall@10"]) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("change", "kind", "text"),
    [
        (
            {"labels": ["a", "b", "c"]},
            DataError,
            "labels: expected a class with another image, got none among 3 images",
        ),
        ({"labels": ["a"]}, DataError, "labels: expected one for each of 3 rows, got 1"),
        (
            {"distance": "manhattan"},
            UsageError,
            "distance: expected one of euclidean, squared_euclidean, cosine, got 'manhattan'",
        ),
        ({"ks": (0,)}, UsageError, "ks: expected numbers of at least 1, got [0]"),
        (
            {"vectors": np.array([[0], [np.nan], [1]])},
            DataError,
            "vectors: expected finite numbers, got NaN or infinity in 1 rows, first 1",
        ),
        ({"vectors": np.zeros(3)}, DataError, "vectors: expected an array of shape [N, n], got shape [3]"),
    ],
)
def test_retrieval_refuses_with_one_line(change: dict[str, Any], kind: type[Exception], text: str) -> None:
    """Every refusal names what was expected and what was got."""
    arguments: dict[str, Any] = {"vectors": np.zeros((3, 1)), "labels": ["a", "a", "b"], "distance": "euclidean"}
    arguments |= change
    with pytest.raises(kind) as caught:
        retrieval_metrics(arguments.pop("vectors"), arguments.pop("labels"), **arguments)
    assert str(caught.value) == text


def test_importing_analysis_is_light() -> None:
    """Neither torch, scikit-learn nor faiss is loaded before it is needed."""
    code = (
        "import sys, analysis.clusters.table_clusters, analysis.evaluation.labelled_tables, analysis.search.index;"
        "import analysis.measures.retrieval, analysis.measures.threshold;"
        "print([name for name in ('torch', 'sklearn', 'faiss', 'pyarrow.dataset') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_labels_that_are_lists_are_refused() -> None:
    """A vector column named as the label is a mistake of the user, not a traceback."""
    vectors = np.zeros((2, 2), np.float32)
    with pytest.raises(DataError) as caught:
        retrieval_metrics(vectors, [[1.0], [1.0]], distance="euclidean")  # type: ignore[list-item]
    assert str(caught.value) == "labels: expected one word or number a row, got lists or structs"
