"""Indexes of each kind that take more vectors and lose some, and how their parameters are settled after that.

flat: after every change the very index that is built of the rows that are left and those that came, in that order.
ivf: a vector goes into the list of the nearest centre that is there. The centres stay; how many lists a query must look
into is measured again, so the recall asked for is kept. Where that makes a query meet more than TRAIN_AGAIN times as
many vectors as it should, the centres no longer suit the rows, and the lists are trained again from the vectors there.

Decision a reader would question: what a query should meet grows with the root of the rows, for so does the number of
lists of a new index (index_kinds.py). Lists that stay as they are meet in proportion to the rows: after four times as
many of the same kind they are trained again, and sooner where the new ones are of another kind.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis.neighbours.faiss_library import load_faiss
from analysis.neighbours.samples import sample_rows
from analysis.search.index_kinds import WHOLE_KINDS, build_ivf, compared, measure_ivf
from analysis.search.list_training import RECALL, RECALL_QUERIES
from artifact.arrays import Flags
from artifact.errors import UsageError
from rows.vectors.table import VectorTable

TRAIN_AGAIN = 2.0

GROWING = WHOLE_KINDS
"""Kinds of index that change in place; others are built again."""


def require_growing(kind: str) -> None:
    """Raise UsageError for a kind that is built again instead."""
    if kind not in GROWING:
        raise UsageError(
            "index", expected=f"kind {' or '.join(GROWING)} to change", got=f"kind {kind}", mend="build it again"
        )


def remove_numbers(faiss_index: Any, gone: Flags) -> None:
    """Take rows out of an index in memory: bool [N], true for those; the others keep their order and close up."""
    faiss = load_faiss()

    if not hasattr(faiss_index, "invlists"):
        faiss_index.remove_ids(np.flatnonzero(gone))
        return
    lists, size = faiss_index.invlists, faiss_index.code_size
    numbers = np.cumsum(~gone) - 1
    for number in range(faiss_index.nlist):
        count = lists.list_size(number)
        if not count:
            continue
        ids = faiss.rev_swig_ptr(lists.get_ids(number), count)
        stays = ~gone[ids]
        kept_ids = np.ascontiguousarray(numbers[ids[stays]], np.int64)
        codes = np.ascontiguousarray(
            faiss.rev_swig_ptr(lists.get_codes(number), count * size).reshape(count, size)[stays]
        )
        lists.resize(number, len(kept_ids))
        lists.update_entries(number, 0, len(kept_ids), faiss.swig_ptr(kept_ids), faiss.swig_ptr(codes))
    faiss_index.ntotal = int((~gone).sum())
    faiss_index.make_direct_map(False)
    faiss_index.make_direct_map(True)


def cost_of(faiss_index: Any, parameters: dict[str, Any]) -> tuple[int, int]:
    """(rows, vectors that a query met on average) when the lists of an index were trained.

    Of an index that does not say so, it is taken to be now.
    """
    if "trained_rows" in parameters:
        return int(parameters["trained_rows"]), int(parameters["trained_compared"])
    if "compared" in parameters:
        return int(faiss_index.ntotal), int(parameters["compared"])
    asked = sample_rows(faiss_index.ntotal, RECALL_QUERIES, np.random.default_rng(parameters.get("seed", 0)))
    return int(faiss_index.ntotal), compared(faiss_index, faiss_index.reconstruct_batch(asked))


def settled(
    faiss_index: Any, distance: str, parameters: dict[str, Any], trained: tuple[int, int]
) -> tuple[Any, dict[str, Any], bool]:
    """Inverted lists that reach their recall after rows came and went, their parameters, and whether trained again.

    Args:
        faiss_index: holds the changed rows; it may be used up.
        parameters: of before.
        trained: what `cost_of` gave before the change.
    """
    recall, seed = parameters.get("recall_target", RECALL), parameters.get("seed", 0)
    found = measure_ivf(faiss_index, distance, recall=recall, seed=seed)
    rows, met = trained
    should_meet = met * (faiss_index.ntotal / rows) ** 0.5
    if found["compared"] <= TRAIN_AGAIN * should_meet:
        return faiss_index, parameters | found | {"trained_rows": rows, "trained_compared": met}, False
    vectors = faiss_index.reconstruct_batch(np.arange(faiss_index.ntotal))
    faiss_index.reset()  # its vectors are not held a third time while the new lists fill
    fresh, facts = build_ivf(VectorTable.from_arrays(vectors), distance, recall=recall, seed=seed)
    kept = {name: value for name, value in parameters.items() if not name.startswith("trained_")}
    return fresh, kept | facts, True
