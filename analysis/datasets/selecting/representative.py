"""Representative rows: each next one brings most rows nearer to something that is labelled or chosen.

Greedy facility location over the neighbour graph (Wei, Iyer, Bilmes, "Submodularity in Data Subset Selection and Active
Learning", 2015): a row that is not within reach of anything chosen counts as far away as its last neighbour, and the
gain of choosing a row is how much nearer all come by it. Gains only fall, so the row at the top of a heap is taken as
soon as its gain, computed anew, is still the largest (Minoux 1978).

Decision a reader would question: of large tables a sample is chosen from, ROWS_EACH rows for each to be chosen. A row
stands for some dozen others then, within the neighbours that the graph has. Of a million rows and a hundred to choose,
each would stand for ten thousand, of which the graph knows fifty: only what is very near would count.
"""

from __future__ import annotations

import heapq

import numpy as np

from analysis.datasets.selecting.covered import Pool
from analysis.neighbours.samples import sample_rows
from analysis.search.graph import NeighbourGraph, neighbour_graph
from artifact.arrays import Indices, Numbers, Vectors
from rows.vectors.table import VectorTable

ROWS_EACH = 25
LEAST_ROWS = 5_000
FEWEST_NEIGHBOURS, MOST_NEIGHBOURS = 50, 1_000


def representative(pool: Pool, count: int) -> Indices:
    """Choose rows: int64 [count], rows of the pool in the order chosen; `count` is at most all of them."""
    rng = np.random.default_rng(pool.seed)
    rows = sample_rows(len(pool.vectors), max(LEAST_ROWS, ROWS_EACH * count), rng)
    if len(rows) == 1:
        return rows
    vectors = np.ascontiguousarray(pool.vectors[rows])
    k = int(np.clip(2 * len(rows) / count, FEWEST_NEIGHBOURS, MOST_NEIGHBOURS))
    graph = neighbour_graph(VectorTable.from_arrays(vectors), k, distance=pool.distance, seed=pool.seed)
    reach = np.minimum(graph.distances[:, -1], pool.from_labelled(rows)).astype(np.float64)
    return rows[_greedy(graph, reach, count)]


def _greedy(graph: NeighbourGraph, reach: Numbers, count: int) -> Indices:
    """Rows of the graph in the order chosen.

    Args:
        reach: float64 [S], how far each row is from what is labelled; the distance of its last neighbour where that is
            less. Changed.
    """
    near, lengths, starts = _near_to(graph)
    gains = np.maximum(reach[near] - lengths, 0)
    totals = np.add.reduceat(gains, starts[:-1])
    heap = [(-gain, row) for row, gain in enumerate(totals.tolist())]
    heapq.heapify(heap)
    chosen: list[int] = []
    while len(chosen) < count:
        _, row = heapq.heappop(heap)
        part = slice(starts[row], starts[row + 1])
        gain = float(np.maximum(reach[near[part]] - lengths[part], 0).sum())
        if heap and (-gain, row) > heap[0]:
            heapq.heappush(heap, (-gain, row))
            continue
        chosen.append(row)
        reach[near[part]] = np.minimum(reach[near[part]], lengths[part])
    return np.array(chosen, np.int64)


def _near_to(graph: NeighbourGraph) -> tuple[Indices, Vectors, Indices]:
    """The rows that each row is a neighbour of, itself among them.

    Returns:
        (rows [E] and their distances [E], grouped by the row that they are near to; where each group begins [S + 1]).
    """
    num_rows, k = graph.rows.shape
    itself = np.arange(num_rows, dtype=graph.rows.dtype)
    to = np.concatenate([itself, graph.rows.reshape(-1)])
    order = np.argsort(to, kind="stable")
    starts = np.searchsorted(to[order], np.arange(num_rows + 1))
    near = np.concatenate([itself, np.repeat(itself, k)])[order]
    lengths = np.concatenate([np.zeros(num_rows, np.float32), graph.distances.reshape(-1)])[order]
    return near, lengths, starts
