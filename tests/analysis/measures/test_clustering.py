"""Purity and NMI of clusters by hand, by plain loops and against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.measures.clustering import clustering_metrics
from artifact.errors import DataError


def test_purity_by_hand_and_mutual_information_by_definition() -> None:
    """Clusters {a a b}, {b b b c}, {c}: 2 + 3 + 1 of 8 rows; NMI over the arithmetic mean of the entropies."""
    assignments, labels = [0, 0, 0, 5, 5, 5, 5, 9], list("aabbbbcc")
    found = clustering_metrics(np.array(assignments), labels)
    assert found["purity"] == 6 / 8
    entropy = [-sum(n / 8 * np.log(n / 8) for n in sizes) for sizes in ((3, 4, 1), (2, 4, 2))]
    cells = {(0, "a"): 2, (0, "b"): 1, (5, "b"): 3, (5, "c"): 1, (9, "c"): 1}
    sizes = [{0: 3, 5: 4, 9: 1}, {"a": 2, "b": 4, "c": 2}]
    shared = sum(n / 8 * np.log(n / 8 / (sizes[0][x] / 8 * sizes[1][y] / 8)) for (x, y), n in cells.items())  # type: ignore[index]
    assert found["nmi"] == pytest.approx(shared / np.mean(entropy))


def test_purity_equals_a_plain_loop_on_random_clusters() -> None:
    """The most frequent class of each cluster, counted by hand."""
    rng = np.random.default_rng(0)
    assignments, labels = rng.integers(0, 7, 200), rng.integers(0, 4, 200) ** 2
    expected = sum(
        max(int(((assignments == c) & (labels == y)).sum()) for y in set(labels.tolist()))
        for c in set(assignments.tolist())
    )
    assert clustering_metrics(assignments, labels)["purity"] == expected / 200


@pytest.mark.parametrize(("num_clusters", "num_classes"), [(2, 2), (7, 4), (3, 40), (300, 5), (1, 6), (6, 1), (1, 1)])
@pytest.mark.parametrize("num_rows", [1, 2, 37, 5000])
def test_mutual_information_is_that_of_scikit_learn(num_rows: int, num_clusters: int, num_classes: int) -> None:
    """Random groupings, which share next to nothing, and ones that depend on each other; one group on either side."""
    from sklearn.metrics import normalized_mutual_info_score

    rng = np.random.default_rng(num_rows)
    classes = rng.integers(0, num_classes, num_rows)
    for clusters in (rng.integers(0, num_clusters, num_rows), classes % num_clusters, classes * 7):
        found = clustering_metrics(clusters, classes)["nmi"]
        assert found == pytest.approx(normalized_mutual_info_score(classes, clusters), abs=1e-12)
        assert -1e-12 < found < 1 + 1e-12


def test_mutual_information_of_equal_and_of_independent_groupings() -> None:
    """Renamed groups agree fully; a full table of both tells nothing; one group tells nothing of several."""
    names = np.repeat(list("abc"), 4)
    assert clustering_metrics(np.repeat([9, 2, 5], 4), names)["nmi"] == pytest.approx(1.0)
    assert clustering_metrics(np.tile([0, 1, 2, 3], 3), names)["nmi"] == 0.0
    assert clustering_metrics(np.zeros(12), names) == {"purity": 1 / 3, "nmi": 0.0}
    assert clustering_metrics(np.arange(12), list("a" * 12)) == {"purity": 1.0, "nmi": 0.0}
    assert clustering_metrics([1, 1], ["x", "x"]) == {"purity": 1.0, "nmi": 1.0}


@pytest.mark.parametrize(("assignments", "labels"), [([], []), ([1], ["a", "b"])])
def test_clusters_that_do_not_fit_are_refused(assignments: list[int], labels: list[str]) -> None:
    """No rows, or two lengths."""
    with pytest.raises(DataError, match="labels: expected"):
        clustering_metrics(assignments, labels)
