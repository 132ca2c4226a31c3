"""Indexes of codes beside those of whole vectors: bytes a row, memory, recall@10 and queries a second.

mixture: the million vectors of 128 dims of benchmarks/search.py, asked by 1,000 further points of it. real: vectors of
pictures by their trained models, every tenth row kept out and asked; and 200,000 rows that are made of the photographs'
by going from a row towards one of its five nearest, up to half the way: so many real pictures were not to be had.
Each kind is built in one process and asked in another, so the peak memory of a search is what it read, from files that
the system may drop ("anonymous_mib" is what it may not). Recall counts a row no further than the tenth nearest, as
exact search of all rows finds it.
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
import pyarrow as pa

from benchmarks.hardware import peak_mib
from benchmarks.search import NUM_ROWS, K, mixture, write_mixture
from benchmarks.sets.real_vectors import SETS, real_vectors
from rows.vectors.parts import write_part
from rows.vectors.schema import vector_array
from rows.vectors.table import VectorTable

KINDS = ("flat", "ivf", "int8", "rabitq")
MADE_ROWS = 200_000
NUM_QUERIES = 1_000


def run(*, num_rows: int = NUM_ROWS, sets: tuple[str, ...] = tuple(SETS), made_rows: int = MADE_ROWS) -> dict[str, Any]:
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_mixture(folder / "mixture" / "rows", num_rows=num_rows)
        _write(folder / "mixture" / "queries", next(mixture(NUM_QUERIES, seed=1))[0], None)
        for each in sets:
            table = VectorTable.open(real_vectors(each))
            _write_parted(folder / each, table.matrix, table)
        table = VectorTable.open(real_vectors("photographs"))
        _write_parted(folder / "photographs, made more", _made(table.matrix, made_rows), table)
        for data in ("mixture", *sets, "photographs, made more"):
            _exact(folder / data)
            found[data] = {kind: _measured(folder / data, kind) for kind in KINDS}
            found[data]["rows"] = VectorTable.open(folder / data / "rows").num_rows
    return found


def _measured(folder: Path, kind: str) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for case in ("build", "ask"):
        command = [sys.executable, "-m", "benchmarks.small_vectors", case, str(folder), kind]
        facts[case] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    print(f"{folder.name} {kind}: {facts}", file=sys.stderr, flush=True)
    return facts


def _write(folder: Path, vectors: Any, lineage: Any) -> None:
    ids = [str(row) for row in range(len(vectors))]
    part = pa.table({"id": ids, "embedding": vector_array(vectors)})
    write_part(folder / "part-00000.parquet", part.replace_schema_metadata(lineage and lineage.to_metadata()))


def _write_parted(folder: Path, vectors: Any, table: VectorTable) -> None:
    is_query = np.arange(len(vectors)) % 10 == 0
    _write(folder / "rows", vectors[~is_query], table.lineage)
    _write(folder / "queries", vectors[is_query][:NUM_QUERIES], table.lineage)


def _made(vectors: Any, num_rows: int) -> Any:
    from analysis.search.graph import neighbour_graph

    near = neighbour_graph(VectorTable.from_arrays(vectors), 5, distance="euclidean").rows
    rng = np.random.default_rng(0)
    start = rng.integers(0, len(vectors), num_rows)
    towards = vectors[near[start, rng.integers(0, near.shape[1], num_rows)]]
    return vectors[start] + np.float32(0.5) * rng.random((num_rows, 1), np.float32) * (towards - vectors[start])


def _distance(folder: Path) -> str:
    lineage = VectorTable.open(folder / "rows").lineage
    return lineage.distance if lineage is not None else "euclidean"


def _exact(folder: Path) -> None:
    """Write the distance of each query's tenth nearest row."""
    from analysis.neighbours.nearest import nearest

    rows, queries = (VectorTable.open(folder / name).matrix for name in ("rows", "queries"))
    np.save(folder / "tenth.npy", nearest(rows, queries, K, distance=_distance(folder))[0][:, -1])


def build(folder: Path, kind: str) -> dict[str, Any]:
    from analysis.search.index import Index

    built = Index.build(folder / "rows", kind=kind, copy=["id"])
    built.save(folder / kind)
    files = {each.name.removeprefix(kind) or "FILE": each.stat().st_size for each in folder.glob(f"{kind}*")}
    sizes = {("vectors" if "vectors" in name else name): size / built.num_rows for name, size in files.items()}
    return {**built.parameters, "file_bytes_a_row": {name: round(size, 1) for name, size in sizes.items()}}


def ask(folder: Path, kind: str) -> dict[str, Any]:
    from analysis.search.index import Index

    queries = VectorTable.open(folder / "queries").matrix
    tenth = np.load(folder / "tenth.npy")
    started = time.perf_counter()
    opened = Index.open(folder / kind)
    open_s = time.perf_counter() - started
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        found = opened.search_table(queries, K)
        seconds.append(time.perf_counter() - started)
    apart = np.asarray(found["distance"]).reshape(len(queries), -1)
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {
        "open_s": round(open_s, 2),
        "recall@10": round(float((apart <= tenth[:, None] * (1 + 1e-5) + 1e-6).mean()), 4),
        "queries_per_s": round(len(queries) / min(seconds[1:])),
        "anonymous_mib": int(status["RssAnon"].split()[0]) >> 10,
        "mapped_mib": int(status["RssFile"].split()[0]) >> 10,
    }


def main(arguments: list[str]) -> None:
    case, folder, kind = arguments
    started = time.perf_counter()
    found = {"build": build, "ask": ask}[case](Path(folder), kind)
    seconds = round(time.perf_counter() - started, 1)
    print(json.dumps({"seconds": seconds, "peak_mib": round(peak_mib()), **found}))


if __name__ == "__main__":
    main(sys.argv[1:])
