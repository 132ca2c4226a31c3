"""Kinds of search index that hold codes: built a batch of rows at a time, with their recall measured after rescoring.

rabitq: a bit a number, the vector's length and one more float: n/8 + 8 bytes, 24 of 128 dims. The vectors are turned at
random first, so that no number says more than another. Gao, Long, "RaBitQ: Quantizing High-Dimensional Vectors with a
Theoretical Error Bound for Approximate Nearest Neighbor Search" (2024).
int8: each number in 256 steps, n bytes: more to read, and hardly a candidate more than are asked for.

Decisions a reader would question (docs/decisions/0048-small-vectors.md):
- The lists looked into and the candidates compared again are both measured. Half of what may be missed is left to the
  lists, for theirs alone is found without a search: it is where the true neighbours lie.
- The exact vectors are no copy in memory: they are written to a file as they come, and read from it by row.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis.neighbours.batches import checked_batches
from analysis.neighbours.faiss_library import load_faiss
from analysis.neighbours.nearest import faiss_metric, flat_index, prepare
from analysis.search.coded import CodedIndex, least_candidates, least_lists
from analysis.search.exact_vectors import spooled_vectors
from analysis.search.list_training import sampled_training, train_lists
from artifact.arrays import Vectors
from rows.vectors.table import VectorTable

MOST_CANDIDATES = 8192


def build_int8(table: VectorTable, distance: str, *, recall: float, seed: int) -> tuple[CodedIndex, dict[str, Any]]:
    """Inverted lists of a byte a number; see `build_rabitq`."""
    faiss = load_faiss()

    def lists(quantizer: Any, num_lists: int) -> Any:
        scalar, metric = faiss.ScalarQuantizer.QT_8bit, faiss_metric(distance)
        return faiss.IndexIVFScalarQuantizer(quantizer, table.dim, num_lists, scalar, metric, True)

    return _built(table, distance, lists, is_turned=False, recall=recall, seed=seed)


def build_rabitq(table: VectorTable, distance: str, *, recall: float, seed: int) -> tuple[CodedIndex, dict[str, Any]]:
    """Inverted lists of a bit a number, deterministic by `seed`.

    Memory: codes, a sample to train on, a batch. The vectors lie in a file without a name in TMPDIR until it is saved.

    Returns:
        The index, and {"nlist", "nprobe", "candidates" (compared again for the nearest ten), "recall@10" (measured,
        after that), "recall_target", "recall_queries", "code_bytes", "id_bytes" and "vector_bytes" (of a vector: its
        code, its number in the list, and itself in the file beside), "seed"}.
    """
    faiss = load_faiss()

    def lists(quantizer: Any, num_lists: int) -> Any:
        return faiss.IndexIVFRaBitQ(quantizer, table.dim, num_lists, faiss_metric(distance))

    return _built(table, distance, lists, is_turned=True, recall=recall, seed=seed)


def _built(
    table: VectorTable, distance: str, lists: Any, *, is_turned: bool, recall: float, seed: int
) -> tuple[CodedIndex, dict[str, Any]]:
    faiss = load_faiss()

    training = sampled_training(table, distance, seed)
    exact, num_lists = training.exact, training.num_lists
    inner = lists(flat_index(table.dim, distance), num_lists)
    if is_turned:
        rotation = faiss.RandomRotationMatrix(table.dim, table.dim)
        rotation.init(seed % (1 << 31))
        codes = faiss.IndexPreTransform(rotation, inner)
        vectors = rotation.apply(training.vectors)
    else:
        codes, vectors = inner, training.vectors
    del training
    train_lists(inner, vectors, seed)
    codes.is_trained = True
    del vectors

    def prepared() -> Any:
        origin = np.zeros(table.dim, np.float32)
        for batch in checked_batches(table):
            found: Vectors = np.ascontiguousarray(prepare(batch.vectors, distance, origin))
            codes.add(found)
            exact.add(batch.first_row, found)
            yield found

    index = CodedIndex(codes, spooled_vectors(prepared(), table.dim))
    if exact.k:
        index.set_nprobe(least_lists(index, exact, (1 + recall) / 2))
        index.candidates = least_candidates(index, exact, recall, distance=distance, most=MOST_CANDIDATES)
    return index, {
        "nlist": num_lists,
        "nprobe": index.nprobe,
        "candidates": index.candidates,
        "recall@10": exact.recall(index),
        "recall_target": recall,
        "recall_queries": len(exact.queries),
        "code_bytes": index.code_size,
        "id_bytes": 8,
        "vector_bytes": 4 * table.dim,
        "seed": seed,
    }
