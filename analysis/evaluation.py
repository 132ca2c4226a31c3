"""How good a scored table is, by a column of labels: retrieval and clustering in one answer."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from analysis.clusters import kmeans
from analysis.metrics import clustering_metrics, retrieval_metrics
from analysis.pairwise import table_distance
from artifact.errors import DataError
from rows.vectors import VectorTable


def evaluate(
    table: VectorTable, label: str, *, column: str | None = None, distance: str | None = None, seed: int = 0
) -> dict[str, Any]:
    """Leave-one-out retrieval and k-means (k = number of classes) over the rows that have a label.

    Args:
        table: see rows.vectors.VectorTable.
        label: the column of classes; rows where it is null or empty are left out and counted.
        column: another vector column than the one that the table was opened with.
        distance: for vectors without lineage.
        seed: of k-means.

    Returns:
        {"recall@1", "recall@5", "recall@10", "mAP", "mAP@R", "queries", "skipped", "purity", "nmi": see
        analysis.metrics; "num_rows" (labelled), "num_unlabelled", "num_classes", "distance", "label", "column",
        "lineage": facts of the artifact, or None}.

    Raises:
        DataError: no such column, no labels, or no class with two images. UsageError: no distance known.
    """
    if column is not None and column != table.vector_column:
        table = table.with_vectors(column)
    distance = table_distance(table.lineage, distance, where=table.source)
    values = table.column(label).to_pylist()
    labelled = np.array([value not in (None, "") for value in values])
    if not labelled.any():
        raise DataError(f'label column "{label}"', expected="a class in some rows", got="none", where=table.source)
    labels = [value for value in values if value not in (None, "")]
    vectors = table.matrix if labelled.all() else table.matrix[labelled]
    retrieval = retrieval_metrics(vectors, labels, distance=distance)
    num_classes = len(set(labels))
    clusters = kmeans(vectors, num_classes, seed=seed, distance=distance)
    counts = {name: int(retrieval.pop(name)) for name in ("queries", "skipped")}
    return {
        **retrieval,
        **clustering_metrics(clusters.assignments, labels),
        **counts,
        "num_rows": len(labels),
        "num_unlabelled": len(values) - len(labels),
        "num_classes": num_classes,
        "distance": distance,
        "label": label,
        "column": table.vector_column,
        "lineage": asdict(table.lineage) if table.lineage else None,
    }
