"""What inverted lists are trained on, and the queries on which their recall is measured: samples of a table's rows.

Decision a reader would question: the rows that ask are not trained on where there are rows enough for both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.measures.index_recall import ExactDistances
from analysis.neighbours.batches import checked_rows
from analysis.neighbours.nearest import centre_of, prepare
from analysis.neighbours.samples import sample_rows
from artifact.arrays import Vectors
from rows.vectors.table import VectorTable

RECALL = 0.97
"""What recall@10 of a sample must reach: other queries of the same kind then stay above .95."""

RECALL_DEPTH = 10
RECALL_QUERIES = 1000

_MAX_LISTS = 1 << 14
_ITERATIONS = 10
_ROWS_PER_LIST = 50
_TRAINING_BYTES = 1 << 28


@dataclass(kw_only=True)
class ListTraining:
    """How many lists a table gets, what they are trained on, and who asks them.

    Attributes:
        num_lists: four times the root of the rows, at most 16,384 and an eighth of the rows.
        vectors: float32 [m, n] to train on, prepared, _TRAINING_BYTES at most.
        exact: the queries, prepared; every prepared row of the table is to be added to it.
    """

    num_lists: int
    vectors: Vectors
    exact: ExactDistances


def sampled_training(table: VectorTable, distance: str, seed: int) -> ListTraining:
    """Samples of a table's rows; the same seed gives the same."""
    rng = np.random.default_rng(seed)
    num_lists = int(min(_MAX_LISTS, 4 * table.num_rows**0.5, max(1, table.num_rows // 8)))
    num_training = min(_ROWS_PER_LIST * num_lists, max(num_lists, _TRAINING_BYTES // (4 * table.dim)))
    rows = sample_rows(table.num_rows, num_training + RECALL_QUERIES, rng)
    sample = prepare(checked_rows(table, rows), distance, np.zeros(table.dim, np.float32))
    asked = sample_rows(len(rows), RECALL_QUERIES, rng)
    depth = min(RECALL_DEPTH, table.num_rows - 1)
    exact = ExactDistances(sample[asked], rows[asked], depth, distance=distance, centre=centre_of(sample, distance))
    if len(rows) > num_training:
        sample = sample[np.setdiff1d(np.arange(len(rows)), asked)]
    return ListTraining(num_lists=num_lists, vectors=sample, exact=exact)


def train_lists(index: Any, vectors: Vectors, seed: int) -> None:
    """Train faiss' inverted lists, deterministic by `seed`."""
    index.cp.niter, index.cp.seed = _ITERATIONS, seed % (1 << 31)
    index.cp.min_points_per_centroid = 1  # faiss warns below 39
    index.cp.max_points_per_centroid = len(vectors)
    index.train(vectors)
