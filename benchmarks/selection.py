"""What to label next: accuracy by how many pictures are labelled, beside pictures drawn at random; and a million rows.

Curves: of three sets of real vectors half is the pool, half is held out, anew in each of SEEDS trials. As many of the
pool are labelled as the budget says, chosen by each method or at random, and each held-out picture gets the label of
its nearest labelled one. Means over the trials, with what a method gains on random in the same trial and the 95 %
interval of that (a t interval of the trials' differences). "two steps": half of the budget, then the other half given
the first.

Large: 1,000 of a million vectors of the mixture of benchmarks/search.py by each method, in a fresh process.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.hardware import peak_mib

BUDGETS = {"digits": (10, 20, 40, 80), "emoji": (100, 200, 400, 800), "photographs": (50, 100, 200, 400)}
SEEDS = 10
T_95 = 2.262
"""Of nine degrees of freedom: SEEDS - 1."""
LARGE_ROWS, LARGE_COUNT = 1_000_000, 1_000

Rows = npt.NDArray[np.int64]


def run() -> dict[str, Any]:
    from analysis.datasets.selection import METHODS

    found: dict[str, Any] = {"curves": {name: curves(name) for name in BUDGETS}, "large": {}}
    with tempfile.TemporaryDirectory() as folder:
        from benchmarks.search import write_mixture

        write_mixture(Path(folder), num_rows=LARGE_ROWS)
        for method in METHODS:
            command = [sys.executable, "-m", "benchmarks.selection", folder, method]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            found["large"][method] = json.loads(done.stdout)
            print(method, found["large"][method], file=sys.stderr, flush=True)
    return found


def curves(name: str) -> dict[str, Any]:
    """{budget: {"random": accuracy, method: {"accuracy", "gain", "low", "high"}}} of one set."""
    from analysis.datasets.selection import METHODS
    from benchmarks.sets.real_vectors import real_vectors
    from rows.vectors.table import VectorTable

    table = VectorTable.open(real_vectors(name))
    assert table.lineage is not None
    vectors, distance = table.matrix, table.lineage.distance
    classes = np.unique(table.column("label").to_pylist(), return_inverse=True)[1]
    result: dict[str, Any] = {}
    for budget in BUDGETS[name]:
        accuracies: dict[str, list[float]] = {}
        for seed in range(SEEDS):
            rng = np.random.default_rng([7, seed])
            order = rng.permutation(len(classes))
            pool, held_out = order[: len(order) // 2], order[len(order) // 2 :]
            chosen: dict[str, Rows] = {"random": rng.choice(len(pool), budget, replace=False)}
            chosen |= {method: _select(vectors[pool], budget, distance, method=method) for method in METHODS}
            first = _select(vectors[pool], budget // 2, distance)
            chosen["two steps"] = _select(vectors[pool], budget - budget // 2, distance, known=first)
            for method, rows in chosen.items():
                labelled = pool[rows]
                accuracy = _accuracy(vectors, classes, labelled, held_out, distance)
                accuracies.setdefault(method, []).append(accuracy)
        result[str(budget)] = _beside_random(accuracies)
        print(name, budget, result[str(budget)], file=sys.stderr, flush=True)
    return result


def _select(
    vectors: npt.NDArray[np.float32],
    count: int,
    distance: str,
    *,
    method: str = "representative",
    known: Rows | None = None,
) -> Rows:
    """Rows chosen, the known ones among them."""
    from analysis.datasets.selection import select_rows
    from rows.vectors.table import VectorTable

    is_known = np.zeros(len(vectors), bool)
    is_known[known if known is not None else []] = True
    columns = {"label": ["x" if each else None for each in is_known.tolist()]}
    found = select_rows(
        VectorTable.from_arrays(vectors, columns), count, method=method, label="label", distance=distance
    )
    return np.concatenate([np.flatnonzero(is_known), found.rows])


def _accuracy(vectors: npt.NDArray[np.float32], classes: Rows, labelled: Rows, held_out: Rows, distance: str) -> float:
    from analysis.neighbours.nearest import nearest

    _, found = nearest(vectors[labelled], vectors[held_out], 1, distance=distance)
    return float((classes[labelled[found[:, 0]]] == classes[held_out]).mean())


def _beside_random(accuracies: dict[str, list[float]]) -> dict[str, Any]:
    random = np.array(accuracies.pop("random"))
    result: dict[str, Any] = {"random": round(float(random.mean()), 4)}
    for method, values in accuracies.items():
        gains = np.array(values) - random
        half = T_95 * gains.std(ddof=1) / math.sqrt(len(gains))
        result[method] = {
            "accuracy": round(float(np.mean(values)), 4),
            "gain": round(float(gains.mean()), 4),
            "low": round(float(gains.mean() - half), 4),
            "high": round(float(gains.mean() + half), 4),
        }
    return result


def large(folder: str, method: str) -> dict[str, Any]:
    """Seconds and peak memory of choosing LARGE_COUNT, and how near all rows are then."""
    from analysis.datasets.selection import select_rows

    started = time.perf_counter()
    found = select_rows(folder, LARGE_COUNT, method=method)
    return {
        "seconds": round(time.perf_counter() - started, 1),
        "peak_mib": round(peak_mib()),
        "chosen": len(found.rows),
        "mean_distance": round(found.mean_distance, 4),
        "farthest": round(found.farthest, 4),
    }


if __name__ == "__main__":
    print(json.dumps(large(*sys.argv[1:])))
