"""How far rows stand out of their own class: the distance to its nearest rows beside that of the class's median row.

Decisions a reader would question:
- A ratio within the class, for classes are of different width. Whether a class as a whole is loose, it does not say.
- Copies are no nearer than LEAST_SHARE of what is usual in the whole set. Else whatever is no copy would be infinitely
  far out of a class of copies, and of several such rows none the furthest.
- Classes of fewer than MIN_ROWS rows have none: of two rows neither is the odd one. Rows without a label have none.
- Of a large class MOST rows, drawn by the seed, are what its rows are compared with.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from analysis.neighbours.batches import checked_batches
from analysis.neighbours.faiss_library import load_faiss
from analysis.neighbours.labels import has_label, label_codes
from analysis.neighbours.nearest import prepare
from analysis.neighbours.samples import sample_rows
from artifact.arrays import Numbers, Vectors
from rows.vectors.table import VectorTable

MIN_ROWS, MOST_ROWS = 4, 1000
NEAREST = 10

LEAST_SHARE = 1e-2
"""Of the median over all rows in classes, copies left out."""

CLASS_MEASURE = "how many times further from the nearest rows of its class than the median row of it is"
"""What `class_outlier` is, for messages and pages."""


def outliers_of_classes(
    table: VectorTable, labels: Any, whitened: Callable[[Vectors], Vectors], *, distance: str, seed: int
) -> Numbers:
    """How many times further than the median row of its class each row is from the nearest rows of its class.

    Args:
        labels: Arrow column of N values; null, "" and NaN are none.
        whitened: the vectors to compare, float32 [m, n] -> float32 [m, n].

    Returns:
        float64 [N]; NaN where a row has no label or its class has too few rows; 1 where all of a class are equal.
    """
    values = [value if has_label(value) else None for value in labels.to_pylist()]
    codes = label_codes(values, table.num_rows, known={None: -1})
    vectors = np.empty((table.num_rows, table.dim), np.float32)
    origin = np.zeros(table.dim, np.float32)
    for batch in checked_batches(table):
        vectors[batch.first_row : batch.first_row + len(batch)] = whitened(prepare(batch.vectors, distance, origin))
    order = np.argsort(codes, kind="stable")
    apart: Numbers = np.full(table.num_rows, np.nan)
    members = []
    for rows in np.split(order, np.flatnonzero(np.diff(codes[order])) + 1):
        if codes[rows[0]] >= 0 and len(rows) >= MIN_ROWS:
            chosen = sample_rows(len(rows), MOST_ROWS, np.random.default_rng(seed))
            apart[rows] = _mean_distances(vectors[rows], chosen)
            members.append(rows)
    least = LEAST_SHARE * float(np.median(apart[apart > 0])) if (apart > 0).any() else 1.0
    np.maximum(apart, least, out=apart)
    for rows in members:
        apart[rows] /= np.median(apart[rows])
    return apart


def _mean_distances(members: Vectors, chosen: Any) -> Numbers:
    """Mean distance of each member of a class to the nearest of those chosen, itself left out: float64 [m]."""
    faiss = load_faiss()

    members = members - members.mean(axis=0)
    k = min(NEAREST, len(chosen) - 1)
    squared, found = faiss.knn(members, np.ascontiguousarray(members[chosen]), k + 1)
    is_own = chosen[found] == np.arange(len(members))[:, None]
    is_own[~is_own.any(axis=1), -1] = True
    others = squared[~is_own].reshape(-1, k)
    return np.asarray(np.sqrt(np.maximum(others, 0)).mean(axis=1), np.float64)
