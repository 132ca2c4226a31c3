"""Queries that lead away from something: how far beyond the mean they should lie (analysis/search/combined.py).

Real vectors that their models never saw. Two pictures, one of class a and one of class b, are a query that leads away
from another picture of b ("a + b - b"), and one picture of a is a query that leads away from one of b ("a - b"). The
figure is the share of class a among the nearest, as many as a class has others, 10 at most, the pictures asked for left
out; "a alone" is one picture of a by itself. 500 queries each.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.sets.real_vectors import SETS, real_vectors

WEIGHTS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)
NUM_QUERIES = 500


def run() -> dict[str, Any]:
    return {name: measure(name) for name in SETS}


def measure(name: str) -> dict[str, Any]:
    from analysis.neighbours.nearest import prepare
    from rows.vectors.lineage import table_distance
    from rows.vectors.table import VectorTable

    table = VectorTable.open(real_vectors(name))
    distance = table_distance(table.lineage, None, where=table.source)
    labels = np.array([str(label) for label in table.column("label").to_pylist()])
    vectors = prepare(table.matrix, distance, np.zeros(table.dim, np.float32))
    sizes = {label: int((labels == label).sum()) for label in np.unique(labels)}
    classes = [label for label, size in sizes.items() if size >= 3]
    k = min(10, int(np.median([sizes[label] for label in classes])) - 1)
    rng = np.random.default_rng(0)
    picked = []
    for _ in range(NUM_QUERIES):
        one, other = rng.choice(classes, 2, replace=False)
        picked.append([
            int(rng.choice(np.flatnonzero(labels == one))), *rng.choice(np.flatnonzero(labels == other), 2, False)
        ])  # fmt: skip
    rows = np.array(picked, np.int64)
    found: dict[str, Any] = {"rows": table.num_rows, "distance": distance, "k": k}
    cases = {"a + b - b": (rows[:, :2], rows[:, 2:]), "a - b": (rows[:, :1], rows[:, 2:])}
    for case, (towards, away) in cases.items():
        shares = {}
        for weight in WEIGHTS:
            p, m = vectors[towards].mean(axis=1), vectors[away].mean(axis=1)
            shares[str(weight)] = _share(p + np.float32(weight) * (p - m), rows, vectors, labels, k, distance)
        found[case] = shares
    found["a alone"] = _share(vectors[rows[:, 0]], rows, vectors, labels, k, distance)
    return found


def _share(queries: Any, asked: Any, vectors: Any, labels: Any, k: int, distance: str) -> float:
    from analysis.neighbours.nearest import nearest

    _, found = nearest(vectors, np.ascontiguousarray(queries, np.float32), k + asked.shape[1], distance=distance)
    shares = []
    for near, rows in zip(found, asked, strict=True):
        others = [row for row in near if row not in rows][:k]
        shares.append(float((labels[others] == labels[rows[0]]).mean()))
    return round(float(np.mean(shares)), 3)
