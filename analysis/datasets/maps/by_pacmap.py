"""PaCMAP of a table by pacmap, with neighbours of our own.

Decisions a reader would question:
- Its neighbours are those of the neighbour graph, chosen and scaled as pacmap does it (of the fifty nearest more than
  asked for the nearest by scaled distance): exact, by the artifact's distance. pacmap itself searches approximately,
  and with a seed turns faiss to one thread for the rest of the process.
- A distance of directions is that of unit vectors, by length: the same order. pacmap's own "angular" compares them
  after it has moved their mean to the origin, which is another distance.
- One thread: its step is serial but for a few lines, and threads that wait for each other took ten times as long as
  the step (300 rows, two cores, .6 s of processor time for .06).

Source: Y. Wang, H. Huang, C. Rudin, Y. Shaposhnik 2021, "Understanding how dimension reduction tools work", JMLR 22.
"""

from __future__ import annotations

import logging
import warnings
from importlib.metadata import version

import numpy as np
import numpy.typing as npt

from analysis.datasets.maps.fitted import Fitted
from analysis.search.graph import neighbour_graph
from artifact.arrays import Vectors
from artifact.distances import DISTANCES
from artifact.distances.cosine import unit_vectors
from rows.vectors.table import VectorTable

NEIGHBOURS = 10
"""pacmap's default."""

_MORE = 50
_SEEDS = 1 << 31


def fit_pacmap(table: VectorTable, *, distance: str, neighbours: int, seed: int) -> Fitted:
    """Lay out all rows of a table that fits in memory.

    Args:
        table: at least 8 rows, not all of them equal.
        distance: a name in artifact.distances.DISTANCES.
        neighbours: of each row; pacmap takes fewer where there are few rows.
        seed: the same gives the same places.
    """
    vectors = unit_vectors(table.matrix) if DISTANCES[distance].of_directions else table.matrix
    if table.dim == 1:  # it begins with two principal components
        vectors = np.pad(vectors, ((0, 0), (0, 1)))
    log = logging.getLogger("pacmap.pacmap")
    before = log.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import numba
        import pacmap

        threads = numba.get_num_threads()
        numba.set_num_threads(1)
        log.setLevel(logging.ERROR)  # it warns of each seed, and of small tables
        try:
            model = pacmap.PaCMAP(n_neighbors=neighbours, random_state=seed % _SEEDS)
            model.decide_num_pairs(table.num_rows)
            graph = neighbour_graph(
                VectorTable.from_arrays(vectors), model.n_neighbors + _MORE, distance="euclidean", seed=seed
            )
            model.pair_neighbors = _pairs(graph.distances, graph.rows, model.n_neighbors)
            places = model.fit_transform(vectors)
        finally:
            log.setLevel(before)
            numba.set_num_threads(threads)
    return Fitted(
        places=np.asarray(places, np.float32),
        parameters={"neighbours": model.n_neighbors, "mid_near": model.n_MN, "further": model.n_FP},
        library=f"pacmap {version('pacmap')}",
        recall=graph.recall,
    )


def _pairs(distances: Vectors, rows: npt.NDArray[np.integer], count: int) -> npt.NDArray[np.int32]:
    """int32 [m x count, 2]: each row with its `count` nearest by |a - b|^2 / (scale of a x scale of b)."""
    depth = distances.shape[1]
    scale = np.maximum(distances[:, min(3, depth - 1) : 6].mean(axis=1), np.float32(1e-10))
    scaled = distances**2 / scale[:, None] / scale[rows]
    nearest = np.argsort(scaled, axis=1, kind="stable")[:, :count]
    pairs = np.empty((len(rows), count, 2), np.int32)
    pairs[:, :, 0] = np.arange(len(rows))[:, None]
    pairs[:, :, 1] = np.take_along_axis(rows, nearest, axis=1)
    return pairs.reshape(-1, 2)
