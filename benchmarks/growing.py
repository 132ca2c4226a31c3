"""An index of a million vectors that grows, shrinks and is searched under conditions, beside one that is built anew.

The vectors are those of benchmarks/search.py. Each case is a process of its own, with its seconds and its peak memory:
an index of 900,000 rows is built, the other 100,000 are added, 50,000 are removed, and an index of the same 950,000 is
built anew. Searches under a condition answer 100 further points of the mixture, one block, with the recall@10 that was
found against exact search of the rows that meet it, and the time of the same search without a condition beside it:
"few", as one that is asked by itself, and "many", as a block of a million, for which the lists are measured first.
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

from benchmarks.hardware import peak_mib
from benchmarks.search import DIMS, NUM_ROWS, ROWS_PER_PART, K, mixture, write_mixture

ADDED_SHARE, REMOVED_SHARE = 0.1, 0.05
NUM_QUERIES = 100
CONDITIONS = {
    "1 of 1,000": "label < 10",
    "1 of 100": "label < 100",
    "1 of 10": "label < 1000",
    "1 of 2": "label < 5000",
    "1 of 2, no class whole": "id like '%0' or id like '%2' or id like '%4' or id like '%6' or id like '%8'",
}
"""Classes are the mixture's Gaussians: rows of some of them lie together, and other classes far from them."""


def run(*, num_rows: int = NUM_ROWS) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_mixture(folder / "all", num_rows=num_rows)
        parts = sorted((folder / "all").iterdir())
        for target, some in (("old", parts[: round(len(parts) * (1 - ADDED_SHARE))]), ("new", parts)):
            (folder / target).mkdir()
            for part in some:
                if target == "old" or part not in parts[: round(len(parts) * (1 - ADDED_SHARE))]:
                    (folder / target / part.name).symlink_to(part)
        gone = [f"0/{row}" for row in range(min(ROWS_PER_PART, round(num_rows * REMOVED_SHARE)))]
        (folder / "gone.txt").write_text("\n".join(gone))
        found: dict[str, Any] = {"rows": num_rows, "dims": DIMS}
        for case in CASES:
            command = [sys.executable, "-m", "benchmarks.growing", case, name]
            found[case] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            print(f"{case}: {found[case]}", file=sys.stderr, flush=True)
    return found


def build(folder: Path) -> dict[str, Any]:
    from analysis.search.index import Index

    built = Index.build(folder / "old", copy=["label"])
    built.save(folder / "index")
    return {"num_rows": built.num_rows, **built.parameters}


def add(folder: Path) -> dict[str, Any]:
    from analysis.search.growth import add_to_file
    from rows.vectors.table import VectorTable

    change = add_to_file(folder / "index", VectorTable.open(folder / "new"))
    return {"added": change.num_added, "trained_again": change.is_trained_again, **change.index.parameters}


def remove(folder: Path) -> dict[str, Any]:
    from analysis.search.growing_rows import read_ids
    from analysis.search.growth import remove_from_file

    change = remove_from_file(folder / "index", read_ids(folder / "gone.txt"))
    return {"removed": change.num_removed, "trained_again": change.is_trained_again, **change.index.parameters}


def build_anew(folder: Path) -> dict[str, Any]:
    """What adding and removing saved: an index of all rows."""
    from analysis.search.index import Index

    built = Index.build(folder / "all", copy=["label"])
    built.save(folder / "anew")
    return {"num_rows": built.num_rows, **built.parameters}


def conditions(folder: Path) -> dict[str, Any]:
    from analysis.neighbours.nearest import nearest
    from analysis.search.index import Index

    index = Index.open(folder / "index")
    queries = next(mixture(NUM_QUERIES, seed=1))[0]
    found: dict[str, Any] = {"without_s": _seconds(lambda: index.search_table(queries, K))}
    for name, condition in CONDITIONS.items():
        facts: dict[str, Any] = {}
        for asked, num_queries in (("few", 1), ("many", 1_000_000)):
            started = time.perf_counter()
            chosen = index.where(condition, num_queries=num_queries)
            facts[f"where_{asked}_s"] = round(time.perf_counter() - started, 3)
            facts[f"search_{asked}_s"] = _seconds(lambda chosen=chosen: chosen.search_table(queries, K))
        facts |= {"rows": chosen.num_rows, "kind": chosen.kind, "told_recall": chosen.recall}
        vectors = chosen.vectors_at(np.arange(chosen.num_rows))
        exact = nearest(vectors, queries, K, distance="euclidean")[0][:, -1:]
        answers = chosen.search_table(queries, K)["distance"].to_numpy().reshape(-1, K)
        facts["recall@10"] = float((answers <= exact * (1 + 1e-6)).mean())
        found[name] = facts
    return found


def _seconds(search: Any) -> float:
    """Of the second of two calls: the first brings pages of the file into memory."""
    search()
    started = time.perf_counter()
    search()
    return round(time.perf_counter() - started, 3)


CASES: dict[str, Any] = {
    "build": build,
    "add": add,
    "remove": remove,
    "build_anew": build_anew,
    "conditions": conditions,
}


def main(arguments: list[str]) -> None:
    started = time.perf_counter()
    found = CASES[arguments[0]](Path(arguments[1]))
    seconds = round(time.perf_counter() - started, 1)
    print(json.dumps({"seconds": seconds, "peak_mib": round(peak_mib()), **found}))


if __name__ == "__main__":
    main(sys.argv[1:])
