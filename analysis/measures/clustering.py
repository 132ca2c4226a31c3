"""Agreement of clusters with classes: purity, and normalised mutual information (NMI)."""

from __future__ import annotations

import numpy as np

from analysis.neighbours.labels import Labels, label_codes
from artifact.arrays import Indices
from artifact.errors import DataError


def clustering_metrics(assignments: Labels, labels: Labels) -> dict[str, float]:
    """Agreement of clusters with classes.

    Args:
        assignments: [N], the cluster of each row.
        labels: [N], the class of each row.

    Returns:
        {"purity": share of rows that are of their cluster's most frequent class,
        "nmi": see `normalised_mutual_information`}.

    Raises:
        DataError: no rows, or two lengths.
    """
    num_rows = len(labels)
    if not num_rows:
        raise DataError("labels", expected="at least one", got="none")
    clusters, classes = label_codes(assignments, num_rows), label_codes(labels, num_rows)
    cluster_of, _, counts = _cells(clusters, classes)
    largest = np.zeros(int(clusters.max()) + 1, np.int64)
    np.maximum.at(largest, cluster_of, counts)
    return {
        "purity": float(largest.sum() / num_rows),
        "nmi": normalised_mutual_information(clusters, classes),
    }


def normalised_mutual_information(clusters: Indices, classes: Indices) -> float:
    """Mutual information of two groupings over the arithmetic mean of their entropies, in [0, 1].

    Vinh, Epps, Bailey, "Information Theoretic Measures for Clusterings Comparison" (2010), NMI with "sum"; it is what
    scikit-learn gives by default. Two groupings of one group each agree fully: 1. One group beside several tells
    nothing: 0.

    Args:
        clusters, classes: int64 [N], N at least 1, codes from 0.
    """
    cluster_of, class_of, counts = _cells(clusters, classes)
    sizes, others = np.bincount(clusters), np.bincount(classes)
    if len(sizes) == len(others) == 1:
        return 1.0
    entropies = _entropy(sizes), _entropy(others)
    num_rows = len(classes)
    shares = counts / num_rows
    expected = np.log(sizes[cluster_of]) + np.log(others[class_of]) - 2 * np.log(num_rows)
    shared = float((shares * (np.log(shares) - expected)).sum())
    if shared <= np.finfo(np.float64).eps:  # rounding of 0
        return 0.0
    return shared / (sum(entropies) / 2)


def _cells(clusters: Indices, classes: Indices) -> tuple[Indices, Indices, Indices]:
    """Cluster, class and number of rows of each of the C combinations that occur, int64 [C] three times."""
    num_classes = int(classes.max()) + 1
    cells, counts = np.unique(clusters * num_classes + classes, return_counts=True)
    return cells // num_classes, cells % num_classes, counts


def _entropy(sizes: Indices) -> float:
    """In nats, of groups of these sizes (at least 1 each)."""
    shares = sizes / sizes.sum()
    return float(-(shares * np.log(shares)).sum())
