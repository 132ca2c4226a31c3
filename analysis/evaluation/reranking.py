"""What re-ranking by k-reciprocal neighbours gains: the figures of retrieval with it, beside those without.

Decisions a reader would question:
- Every row is a query and a reference, as without: the encodings are of the whole table, and exact or through an index
  with GRAPH_RECALL. Memory grows with the rows (some 1 KB each), so tables beyond MAX_ROWS are refused; so many rows
  are also the most of which evaluation ranks every one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis.measures.ranking import Adjusted
from analysis.measures.retrieval import retrieval_metrics
from analysis.neighbours.labels import Labels
from analysis.neighbours.nearest import prepare
from analysis.neighbours.reciprocal import (
    K1,
    K2,
    LAMBDA,
    Encodings,
    as_squares,
    encode,
    reranked_distances,
    scale_of,
    scale_rows,
)
from analysis.search.graph import neighbour_graph
from artifact.arrays import Indices, Numbers, Vectors
from artifact.errors import UsageError
from rows.vectors.table import VectorTable

MAX_ROWS = 100_000

METRICS = ("recall@1", "recall@5", "recall@10", "P@1", "P@5", "P@10", "mAP@R", "mAP")


def reranked_retrieval(
    vectors: Vectors, labels: Labels, plain: dict[str, Any], *, distance: str, max_queries: int | None, seed: int
) -> dict[str, Any]:
    """Retrieval figures of the same queries after re-ranking.

    Args:
        vectors: float32 [N, n], at least two.
        labels: [N].
        plain: what analysis.measures.retrieval.retrieval_metrics gave with this distance, max_queries and seed.

    Returns:
        {metric: value, "<metric>_gain": value less the plain one, for METRICS; "k1", "k2", "lambda"}.

    Raises:
        UsageError: more than MAX_ROWS, or a distance that no index knows.
    """
    require_rerankable(len(vectors))
    adjusted = reranker(vectors, distance=distance, seed=seed)
    found = retrieval_metrics(vectors, labels, distance=distance, max_queries=max_queries, seed=seed, adjusted=adjusted)
    values = {name: found[name] for name in METRICS}
    gains = {f"{name}_gain": found[name] - plain[name] for name in METRICS}
    return values | gains | {"k1": min(K1, len(vectors) - 1), "k2": K2, "lambda": LAMBDA}


def require_rerankable(num_rows: int) -> None:
    """Raise UsageError for a table of too many rows with a label."""
    if num_rows > MAX_ROWS:
        raise UsageError("re-ranking", expected=f"at most {MAX_ROWS:,} rows with a label", got=f"{num_rows:,}")


def reranker(vectors: Vectors, *, distance: str, seed: int = 0) -> Adjusted:
    """What changes distances of rows of a table into those of re-ranking, see analysis.measures.ranking.Adjusted."""
    num_rows = len(vectors)
    graph = neighbour_graph(VectorTable.from_arrays(vectors), K1, distance=distance, seed=seed)
    lists = np.concatenate([np.arange(num_rows)[:, None], graph.rows], axis=1).astype(np.int32)
    prepared = prepare(vectors, distance, np.zeros(vectors.shape[1], np.float32))
    scale = scale_of(prepared[scale_rows(num_rows)])

    def squares_of(rows: Indices, others: Indices) -> Numbers:
        size = 1 << 16
        return np.concatenate(
            [
                ((prepared[rows[at : at + size]] - prepared[others[at : at + size]]) ** 2).sum(axis=1, dtype=np.float64)
                for at in range(0, max(1, len(rows)), size)
            ]
        )

    def neighbours_of(rows: Indices) -> Indices:
        return lists[rows].astype(np.int64)

    rows = np.arange(num_rows)
    encodings = encode(rows, neighbours_of, squares_of, num_rows=num_rows, scale=scale)
    sharers = _Sharers(encodings)

    def adjusted(queries: Indices, order: Indices, distances: Vectors) -> None:
        for at, query in enumerate(queries):
            shared = sharers.of(int(query))[order]
            distances[at] = reranked_distances(shared, as_squares(distances[at], distance), scale)

    return adjusted


class _Sharers:
    """Rows that share weight with a row, found by the rows that both have weight on."""

    def __init__(self, encodings: Encodings) -> None:
        self._encodings = encodings
        self._num_rows = len(encodings.starts) - 1
        order = np.argsort(encodings.rows, kind="stable")
        owners = np.repeat(np.arange(self._num_rows), np.diff(encodings.starts))
        counts = np.bincount(encodings.rows, minlength=self._num_rows)
        self._by_row = Encodings(
            starts=np.concatenate([[0], np.cumsum(counts)]), rows=owners[order], weights=encodings.weights[order]
        )

    def of(self, row: int) -> Numbers:
        """float64 [N]: the weight that each row shares with one."""
        _, rows, weights = self._encodings.taken(np.array([row]))
        owners, found, theirs = self._by_row.taken(rows)
        sums: Numbers = np.zeros(self._num_rows)
        np.add.at(sums, found, np.minimum(weights[owners], theirs))
        return sums
