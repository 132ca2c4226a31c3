"""Outliers: foreign pictures put among those of three sets, ours beside scikit-learn's LOF and plain kNN distance.

Sets: vectors of pictures that the set's model never saw, and those that the same model gives for pictures of another
set: emoji among digits, photographs among emoji, digits among photographs; for the four other pairs too, on which
nothing was chosen. Of all rows 1, 2 or 5 % are foreign, drawn at random ("scattered") or one with those nearest to it
("clumped"), SEEDS times each. The figure is the area under the ROC curve.

The others have the k that is best for them in hindsight: LOF (novelty by its own rows), the distance to the k-th
nearest, and the mean distance to the k nearest, with k of KS, each on the same vectors under the model's distance.
`best_single` is that of the one of them with the best mean over all cases of a set; `best_of_case` that of whichever is
best in the case.

Large: the mixture of benchmarks/search.py, a million rows, in a process of its own.

    python -m benchmarks.outliers FOLDER      ranks one table, in this process
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.hardware import peak_mib
from benchmarks.search import DIMS, NUM_ROWS, write_mixture
from benchmarks.sets.real_vectors import foreign_vectors, real_vectors

PAIRS = (("digits", "emoji"), ("emoji", "photographs"), ("photographs", "digits"))
OTHER_PAIRS = (("digits", "photographs"), ("emoji", "digits"), ("photographs", "emoji"))
SHARES = (0.01, 0.02, 0.05)
SEEDS, FIRST_SEED = 5, 5000
KS = (5, 10, 20, 35, 50)

Vectors = npt.NDArray[np.float32]
Scores = npt.NDArray[np.floating]


def run() -> dict[str, Any]:
    sets = {}
    for ours, foreign in (*PAIRS, *OTHER_PAIRS):
        name = f"{ours} with {foreign}"
        sets[name] = injected(ours, foreign)
        print(f"{name}: {sets[name]}", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        write_mixture(Path(folder))
        command = [sys.executable, "-m", "benchmarks.outliers", folder]
        large = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return {"sets": sets, "large": {"rows": NUM_ROWS, "dims": DIMS, **large}}


def injected(ours: str, foreign: str) -> dict[str, Any]:
    """Mean AUROC of each case, and over all."""
    from sklearn.metrics import roc_auc_score

    from analysis.datasets.outliers import find_outliers
    from rows.vectors.table import VectorTable

    table, others = VectorTable.open(real_vectors(ours)), VectorTable.open(foreign_vectors(ours, foreign)).matrix
    assert table.lineage is not None
    distance = table.lineage.distance
    cases: dict[str, dict[str, float]] = {}
    for share in SHARES:
        for is_clumped in (False, True):
            found: dict[str, list[float]] = {}
            for seed in range(FIRST_SEED, FIRST_SEED + SEEDS):
                rng = np.random.default_rng(seed)
                vectors, is_foreign = inject(table.matrix, others, share, is_clumped, rng)
                scores = {"ours": find_outliers(VectorTable.from_arrays(vectors), distance=distance).scores}
                for name, values in {**scores, **peers(vectors, distance)}.items():
                    found.setdefault(name, []).append(float(roc_auc_score(is_foreign, values)))
            case = f"{share:.0%} {'clumped' if is_clumped else 'scattered'}"
            cases[case] = {name: float(np.mean(values)) for name, values in found.items()}
    names = [name for name in next(iter(cases.values())) if name != "ours"]
    means = {name: float(np.mean([case[name] for case in cases.values()])) for name in ("ours", *names)}
    single = max(names, key=means.__getitem__)
    return {
        "rows": table.num_rows,
        "ours": round(means["ours"], 4),
        "best_single": [single, round(means[single], 4)],
        "cases": {
            case: {
                "ours": round(values["ours"], 4),
                single: round(values[single], 4),
                "best_of_case": [best := max(names, key=values.__getitem__), round(values[best], 4)],
            }
            for case, values in cases.items()
        },
    }


def inject(
    ours: Vectors, foreign: Vectors, share: float, is_clumped: bool, rng: np.random.Generator
) -> tuple[Vectors, npt.NDArray[np.bool_]]:
    """Rows of both, and which are foreign."""
    count = min(len(foreign), max(3, round(share * len(ours) / (1 - share))))
    if is_clumped:
        apart = np.square(foreign - foreign[rng.integers(len(foreign))]).sum(axis=1)
        chosen = np.argsort(apart, kind="stable")[:count]
    else:
        chosen = rng.choice(len(foreign), count, replace=False)
    return np.concatenate([ours, foreign[chosen]]), np.arange(len(ours) + count) >= len(ours)


def peers(vectors: Vectors, distance: str) -> dict[str, Scores]:
    """Scores of LOF and of kNN distances at each k."""
    from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors

    if distance == "cosine":
        vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    near = NearestNeighbors(n_neighbors=max(KS)).fit(vectors).kneighbors()[0]
    found: dict[str, Scores] = {}
    for k in KS:
        found[f"distance to the {k}th"] = near[:, k - 1]
        found[f"mean distance to {k}"] = near[:, :k].mean(axis=1)
        found[f"LOF {k}"] = -LocalOutlierFactor(n_neighbors=k).fit(vectors).negative_outlier_factor_
    return found


def main(arguments: list[str]) -> None:
    from analysis.datasets.outliers import find_outliers

    started = time.perf_counter()
    found = find_outliers(arguments[0], label="label")
    facts = {"seconds": round(time.perf_counter() - started, 1), "peak_mib": round(peak_mib())}
    print(json.dumps({**facts, "compared_with": found.references}))


if __name__ == "__main__":
    main(sys.argv[1:])
