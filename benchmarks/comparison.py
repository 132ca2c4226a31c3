"""Two sets compared: the level of the test where there is no difference, its power where there is, and its cost.

Null: SPLITS pairs of sets without a difference, of heavy-tailed vectors (Student's t with 2 degrees of freedom), of 50
tight clusters and of real ones (held-out digits of the demo's model), by halves and one to four; then with copies: of
the real ones a third of each half is in the other too, and every row of A is there twice, counted once and counted
twice. Told are the share of p-values up to .05 and a Kolmogorov-Smirnov test against the uniform distribution; with
copies in both sets the p-value may be too large, never too small. Beside it, how often the interval of the AUC holds
.5.

Power: the share of PAIRS pairs that are called different at .05, for three differences of rising strength; of the test,
of its parts alone, and of the same MMD with as many random Fourier features as there are landmarks.

Large: 100,000 rows beside 100,000 of 128 dims in part files, 1 % of B in a cluster of its own, with labels, output and
page; a fresh process with its seconds and its peak memory.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.hardware import peak_mib

SPLITS, PAIRS, RELABELLINGS = 200, 100, 199
LEVEL = 0.05
DIMS = 128
LARGE_ROWS, LARGE_CLUSTERS = 100_000, 300

Vectors = npt.NDArray[np.float32]
Pair = tuple[Vectors, Vectors]


def run() -> dict[str, Any]:
    found: dict[str, Any] = {"null": {}, "power": {}}
    for name, (draw, every_row) in NULLS.items():
        found["null"][name] = _shown(name, null(draw, every_row=every_row))
    for name, (difference, strengths) in DIFFERENCES.items():
        found["power"][name] = {
            str(strength): _shown(f"{name} {strength}", power(difference, strength)) for strength in strengths
        }
    with tempfile.TemporaryDirectory() as folder:
        write_large(Path(folder))
        command = [sys.executable, "-m", "benchmarks.comparison", folder]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found["large"] = _shown("large", json.loads(done.stdout))
    return found


def _shown(name: str, found: dict[str, Any]) -> dict[str, Any]:
    print(f"{name}: {found}", file=sys.stderr, flush=True)
    return found


def heavy_tailed(rng: np.random.Generator, rows: int) -> Vectors:
    return rng.standard_t(2, (rows, DIMS)).astype(np.float32)


_CENTRES = np.random.default_rng(9).standard_normal((51, DIMS)).astype(np.float32)
_WEIGHTS = np.random.default_rng(3).dirichlet(np.full(50, 2.0))


def clustered(rng: np.random.Generator, rows: int) -> Vectors:
    """Of 50 clusters; the 51st is kept for what is foreign."""
    return _around(_CENTRES[rng.choice(50, rows, p=_WEIGHTS)], rng)


def _around(centres: Vectors, rng: np.random.Generator) -> Vectors:
    return centres + np.float32(0.4) * rng.standard_normal(centres.shape).astype(np.float32)


def digits() -> tuple[Vectors, npt.NDArray[np.str_]]:
    from benchmarks.sets.real_vectors import real_vectors
    from rows.vectors.table import VectorTable

    table = VectorTable.open(real_vectors("digits"))
    return table.matrix, np.array(table.column("label").to_pylist())


def _halves_of_digits(rng: np.random.Generator) -> Pair:
    vectors, _ = digits()
    shuffled = rng.permutation(len(vectors))
    return vectors[shuffled[:500]], vectors[shuffled[500:]]


def _with_copies_between(rng: np.random.Generator) -> Pair:
    a, b = _halves_of_digits(rng)
    return np.concatenate([a, b[:250]]), np.concatenate([b, a[:250]])


def _with_rows_twice(rng: np.random.Generator) -> Pair:
    a, b = _halves_of_digits(rng)
    return np.concatenate([a, a]), b


NULLS: dict[str, tuple[Callable[[np.random.Generator], Pair], bool]] = {
    "heavy-tailed": (lambda rng: (heavy_tailed(rng, 300), heavy_tailed(rng, 300)), False),
    "heavy-tailed, 1 to 4": (lambda rng: (heavy_tailed(rng, 120), heavy_tailed(rng, 480)), False),
    "clustered": (lambda rng: (clustered(rng, 300), clustered(rng, 300)), False),
    "digits": (_halves_of_digits, False),
    "digits, a third of each in both": (_with_copies_between, False),
    "digits, A twice": (_with_rows_twice, False),
    "digits, A twice, every row counted": (_with_rows_twice, True),
}
"""{name: (what draws a pair of sets without a difference, whether copies count)}."""


def _shifted(rng: np.random.Generator, strength: float) -> Pair:
    """Normal vectors, moved by so many deviations along one axis."""
    a, b = (rng.standard_normal((500, DIMS)).astype(np.float32) for _ in range(2))
    b[:, 0] += np.float32(strength)
    return a, b


def _missing(rng: np.random.Generator, strength: float) -> Pair:
    """Digits; of the threes, such a share is missing in B."""
    vectors, labels = digits()
    shuffled = rng.permutation(len(vectors))
    a, b = shuffled[:500], shuffled[500:]
    return vectors[a], vectors[b[(labels[b] != "3") | (rng.random(len(b)) >= strength)]]


def _foreign(rng: np.random.Generator, strength: float) -> Pair:
    """50 clusters; such a share of B is of a 51st."""
    a, b = clustered(rng, 1000), clustered(rng, 1000)
    count = round(strength * len(b))
    b[:count] = _around(np.repeat(_CENTRES[50:], count, axis=0), rng)
    return a, b


DIFFERENCES: dict[str, tuple[Callable[[np.random.Generator, float], Pair], tuple[float, ...]]] = {
    "mean shift": (_shifted, (0.2, 0.3, 0.4, 0.6)),
    "missing class": (_missing, (0.25, 0.5, 0.75, 1.0)),
    "foreign share": (_foreign, (0.005, 0.01, 0.02, 0.05)),
}
"""{name: (what draws a pair, strengths)}."""


def null(draw: Callable[[np.random.Generator], Pair], *, every_row: bool) -> dict[str, Any]:
    from scipy.stats import kstest

    p_values, held = [], 0
    for number in range(SPLITS):
        found = _compared(*draw(np.random.default_rng([7, number])), seed=number, every_row=every_row)
        p_values.append(found["p"])
        held += found["auc_low"] <= 0.5 <= found["auc_high"]
    test = kstest(p_values, "uniform")
    return {
        "splits": SPLITS,
        "up_to_.05": float(np.mean(np.array(p_values) <= LEVEL)),
        "mean": round(float(np.mean(p_values)), 3),
        "ks": round(float(test.statistic), 3),
        "ks_p": round(float(test.pvalue), 3),
        "auc_interval_holds_.5": held / SPLITS,
    }


def power(difference: Callable[[np.random.Generator, float], Pair], strength: float) -> dict[str, Any]:
    called: dict[str, list[bool]] = {}
    for number in range(PAIRS):
        found = _compared(*difference(np.random.default_rng([8, number]), strength), seed=number, classify=False)
        for name in ("p", "mmd 1", "regions", "random features"):
            called.setdefault(name, []).append(found[name] <= LEVEL)
    return {name: round(float(np.mean(values)), 2) for name, values in called.items()} | {"pairs": PAIRS}


def _compared(a: Vectors, b: Vectors, *, seed: int, every_row: bool = False, classify: bool = True) -> dict[str, float]:
    """p-values of one pair, and the interval of the AUC."""
    from analysis.datasets.comparison.difference_test import difference_test
    from analysis.datasets.comparison.domain_classifier import classify_domains
    from analysis.datasets.comparison.landmarks import landmarks_of
    from analysis.datasets.comparison.regions import find_regions
    from analysis.datasets.comparison.two_sets import join_sets
    from rows.vectors.table import VectorTable

    tables = (VectorTable.from_arrays(vectors) for vectors in (a, b))
    sets = join_sets(*tables, distance="euclidean", every_row=every_row)
    landmarks = landmarks_of(sets, seed=seed)
    test = difference_test(
        sets.unit_vectors,
        sets.in_a,
        sets.in_b,
        landmarks=landmarks,
        regions=find_regions(sets, None, seed=seed).of_units,
        count=RELABELLINGS,
        rng=np.random.default_rng([seed, 1]),
    )
    found = {"p": test.p_value, **test.p_values}
    if not classify:
        vectors = sets.unit_vectors(slice(None))
        found["random features"] = _by_random_features(vectors, sets.in_a, sets.in_b, landmarks.bandwidth, seed)
        return found
    classifier = classify_domains(
        sets.unit_vectors,
        sets.in_a,
        sets.in_b,
        sets.groups,
        landmarks=landmarks,
        confidence=0.95,
        rng=np.random.default_rng([seed, 2]),
    )
    assert classifier is not None
    return found | {"auc_low": classifier.auc_low, "auc_high": classifier.auc_high}


def _by_random_features(
    vectors: Vectors, in_a: npt.NDArray[np.bool_], in_b: npt.NDArray[np.bool_], bandwidth: float, seed: int
) -> float:
    """MMD with one median as the bandwidth, by 256 frequencies (Rahimi, Recht 2007), which are 512 features."""
    from analysis.datasets.comparison.landmarks import LANDMARKS
    from analysis.datasets.comparison.relabellings import relabelled_weights

    rng = np.random.default_rng([seed, 3])
    frequencies = rng.standard_normal((vectors.shape[1], LANDMARKS // 2)) / bandwidth
    phases = vectors @ frequencies
    features = np.concatenate([np.cos(phases), np.sin(phases)], axis=1)
    means = sum(weights @ features[block] for block, weights in relabelled_weights(in_a, in_b, RELABELLINGS, rng))
    statistics = np.square(means).sum(axis=1)
    return float((statistics >= statistics[0]).mean())


def write_large(folder: Path) -> None:
    """`a` and `b` as scoring writes them: id, label, embedding; euclidean distance."""
    import pyarrow as pa

    from rows.vectors.lineage import Lineage
    from rows.vectors.parts import write_part
    from rows.vectors.schema import vector_array

    rng = np.random.default_rng(0)
    lineage = Lineage(artifact="mixture", version=1, digest="", space="mixture", distance="euclidean", normalized=False)
    centres = rng.standard_normal((LARGE_CLUSTERS + 1, DIMS)).astype(np.float32)
    for name, foreign in (("a", 0), ("b", LARGE_ROWS // 100)):
        clusters = rng.integers(0, LARGE_CLUSTERS, LARGE_ROWS)
        clusters[:foreign] = LARGE_CLUSTERS
        columns = {
            "id": [f"{name}/{row}" for row in range(LARGE_ROWS)],
            "label": (clusters % 20).astype(str),
            "embedding": vector_array(_around(centres[clusters], rng)),
        }
        part = pa.table(columns).replace_schema_metadata(lineage.to_metadata())
        write_part(folder / name / "part-00000.parquet", part)


def large(folder: Path) -> dict[str, Any]:
    from analysis.datasets.comparison.comparing import compare_tables
    from analysis.datasets.comparison.rows_of_both import write_rows
    from rows.vectors.table import VectorTable

    a, b = (VectorTable.open(folder / name) for name in "ab")
    found = compare_tables(a, b, label="label")
    write_rows(a, b, found, folder / "rows.parquet")
    first = found.regions[0]
    assert found.classifier is not None
    return {
        "p_value": found.test.p_value,
        "auc": round(found.classifier.auc, 4),
        "first_region": {"share_a": first.share_a, "share_b": first.share_b, "p_value": first.p_value},
    }


def main(arguments: list[str]) -> None:
    started = time.perf_counter()
    found = large(Path(arguments[0]))
    seconds = round(time.perf_counter() - started, 1)
    print(
        json.dumps({"rows": 2 * LARGE_ROWS, "dims": DIMS, "seconds": seconds, "peak_mib": round(peak_mib()), **found})
    )


if __name__ == "__main__":
    main(sys.argv[1:])
