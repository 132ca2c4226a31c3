"""Label errors: flipped labels found, beside cleanlab on the same vectors; and a million rows.

Flipped: five in a hundred labels of three sets of real vectors, in SEEDS trials, to any other class ("uniform") or to
one of the three whose centres are nearest ("similar"). Precision is the share of flipped labels among as many first
rows of the ranking as were flipped. cleanlab runs in an environment of its own (benchmarks/cleanlab), with
probabilities of three models and two of its scores; the best model by its default score, and the best of all six
rankings, stand beside ours. Real errors that a set has itself count against all alike.

Large: a million vectors of 128 dims from the mixture of benchmarks/search.py, with a class for each Gaussian (10,000)
and with 100 classes of 100 Gaussians each, five in a hundred labels flipped, in a fresh process each.
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

SETS = ("digits", "emoji", "photographs")
KINDS = ("uniform", "similar")
SEEDS = 5
SHARE = 0.05
ALIKE = 3
DEFAULT_SCORE = "self_confidence"
NUM_ROWS = 1_000_000
GROUPS = {"10,000 classes": 10_000, "100 classes": 100}

_PEER = Path(__file__).parent / "cleanlab"
_ENVIRONMENT = Path("build/benchmark-cleanlab")

Codes = npt.NDArray[np.int64]


def run() -> dict[str, Any]:
    peer = _cleanlab_python()
    found: dict[str, Any] = {"precision": {name: precision(name, peer) for name in SETS}, "large": {}}
    for name, num_classes in GROUPS.items():
        command = [sys.executable, "-m", "benchmarks.label_errors", str(NUM_ROWS), str(num_classes)]
        found["large"][name] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        print(name, found["large"][name], file=sys.stderr, flush=True)
    return found


def precision(name: str, peer: str) -> dict[str, Any]:
    """Ours and cleanlab's, of each kind of flips: means over the trials."""
    from analysis.datasets.label_errors import find_label_errors
    from benchmarks.sets.real_vectors import real_vectors
    from rows.vectors.table import VectorTable

    table = VectorTable.open(real_vectors(name))
    assert table.lineage is not None
    true = np.unique(table.column("label").to_pylist(), return_inverse=True)[1]
    result: dict[str, Any] = {"rows": len(true), "classes": int(true.max()) + 1, "flipped": round(SHARE * len(true))}
    for kind in KINDS:
        trials = np.stack([flipped(table.matrix, true, kind, seed) for seed in range(SEEDS)])
        ours: dict[str, list[float]] = {"precision": [], "right_class": [], "suspected": [], "by_planted": []}
        for labels in trials:
            trial = VectorTable.from_arrays(table.matrix, {"label": labels})
            errors = find_label_errors(trial, "label", distance=table.lineage.distance)
            first = errors.rows[: result["flipped"]]
            proposed = np.array(errors.classes)[errors.proposed[: len(first)]]
            hits = labels[first] != true[first]
            ours["precision"].append(float(hits.mean()))
            ours["right_class"].append(float((proposed == true[first])[hits].mean()))
            ours["suspected"].append(float(errors.suspected.sum()))
            ours["by_planted"].append(np.nan if errors.by_planted is None else errors.by_planted)
        theirs = cleanlab_precision(table.matrix, trials, true, peer)
        result[kind] = {
            **{key: round(float(np.mean(values)), 3) for key, values in ours.items()},
            "precision_lowest": round(min(ours["precision"]), 3),
            "cleanlab_default": max(value for key, value in theirs.items() if key.endswith(DEFAULT_SCORE)),
            "cleanlab_best": max(theirs.values()),
            "cleanlab": theirs,
        }
        print(name, kind, result[kind], file=sys.stderr, flush=True)
    return result


def flipped(vectors: npt.NDArray[np.float32], true: Codes, kind: str, seed: int) -> Codes:
    """Labels of which SHARE are wrong."""
    rng = np.random.default_rng([9, seed])
    num_classes = int(true.max()) + 1
    rows = rng.choice(len(true), round(SHARE * len(true)), replace=False)
    labels = true.copy()
    if kind == "uniform":
        labels[rows] = (true[rows] + rng.integers(1, num_classes, len(rows))) % num_classes
        return labels
    centres = np.stack([vectors[true == code].mean(axis=0, dtype=np.float64) for code in range(num_classes)])
    apart = np.square(centres[:, None] - centres[None]).sum(axis=-1)
    np.fill_diagonal(apart, np.inf)
    nearest = np.argsort(apart, axis=1)[:, : min(ALIKE, num_classes - 1)]
    labels[rows] = nearest[true[rows], rng.integers(0, nearest.shape[1], len(rows))]
    return labels


def cleanlab_precision(vectors: npt.NDArray[np.float32], trials: Codes, true: Codes, peer: str) -> dict[str, float]:
    """{"MODEL, SCORE": mean precision}."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "in.npz"), Path(folder, "out.npz")
        np.savez(source, vectors=vectors, labels=trials)
        subprocess.run([peer, _PEER / "ranking.py", source, target], check=True, timeout=1800)
        found: dict[str, float] = {}
        with np.load(target) as rankings:
            for name in rankings.files:
                wrong = [labels[order] != true[order] for labels, order in zip(trials, rankings[name], strict=True)]
                found[name] = round(float(np.mean([each[: each.sum()].mean() for each in wrong])), 3)
    return found


def _cleanlab_python() -> str:
    """The Python of cleanlab's own environment, built from cleanlab/requirements.txt where it is not there."""
    done, wanted = _ENVIRONMENT / "requirements.txt", (_PEER / "requirements.txt").read_text()
    if not done.is_file() or done.read_text() != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--clear", _ENVIRONMENT], check=True)
        command = [_ENVIRONMENT / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*command, "-r", _PEER / "requirements.txt"], check=True, timeout=900)
        done.write_text(wanted)
    return str(_ENVIRONMENT / "bin" / "python")


def large(num_rows: int, num_classes: int) -> dict[str, Any]:
    """Seconds and peak memory of the whole analysis of the mixture, and its precision."""
    import pyarrow as pa

    from analysis.datasets.label_errors import find_label_errors, write_label_errors
    from benchmarks.search import mixture
    from rows.vectors.parts import write_part
    from rows.vectors.schema import vector_array
    from rows.vectors.table import VectorTable

    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        wrong = []
        for number, (vectors, gaussians) in enumerate(mixture(num_rows, seed=0)):
            true = gaussians % num_classes
            is_wrong = rng.random(len(true)) < SHARE
            labels = np.where(is_wrong, (true + rng.integers(1, num_classes, len(true))) % num_classes, true)
            wrong.append(is_wrong)
            ids = [f"{number}/{row}" for row in range(len(true))]
            part = pa.table({"id": ids, "label": labels, "embedding": vector_array(vectors)})
            write_part(Path(folder, f"part-{number:05d}.parquet"), part)
        started = time.perf_counter()
        table = VectorTable.open(folder)
        errors = find_label_errors(table, "label", distance="euclidean")
        write_label_errors(table, "label", errors, Path(folder, "ranked.parquet"))
        seconds = time.perf_counter() - started
    is_wrong = np.concatenate(wrong)
    return {
        "rows": num_rows,
        "classes": num_classes,
        "seconds": round(seconds, 1),
        "peak_mib": round(peak_mib()),
        "flipped": int(is_wrong.sum()),
        "precision": round(float(is_wrong[errors.rows[: is_wrong.sum()]].mean()), 4),
        "suspected": int(errors.suspected.sum()),
        "neighbour_recall": errors.neighbour_recall,
    }


if __name__ == "__main__":
    print(json.dumps(large(*map(int, sys.argv[1:]))))
