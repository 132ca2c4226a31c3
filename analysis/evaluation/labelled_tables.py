"""Evaluation of a scored table by a column of labels: retrieval, verification, tuples and clustering in one answer.

Decisions a reader would question:
- What grows with the square of the rows is limited, and the answer says so: beyond RANKED_DISTANCES a sample of
  NUM_QUERIES is ranked (against all rows), and beyond MAX_PAIRS (measures/pairs.py) a sample of pairs is taken.
- The vectors are in memory, once in float32 and once in float64: a million of 128 dims take 1.6 GB. Ranking reads all
  of them for every block of queries, so batches from a disk would be read a hundred times over.
- k-means is left out ("purity" and "nmi" are None) beyond CLUSTERING_PRODUCTS: with ten thousand classes it would run
  for hours, while everything else takes minutes.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from analysis.clusters.kmeans import kmeans
from analysis.evaluation.counts import class_counts, no_interval, retrieval_counts, verification_counts
from analysis.evaluation.reranking import require_rerankable, reranked_retrieval
from analysis.measures.clustering import clustering_metrics
from analysis.measures.ranking_accuracy import ranking_accuracy, sample_triplets, table_ranking_accuracy
from analysis.measures.retrieval import retrieval_metrics
from analysis.measures.support import as_facts, support_of_share
from analysis.measures.verification import verification_metrics
from analysis.neighbours.batches import checked_matrix, checked_rows
from analysis.neighbours.labels import has_label
from analysis.neighbours.nearest import faiss_metric
from artifact.errors import DataError
from rows.vectors.lineage import table_distance
from rows.vectors.table import VectorTable

RANKED_DISTANCES = 10**10
"""Queries x rows, up to which every row is a query: one to two minutes of two cores at 128 dims."""

NUM_QUERIES = 10_000
"""Of the sample beyond it: recall@1 is known to a hundredth at worst."""

CLUSTERING_PRODUCTS = 10**10
"""Rows x classes x dims of one k-means iteration."""

OWN_TUPLES = "distance columns"
ONE_RUN = "no interval of one run of k-means"
NUM_TRIPLETS = 100_000
BOOTSTRAP = 200


def evaluate(
    table: VectorTable | str | Path,
    label: str,
    *,
    column: str | None = None,
    distance: str | None = None,
    seed: int = 0,
    queries: int | None = None,
    bootstrap: int = BOOTSTRAP,
    per_class: bool = False,
    rerank: bool = False,
) -> dict[str, Any]:
    """Retrieval (leave-one-out), verification, ranking accuracy and k-means over the rows that have a label.

    Args:
        table: see rows.vectors.table.VectorTable; or its path.
        label: the column of classes; rows where it is null or empty are left out and counted.
        column: another vector column than the one that the table was opened with.
        distance: for vectors without lineage.
        seed: of k-means, of samples and of the bootstrap.
        queries: rank a sample of that many; None: all rows, or NUM_QUERIES beyond RANKED_DISTANCES.
        bootstrap: resamples of the classes for the intervals; 0: only samples have one.
        per_class: add the figures of each class, and what they rest on.
        rerank: add the figures of retrieval after re-ranking, and what it gains.

    Returns:
        {"recall@1", "recall@5", "recall@10", "P@1", "P@5", "P@10", "mAP", "mAP@R", "queries", "skipped",
        "mAP_queries", and with `per_class` "per_class": see analysis.measures.retrieval.retrieval_metrics;
        "queries_from": "all", or of how many the queries are a sample;
        "purity", "nmi": k-means, k = number of classes, or None;
        "ranking_accuracy", "tuples": see analysis.measures.ranking_accuracy, of the table's own tuples where it has
        distance columns, else of random triplets ("tuples_from" says which), None where there are none;
        "verification": see analysis.measures.verification, or None; "<metric>_low" and "<metric>_high" beside each;
        "rests_on": {figure: {its counts, "is_enough", "text"}}, see analysis.measures.support;
        with `rerank` "reranked": see analysis.evaluation.reranking.reranked_retrieval;
        "num_rows" (labelled), "num_unlabelled", "num_classes", "bootstrap", "seed", "distance", "label", "column",
        "lineage": facts of the artifact, or None}.

    Raises:
        DataError: no such column, no labels, or no class with two images.
        UsageError: no distance known, queries below 1, a negative bootstrap or seed; too many rows to re-rank, or a
            distance that no index knows.
    """
    table = VectorTable.of(table)
    if column is not None and column != table.vector_column:
        table = table.with_vectors(column)
    distance = table_distance(table.lineage, distance, where=table.source)
    values = table.column(label).to_pylist()
    labelled = np.array([has_label(value) for value in values], bool)
    if not labelled.any():
        raise DataError(f'label column "{label}"', expected="a class in some rows", got="none", where=table.source)
    labels = [value for value in values if has_label(value)]
    if rerank:
        require_rerankable(len(labels))
        faiss_metric(distance)
    vectors = checked_matrix(table) if labelled.all() else checked_rows(table, np.flatnonzero(labelled))
    if queries is None and len(labels) ** 2 > RANKED_DISTANCES:
        queries = NUM_QUERIES
    retrieval = retrieval_metrics(
        vectors,
        labels,
        distance=distance,
        max_queries=queries,
        bootstrap=bootstrap,
        per_class=per_class,
        seed=seed,
    )
    reranked: dict[str, Any] = {}
    if rerank:
        reranked["reranked"] = reranked_retrieval(
            vectors, labels, retrieval, distance=distance, max_queries=queries, seed=seed
        )
    num_queries, usable = int(retrieval["queries"]), len(labels) - int(retrieval["skipped"])
    num_classes = len(set(labels))
    clustering: dict[str, Any] = {"purity": None, "nmi": None}
    if vectors.size * num_classes <= CLUSTERING_PRODUCTS:
        clusters = kmeans(vectors, num_classes, seed=seed, distance=distance)
        clustering = clustering_metrics(clusters.assignments, labels)
    ranking = _ranking(table, vectors, labels, distance, bootstrap, seed)
    verification = verification_metrics(vectors, labels, distance=distance, bootstrap=bootstrap, seed=seed)
    counts = retrieval_counts(
        retrieval,
        num_classes=sum(size > 1 for size in Counter(labels).values()),
        intervals=bootstrap > 0,
    )
    for name in ("purity", "nmi"):
        if clustering[name] is not None:
            counts[name] = support_of_share(
                clustering[name], len(labels), "rows", num_classes=num_classes, remark=ONE_RUN if bootstrap else None
            )
    if ranking["ranking_accuracy"] is not None:
        is_own = ranking["tuples_from"] == OWN_TUPLES
        count, what = (ranking["tuples"], "tuples") if is_own else (min(usable, ranking["tuples"]), "anchors")
        counts["ranking_accuracy"] = support_of_share(
            ranking["ranking_accuracy"], count, what, remark=no_interval(ranking, "ranking_accuracy")
        )
    counts |= verification_counts(verification, num_classes=num_classes)
    return {
        **retrieval,
        **({"per_class": class_counts(retrieval["per_class"])} if per_class else {}),
        **{name: int(retrieval[name]) for name in ("queries", "skipped", "mAP_queries")},
        "queries_from": "all" if num_queries == usable else f"a uniform sample (seed {seed}) of {usable}",
        **reranked,
        **clustering,
        **ranking,
        "verification": verification,
        "rests_on": as_facts(counts),
        "num_rows": len(labels),
        "num_unlabelled": len(values) - len(labels),
        "num_classes": num_classes,
        "bootstrap": bootstrap,
        "seed": seed,
        "distance": distance,
        "label": label,
        "column": table.vector_column,
        "lineage": table.lineage.to_dict() if table.lineage else None,
    }


def _ranking(
    table: VectorTable, vectors: Any, labels: list[Any], distance: str, bootstrap: int, seed: int
) -> dict[str, Any]:
    """Ranking accuracy of the table's own tuples, else of random ones."""
    own = table_ranking_accuracy(table)
    if own is not None:
        return own | {"tuples_from": OWN_TUPLES}
    triplets = sample_triplets(labels, NUM_TRIPLETS, seed=seed)
    if triplets is None:
        return {"ranking_accuracy": None, "tuples": 0, "tuples_from": None}
    found = ranking_accuracy(vectors, triplets, distance=distance, labels=labels, bootstrap=bootstrap, seed=seed)
    return found | {"tuples_from": f"random triplets (seed {seed})"}
