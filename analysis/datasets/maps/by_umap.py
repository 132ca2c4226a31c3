"""UMAP of a table by umap-learn, with neighbours of our own.

Decisions a reader would question:
- The neighbours are those of the neighbour graph: exact on tables of this size, by the artifact's distance, and found
  in a fraction of the time that umap-learn takes. All else is umap-learn's default.
- One thread: with a seed umap-learn takes no more, so that one seed gives one map.

Source: L. McInnes, J. Healy, J. Melville 2018, "UMAP: Uniform Manifold Approximation and Projection for Dimension
Reduction", arXiv 1802.03426.
"""

from __future__ import annotations

import warnings

import numpy as np

from analysis.datasets.maps.fitted import Fitted, metric_distances
from analysis.search.graph import neighbour_graph
from artifact.distances import DISTANCES
from rows.vectors.table import VectorTable

NEIGHBOURS = 15
"""umap-learn's default, the row itself among them."""

_SEEDS = 1 << 32


def fit_umap(table: VectorTable, *, distance: str, neighbours: int, seed: int) -> Fitted:
    """Lay out all rows of a table that fits in memory.

    Args:
        table: some rows, not all of them equal.
        distance: a name in artifact.distances.DISTANCES.
        neighbours: of each row, itself among them; as many as there are rows where it is more.
        seed: the same gives the same places.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TensorFlow is not there, one thread, no transform: all of it meant
        import umap

        graph = neighbour_graph(table, max(1, neighbours - 1), distance=distance, seed=seed)
        own = np.arange(table.num_rows, dtype=np.int32)[:, None]
        rows = np.hstack([own, graph.rows.astype(np.int32)])
        apart = np.hstack([np.zeros((table.num_rows, 1), np.float32), metric_distances(graph)])
        metric = "cosine" if DISTANCES[distance].of_directions else "euclidean"
        model = umap.UMAP(
            n_neighbors=rows.shape[1],
            metric=metric,
            random_state=seed % _SEEDS,
            n_jobs=1,
            precomputed_knn=(rows, apart),
        ).fit(table.matrix)
    return Fitted(
        places=np.asarray(model.embedding_, np.float32),
        parameters={"neighbours": rows.shape[1], "min_dist": model.min_dist, "spread": model.spread},
        library=f"umap-learn {umap.__version__}",
        recall=graph.recall,
    )
