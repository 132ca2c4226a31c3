"""Some rows of a faiss index, searched as if there were no others: exactly, or through the lists of the index.

What search_index and the measures of recall need of an index is here, for some rows of one; they count from 0. Nothing
is copied but a batch of vectors at a time.

Decisions a reader would question:
- Through lists, faiss asks a bitmap for each row that a query meets. The rows that are not meant cost a look each and
  never take the place of a neighbour.
- All rows are compared, unless there are many of them, many queries, and few lists that reach the recall. That is
  measured among these rows, for queries from all rows: one from elsewhere must look into more lists than one from among
  them before it meets enough of them. The measure takes the time of a thousand exact queries or two.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis.neighbours.faiss_library import load_faiss
from analysis.neighbours.samples import sample_rows
from analysis.search.index_kinds import measure_ivf
from analysis.search.list_training import RECALL, RECALL_DEPTH
from artifact.arrays import Indices, Vectors
from rows.vectors.table import BATCH_BYTES

COMPARED_VALUES = 1 << 22
"""Rows x dims that are compared without a look at the lists: 32,768 rows of 128 dims."""

MANY_QUERIES = 2000
"""For fewer, the time to measure the lists is not won back."""

_QUERIES = 200
"""On so many rests the recall."""

_WORTH = 8
"""Lists are looked through where a query meets less than this part of as many rows as there are: to compare these in
batches is faster for each of them."""


def select_rows(
    whole: Any, places: Indices, distance: str, *, parameters: dict[str, Any] | None
) -> tuple[SelectedRows, dict[str, Any]]:
    """Some rows of an index to be searched, and with what recall.

    Args:
        whole: as for SelectedRows.
        places: int64 [m], rising.
        parameters: of inverted lists; None: do not look through lists.
    """
    selected = SelectedRows(whole, places)
    if parameters is not None and len(places) * selected.d > COMPARED_VALUES:
        target, seed = parameters.get("recall_target", RECALL), parameters.get("seed", 0)
        listed = ListedRows(whole, places)
        measured = _measured(listed, whole, places, distance, recall=target, seed=seed)
        if measured is not None:
            return listed, measured
    return selected, {"recall@10": 1.0}


def _measured(
    listed: ListedRows, whole: Any, places: Indices, distance: str, *, recall: float, seed: int
) -> dict[str, Any] | None:
    """Parameters with the least lists that reach the recall among some rows; None where that is too many."""
    asked = sample_rows(whole.ntotal, _QUERIES, np.random.default_rng(seed))
    queries = whole.reconstruct_batch(asked)
    most_lists = max(1, int(listed.nlist * len(places) / (_WORTH * whole.ntotal)))
    listed.nprobe = most_lists
    is_short = listed.search(queries, RECALL_DEPTH)[1][:, -1] < 0
    if is_short.mean() > 1 - recall:  # they would look further at every search
        return None
    own = np.searchsorted(places, asked)
    own[np.append(places, -1)[own] != asked] = -1
    measured = measure_ivf(listed, distance, recall=recall, seed=seed, asked=(queries, own), most_lists=most_lists)
    return measured if measured["recall@10"] >= recall else None


class SelectedRows:
    """Some rows of an index, every one compared with every query; float32 [m, n] as the index holds them.

    Args:
        whole: an index whose vectors are found by row, or some rows of one.
        places: int64 [m], rising numbers of the rows in `whole`.
    """

    nprobe, nlist = 0, 0

    def __init__(self, whole: Any, places: Indices) -> None:
        if isinstance(whole, SelectedRows):
            whole, places = whole._whole, whole._places[places]
        self._whole: Any = whole
        self._places: Indices = places
        self.d, self.ntotal = int(whole.d), len(places)

    def search(self, queries: Vectors, k: int) -> tuple[Vectors, Indices]:
        """As a flat index of these rows would: faiss' values, the best first, and numbers, the lower of equal ones."""
        faiss = load_faiss()

        metric = self._whole.metric_type
        sign = np.float32(1 if metric == faiss.METRIC_L2 else -1)
        values = np.zeros((len(queries), 0), np.float32)
        rows = np.zeros((len(queries), 0), np.int64)
        size = max(1, BATCH_BYTES // (4 * self.d))
        for first in range(0, self.ntotal, size):
            numbers = np.arange(first, min(first + size, self.ntotal))
            found, at = faiss.knn(queries, self.reconstruct_batch(numbers), min(k, len(numbers)), metric)
            values, rows = np.concatenate([values, sign * found], axis=1), np.concatenate([rows, at + first], axis=1)
            best = np.argsort(values, axis=1, kind="stable")[:, :k]
            values, rows = np.take_along_axis(values, best, axis=1), np.take_along_axis(rows, best, axis=1)
        return sign * values, rows

    def reconstruct_batch(self, rows: Indices) -> Vectors:
        """float32 [m, n] of some of these rows."""
        vectors: Vectors = self._whole.reconstruct_batch(self._places[rows])
        return vectors


class ListedRows(SelectedRows):
    """Some rows of inverted lists, of which a query looks into the nearest `nprobe`."""

    def __init__(self, whole: Any, places: Indices) -> None:
        super().__init__(whole, places)
        faiss = load_faiss()

        bits = np.zeros(self._whole.ntotal, bool)
        bits[self._places] = True
        self._bits = np.packbits(bits, bitorder="little")
        self._selector = faiss.IDSelectorBitmap(self._bits)
        self.nprobe, self.nlist = int(self._whole.nprobe), int(self._whole.nlist)
        self.quantizer, self.invlists = self._whole.quantizer, self._whole.invlists

    def search(self, queries: Vectors, k: int, *, params: Any = None) -> tuple[Vectors, Indices]:
        """As lists of these rows would: distances and their numbers among them, -1 where there are no more."""
        faiss = load_faiss()

        parameters = faiss.IVFSearchParameters()
        parameters.nprobe = params.nprobe if params is not None else self.nprobe
        parameters.sel = self._selector
        search = getattr(self._whole, "search_numpy", self._whole.search)
        distances, found = search(queries, k, params=parameters)
        return distances, np.where(found < 0, -1, np.searchsorted(self._places, found))
