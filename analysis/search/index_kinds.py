"""Kinds of search index, each with its parameters chosen by the size of the table and built a batch of rows at a time.

flat: every vector is compared, so the answer is exact. Up to FLAT_VALUES numbers a query takes some ten milliseconds.
ivf: vectors lie in lists around the centres of a k-means, and a query looks into the nearest few lists (`nprobe`).
int8, rabitq: such lists of codes, with the vectors themselves in a file beside them: coded_kinds.py.

Decisions a reader would question:
- nprobe is not guessed but measured: the smallest whose recall@10, against exact search for a sample of the table's own
  rows (each left out of its own neighbours), reaches the target. Data without clusters just get a larger one.
- The lists of ivf hold whole vectors, no codes of them: so every distance that search gives is exact, and only which
  rows are found is approximate. A million vectors of 128 dims are 512 MiB, which is mapped from the file, not read.
- No hnsw: of 100,000 vectors of 128 dims one core built it in 37 s, and ivf in 4. What it answers faster afterwards
  does not pay for that at the sizes where a table is indexed, searched and scored again.
- Four times the root of the rows as lists: of 1M vectors around 10,000 centres one probe in 4,096 lists finds .974 of
  the nearest, one in 1,024 lists .858.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from analysis.measures.index_recall import ExactDistances
from analysis.neighbours.batches import checked_batches
from analysis.neighbours.faiss_library import load_faiss
from analysis.neighbours.nearest import centre_of, faiss_metric, flat_index, prepare
from analysis.neighbours.samples import sample_rows
from analysis.search.coded_kinds import build_int8, build_rabitq
from analysis.search.list_training import RECALL_DEPTH, RECALL_QUERIES, sampled_training, train_lists
from artifact.arrays import Indices, Vectors
from artifact.errors import UsageError
from rows.vectors.table import BATCH_BYTES, VectorTable

AUTO = "auto"
FLAT_VALUES = 1 << 25
"""Rows x dims up to which an index is flat: 262,144 rows of 128 dims."""


def build_flat(table: VectorTable, distance: str, *, recall: float, seed: int) -> tuple[Any, dict[str, Any]]:
    """An exact index, and {"recall@10": 1.0}."""
    index = flat_index(table.dim, distance)
    origin = np.zeros(table.dim, np.float32)
    for batch in checked_batches(table):
        index.add(prepare(batch.vectors, distance, origin))
    return index, {"recall@10": 1.0}


def build_ivf(table: VectorTable, distance: str, *, recall: float, seed: int) -> tuple[Any, dict[str, Any]]:
    """Inverted lists of whole vectors, deterministic by `seed`.

    Memory: the vectors once, a batch, and a sample to train on of _TRAINING_BYTES at most.

    Returns:
        The index, with nprobe set, and {"nlist", "nprobe", "recall@10" (measured), "recall_target",
        "recall_queries", "compared" (vectors that a query meets), "seed"}.
    """
    faiss = load_faiss()

    training = sampled_training(table, distance, seed)
    exact, num_lists = training.exact, training.num_lists
    quantizer = flat_index(table.dim, distance)
    index = faiss.IndexIVFFlat(quantizer, table.dim, num_lists, faiss_metric(distance))
    index.make_direct_map()  # kept while rows are added, and in the file: vectors are found by row
    train_lists(index, training.vectors, seed)
    del training  # its vectors, before the index fills
    origin = np.zeros(table.dim, np.float32)
    for batch in checked_batches(table):
        prepared = prepare(batch.vectors, distance, origin)
        index.add(prepared)
        exact.add(batch.first_row, prepared)
    return index, {"nlist": num_lists, **_measured(index, exact, recall, num_lists), "seed": seed}


def measure_ivf(
    index: Any,
    distance: str,
    *,
    recall: float,
    seed: int,
    asked: tuple[Vectors, Indices] | None = None,
    most_lists: int | None = None,
) -> dict[str, Any]:
    """Set the nprobe of inverted lists anew, after rows came, went, or were chosen; what `build_ivf` says of it.

    Args:
        index: with vectors that are found by row; read once, some at a time.
        asked: queries, float32 [Q, n] as the index holds vectors, and which row each of them is, int64 [Q], -1 for
            none; by default a sample of the rows.
        most_lists: no more are tried; then the recall may not be reached.
    """
    if asked is None:
        sample = sample_rows(index.ntotal, RECALL_QUERIES, np.random.default_rng(seed))
        asked = index.reconstruct_batch(sample), sample
    queries, rows = asked
    depth = min(RECALL_DEPTH, index.ntotal - 1)
    exact = ExactDistances(queries, rows, depth, distance=distance, centre=centre_of(queries, distance))
    size = max(1, BATCH_BYTES // (4 * index.d))
    for first in range(0, index.ntotal, size):
        exact.add(first, index.reconstruct_batch(np.arange(first, min(first + size, index.ntotal))))
    return _measured(index, exact, recall, most_lists or index.nlist)


def _measured(index: Any, exact: ExactDistances, recall: float, most_lists: int) -> dict[str, Any]:
    index.nprobe, found = _least_lists(index, exact, recall, most_lists)
    return {
        "nprobe": index.nprobe,
        "recall@10": found,
        "recall_target": recall,
        "recall_queries": len(exact.queries),
        "compared": compared(index, exact.queries),
    }


def compared(index: Any, queries: Vectors) -> int:
    """How many vectors a query is compared with on average: the centres, and the rows of the lists nearest to it."""
    sizes = np.array([index.invlists.list_size(number) for number in range(index.nlist)])
    met = 0
    for first in range(0, len(queries), 100):
        met += int(sizes[index.quantizer.search(queries[first : first + 100], index.nprobe)[1]].sum())
    return int(index.nlist + met / len(queries))


INDEX_KINDS: dict[str, Callable[..., tuple[Any, dict[str, Any]]]] = {
    "flat": build_flat,
    "ivf": build_ivf,
    "int8": build_int8,
    "rabitq": build_rabitq,
}
"""Kind -> what builds it from a table and a distance."""


WHOLE_KINDS = ("flat", "ivf")
"""Kinds whose faiss index holds the vectors themselves."""


def choose_kind(kind: str, num_rows: int, dim: int) -> str:
    """The kind itself, or the one that "auto" means for a table of this size; raises UsageError for an unknown one."""
    if kind not in (AUTO, *INDEX_KINDS):
        raise UsageError("kind", expected=f"one of {', '.join((AUTO, *INDEX_KINDS))}", got=repr(kind))
    if kind != AUTO:
        return kind
    return "flat" if num_rows * dim <= FLAT_VALUES else "ivf"


def _least_lists(index: Any, exact: ExactDistances, recall: float, most: int) -> tuple[int, float]:
    """The smallest nprobe that reaches the recall, and the recall that it has: doubled until it does, then bisected.

    `most` and what it reaches where that is less.
    """

    def recall_of(num_lists: int) -> float:
        index.nprobe = num_lists
        return exact.recall(index)

    low, high = 0, 1
    best = recall_of(high)
    while best < recall and high < most:
        low, high = high, min(2 * high, most)
        best = recall_of(high)
    if best < recall:
        return high, best
    while high - low > 1:
        middle = (low + high) // 2
        found = recall_of(middle)
        if found >= recall:
            high, best = middle, found
        else:
            low = middle
    return high, best
