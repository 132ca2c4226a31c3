"""Search, index, clusters and evaluation of large tables of vectors.

Flat: 100,000 vectors of 128 dims, 1,000 queries, k = 10, our search beside bare faiss in interleaved rounds of one
process. Both keep their vectors in memory; ours computes the distances again and looks up the rows.

Large: a million vectors of 128 dims from a mixture of 10,000 equal Gaussians in part files, as scoring writes them. The
centres are standard normal. "Spread" is the distance of a point from its centre (root mean square) over that of two
centres from each other (root mean square, 16): the deviation of a Gaussian along each axis is spread x sqrt(2).
Index, search, clustering and evaluation are each a fresh process, with its seconds and its peak memory (that of search
is the exact search's, which holds everything). Recall is that of the saved index on 1,000 further points of the
mixture, against exact search of all vectors.

    python -m benchmarks.search DIR      writes the mixture's parts to DIR, and no more
"""

from __future__ import annotations

import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.hardware import peak_mib

NUM_ROWS, DIMS = 1_000_000, 128
NUM_GAUSSIANS, SPREAD = 10_000, 0.3
ROWS_PER_PART = 50_000
NUM_QUERIES, K = 1_000, 10
FLAT_ROWS = 100_000
NUM_CLUSTERS = 100
ROUNDS = 9

Vectors = npt.NDArray[np.float32]


def run() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        vectors, index = Path(folder, "vectors"), Path(folder, "mixture.index")
        write_mixture(vectors)
        large: dict[str, Any] = {"rows": NUM_ROWS, "dims": DIMS, "gaussians": NUM_GAUSSIANS, "spread": SPREAD}
        for name, arguments in {
            "index": [str(vectors), str(index)],
            "search": [str(vectors), str(index)],
            "cluster": [str(vectors), str(Path(folder, "clusters.parquet"))],
            "evaluate": [str(vectors)],
        }.items():
            command = [sys.executable, "-m", "benchmarks.search", name, *arguments]
            large[name] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            print(f"{name}: {large[name]}", file=sys.stderr, flush=True)
    return {"flat": {distance: flat_beside_faiss(distance) for distance in ("euclidean", "cosine")}, "large": large}


def mixture(num_rows: int, *, seed: int) -> Iterator[tuple[Vectors, npt.NDArray[np.int64]]]:
    """Points of the mixture and the number of their Gaussian, ROWS_PER_PART at a time; `seed` draws the points only."""
    centres = np.random.default_rng(0).standard_normal((NUM_GAUSSIANS, DIMS), np.float32)
    rng = np.random.default_rng([1, seed])
    for first in range(0, num_rows, ROWS_PER_PART):
        gaussians = rng.integers(0, NUM_GAUSSIANS, min(ROWS_PER_PART, num_rows - first))
        noise = rng.standard_normal((len(gaussians), DIMS), np.float32)
        yield centres[gaussians] + np.float32(SPREAD * math.sqrt(2)) * noise, gaussians


def write_mixture(folder: Path, *, num_rows: int = NUM_ROWS) -> None:
    """The mixture as a scoring job's output: id, label, embedding; euclidean distance."""
    import pyarrow as pa

    from rows.vectors.lineage import Lineage
    from rows.vectors.parts import write_part
    from rows.vectors.schema import vector_array

    lineage = Lineage(artifact="mixture", version=1, digest="", space="mixture", distance="euclidean", normalized=False)
    for number, (vectors, gaussians) in enumerate(mixture(num_rows, seed=0)):
        ids = [f"{number}/{row}" for row in range(len(vectors))]
        part = pa.table({"id": ids, "label": gaussians, "embedding": vector_array(vectors)})
        write_part(folder / f"part-{number:05d}.parquet", part.replace_schema_metadata(lineage.to_metadata()))


def flat_beside_faiss(distance: str) -> dict[str, Any]:
    """Queries a second of both, and the ratio: the median of each round's."""
    import faiss

    from analysis.search.index import Index
    from rows.vectors.table import VectorTable

    vectors = np.concatenate([found for found, _ in mixture(FLAT_ROWS, seed=0)])
    queries = next(mixture(NUM_QUERIES, seed=1))[0]
    ids = [str(row) for row in range(FLAT_ROWS)]
    ours = Index.build(VectorTable.from_arrays(vectors, {"id": ids}), distance=distance, kind="flat")
    if distance == "cosine":
        vectors, queries = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (vectors, queries))
    bare = faiss.IndexFlatIP(DIMS) if distance == "cosine" else faiss.IndexFlatL2(DIMS)
    bare.add(vectors)
    cases: dict[str, Callable[[], Any]] = {
        "faiss": lambda: bare.search(queries, K),
        "search_table": lambda: ours.search_table(queries, K),
        "search": lambda: ours.search(queries, K),
    }
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(ROUNDS + 1):
        for name, case in cases.items():
            started = time.perf_counter()
            case()
            seconds[name].append(time.perf_counter() - started)
    found = np.array(ours.search_table(queries, K)["id"].to_pylist(), np.int64).reshape(-1, K)
    result: dict[str, Any] = {
        f"{name}_queries_per_s": round(NUM_QUERIES / statistics.median(values[1:])) for name, values in seconds.items()
    }
    for name in ("search_table", "search"):
        ratios = [theirs / mine for theirs, mine in zip(seconds["faiss"], seconds[name], strict=True)]
        result[f"{name}_ratio"] = round(statistics.median(ratios[1:]), 3)
    return result | {"same_rows": float((found == bare.search(queries, K)[1]).mean())}


def index(folder: str, file: str) -> dict[str, Any]:
    from analysis.search.index import Index

    built = Index.build(folder)
    built.save(file)
    return {"kind": built.kind, **built.parameters}


def search(folder: str, file: str) -> dict[str, Any]:
    """Recall on points that the index never saw, and queries a second of ours and of plain faiss with the same file."""
    import faiss

    from analysis.search.index import Index
    from rows.vectors.table import VectorTable

    queries = next(mixture(NUM_QUERIES, seed=1))[0]
    opened, plain = Index.open(file), faiss.read_index(file)
    seconds: dict[str, list[float]] = {"faiss": [], "search_table": []}
    for _ in range(ROUNDS + 1):
        for name, case in (("faiss", plain.search), ("search_table", opened.search_table)):
            started = time.perf_counter()
            case(queries, K)
            seconds[name].append(time.perf_counter() - started)
    vectors = VectorTable.open(folder).matrix
    rows = {name: row for row, name in enumerate(VectorTable.open(folder).ids)}
    started = time.perf_counter()
    _, true = faiss.knn(queries, np.ascontiguousarray(vectors), K)
    exact_s = time.perf_counter() - started
    found = np.array([rows[name] for name in opened.search_table(queries, K)["id"].to_pylist()]).reshape(-1, K)
    right = sum(len(set(a) & set(b)) for a, b in zip(found.tolist(), true.tolist(), strict=True))
    return {
        "held_out_queries": NUM_QUERIES,
        "recall@10": right / true.size,
        "exact_queries_per_s": round(NUM_QUERIES / exact_s),
        **{f"{name}_queries_per_s": round(NUM_QUERIES / statistics.median(x[1:])) for name, x in seconds.items()},
    }


def cluster(folder: str, file: str) -> dict[str, Any]:
    from analysis.clusters.table_clusters import cluster_table

    found = cluster_table(folder, NUM_CLUSTERS, file)
    facts = ("training_rows", "silhouette_rows", "silhouette", "inertia")
    return {"clusters": NUM_CLUSTERS, **{name: getattr(found, name) for name in facts}}


def evaluate(folder: str) -> dict[str, Any]:
    from analysis.evaluation.labelled_tables import evaluate as measure

    found = measure(folder, "label")
    return {name: found[name] for name in ("queries", "queries_from", "recall@1", "mAP@R")}


CASES: dict[str, Callable[..., dict[str, Any]]] = {
    "index": index,
    "search": search,
    "cluster": cluster,
    "evaluate": evaluate,
}


def main(arguments: list[str]) -> None:
    if arguments[0] not in CASES:
        write_mixture(Path(arguments[0]))
        return
    started = time.perf_counter()
    found = CASES[arguments[0]](*arguments[1:])
    seconds = round(time.perf_counter() - started, 1)
    peak = round(peak_mib())
    print(json.dumps({"seconds": seconds, "peak_mib": peak, **found}))


if __name__ == "__main__":
    main(sys.argv[1:])
