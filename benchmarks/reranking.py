"""What k-reciprocal re-ranking gains, and what it costs: `evaluate --rerank` and `search --rerank`.

Every set is one of real vectors (benchmarks/sets/real_vectors.py), that the model never saw; each picture asks for the
others of its class. Seconds of evaluation are those of retrieval, without re-ranking and of re-ranking alone, in one
process. Search asks an index of nine tenths of the rows for the first 100 others, one query at a time. "large" is for
the cost alone: points of the mixture of benchmarks/search.py, their Gaussians as classes.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np

from analysis.evaluation.reranking import METRICS, reranked_retrieval
from analysis.measures.retrieval import retrieval_metrics
from analysis.search.index import Index
from analysis.search.reranked import RerankedSearch
from benchmarks.hardware import peak_mib
from benchmarks.search import mixture
from benchmarks.sets.real_vectors import SETS, real_vectors
from rows.vectors.table import VectorTable

NUM_SEARCHED = 100
LARGE_ROWS = 50_000
K = 10


def run(*, sets: tuple[str, ...] = tuple(SETS), large_rows: int = LARGE_ROWS) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in sets:
        table = VectorTable.open(real_vectors(name))
        found[name] = _evaluated(table) | {"search": _searched(table)}
        print(f"{name}: {found[name]}", file=sys.stderr, flush=True)
    if large_rows:
        vectors, gaussians = (np.concatenate(each) for each in zip(*mixture(large_rows, seed=0), strict=True))
        columns = {"id": [str(row) for row in range(large_rows)], "label": gaussians.tolist()}
        table = VectorTable.from_arrays(vectors, columns)
        found["large"] = _evaluated(table) | {"peak_mib": round(peak_mib()), "search": _searched(table)}
    return found


def _evaluated(table: VectorTable) -> dict[str, Any]:
    labels, distance = table.column("label").to_pylist(), _distance(table)
    started = time.perf_counter()
    plain = retrieval_metrics(table.matrix, labels, distance=distance, max_queries=None, seed=0)
    plain_s = time.perf_counter() - started
    started = time.perf_counter()
    again = reranked_retrieval(table.matrix, labels, plain, distance=distance, max_queries=None, seed=0)
    again_s = time.perf_counter() - started
    return {
        "rows": table.num_rows,
        "classes": len(set(labels)),
        "plain_s": round(plain_s, 2),
        "reranked_s": round(again_s, 2),
        **{name: [round(plain[name], 4), round(again[name], 4)] for name in METRICS},
    }


def _distance(table: VectorTable) -> str:
    return table.lineage.distance if table.lineage is not None else "euclidean"


def _searched(table: VectorTable) -> dict[str, Any]:
    is_query = np.arange(table.num_rows) % 10 == 0
    labels = np.array(table.column("label").to_pylist())
    rows = {"id": [str(row) for row in range(int((~is_query).sum()))], "label": labels[~is_query].tolist()}
    built = Index.build(VectorTable.from_arrays(table.matrix[~is_query], rows), distance=_distance(table))
    queries, asked = table.matrix[is_query][:NUM_SEARCHED], labels[is_query][:NUM_SEARCHED]
    facts: dict[str, Any] = {"rows": built.num_rows, "queries": len(queries)}
    for name, searched in (("plain", built), ("reranked", RerankedSearch(built))):
        started = time.perf_counter()
        found = [searched.search(query[None], K)[0] for query in queries]
        seconds = time.perf_counter() - started
        right = [[row["label"] == label for row in near] for near, label in zip(found, asked, strict=True)]
        facts[name] = {
            "ms_a_query": round(1000 * seconds / len(queries), 2),
            "P@1": round(float(np.mean([each[0] for each in right])), 4),
            "P@10": round(float(np.mean(right)), 4),
        }
    return facts
