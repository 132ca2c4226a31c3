"""Clusters of a table of vectors of any size: sizes, medoids, distances and silhouettes, and a file of all rows.

k-means is trained on all rows, or beyond ALL_ROWS on a sample of 256 rows a cluster (faiss's usual number, at least
ALL_ROWS), and then every row goes to its nearest centroid, a batch of the table in memory at a time.

Decision a reader would question: the medoid is the row nearest to the centroid. For squared euclidean and cosine
distances that IS the row of least summed distance to the others of its cluster, where the centroid is their mean
(k-means has converged, on these rows); for the euclidean distance, whose sums have no such shortcut, it is that by
squares.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from analysis.clusters.kmeans import Clusters, assign, kmeans
from analysis.measures.silhouette import SILHOUETTE_ROWS, silhouette
from analysis.neighbours.batches import checked_batches, checked_rows, rows_with_ids
from analysis.neighbours.nearest import centre_of, prepare
from analysis.neighbours.samples import check_seed, sample_rows
from artifact.arrays import Indices, Numbers, Vectors
from artifact.distances import DISTANCES
from artifact.errors import UsageError
from rows.ids import id_as_text
from rows.vectors.lineage import table_distance
from rows.vectors.parts import require_not_input, write_part
from rows.vectors.table import VectorTable

ALL_ROWS = 100_000
ROWS_PER_CLUSTER = 256

STARTS = 5
SEVERAL_STARTS_PRODUCTS = 10**10
"""Training rows x dims x clusters up to which STARTS are tried; beyond it one, which takes a minute of two cores."""

_TRAINING_BYTES = 1 << 29
_OWN_COLUMNS = ("cluster", "centroid_distance", "is_medoid")


@dataclass(frozen=True, kw_only=True)
class TableClusters(Clusters):
    """Clusters of a table, from the largest to the smallest.

    Attributes:
        medoids: int64 [k], the row nearest to the centroid; -1 for an empty cluster.
        medoid_ids: its id, or None.
        mean_distances: float64 [k], of the rows of a cluster to its centroid, by the table's distance; NaN where empty.
        silhouette: mean over all rows, or over a sample of `silhouette_rows`; None where it cannot be told.
        silhouettes: float64 [k], of each cluster; NaN where no row of it was measured.
        silhouette_rows: see analysis.measures.silhouette.
        training_rows: rows that the centroids come from.
        num_rows: rows of the table.
        distance: a name in artifact.distances.DISTANCES.
    """

    medoids: Indices
    medoid_ids: list[str | None]
    mean_distances: Numbers
    silhouette: float | None
    silhouettes: Numbers
    silhouette_rows: int
    training_rows: int
    num_rows: int
    distance: str

    def rows(self) -> list[dict[str, Any]]:
        """{"cluster", "size", "medoid", "mean_distance", "silhouette"} of each; None for what there is not."""
        return [
            {
                "cluster": cluster,
                "size": int(size),
                "medoid": self.medoid_ids[cluster],
                "mean_distance": _known(self.mean_distances[cluster]),
                "silhouette": _known(self.silhouettes[cluster]),
            }
            for cluster, size in enumerate(self.sizes)
        ]


def cluster_table(
    table: VectorTable | str | Path, k: int, output: str | Path, *, seed: int = 0, distance: str | None = None
) -> TableClusters:
    """Cluster a table of vectors and write a Parquet file.

    Its columns: `id`, the copied ones, `cluster` (int32), `centroid_distance` (float32), `is_medoid` (bool).

    Args:
        table: or the path of one.
        k: 1 to the number of rows.
        output: the file; the lineage is kept in its schema metadata.
        seed: the same seed gives the same clusters.
        distance: for vectors without lineage.

    Raises:
        UsageError: k out of range, no distance known, or an output that is the table.
        DataError: numbers that are not finite. OutputError: the file cannot be written.
    """
    table = VectorTable.of(table)
    require_not_input(output, table.source)
    distance = table_distance(table.lineage, distance, where=table.source)
    if not 1 <= k <= table.num_rows:
        raise UsageError("k", expected=f"1 to {table.num_rows}, the number of vectors", got=str(k))
    check_seed(seed)
    rng = np.random.default_rng(seed)
    centroids, num_trained = _train(table, k, distance, seed, rng)
    nearest, apart, inertia = _assign_all(table, centroids, distance)
    sizes = np.bincount(nearest, minlength=k)
    order = np.argsort(-sizes, kind="stable")  # the sample's order of sizes is not that of all rows
    number = np.empty(k, np.int32)
    number[order] = np.arange(k, dtype=np.int32)
    assignments, sizes, centroids = number[nearest], sizes[order], centroids[order]
    measured = sample_rows(table.num_rows, SILHOUETTE_ROWS, rng)
    compared = silhouette(checked_rows(table, measured), assignments[measured], sizes, distance=distance)
    medoids = _medoids(assignments, apart, k)
    copied = _copied(table)
    found = TableClusters(
        assignments=assignments,
        centroids=centroids,
        inertia=inertia,
        sizes=sizes,
        medoids=medoids,
        medoid_ids=[id_as_text(copied["id"][row].as_py()) if row >= 0 else None for row in medoids.tolist()],
        mean_distances=np.bincount(assignments, weights=apart, minlength=k) / np.where(sizes, sizes, np.nan),
        silhouette=compared.overall,
        silhouettes=compared.clusters,
        silhouette_rows=compared.num_rows,
        training_rows=num_trained,
        num_rows=table.num_rows,
        distance=distance,
    )
    _write(output, copied, found, apart)
    return found


def _train(table: VectorTable, k: int, distance: str, seed: int, rng: np.random.Generator) -> tuple[Vectors, int]:
    """Centroids float32 [k, n], and the number of rows that they come from."""
    count = max(ALL_ROWS, ROWS_PER_CLUSTER * k)
    rows = sample_rows(table.num_rows, max(k, min(count, _TRAINING_BYTES // (4 * table.dim))), rng)
    vectors = checked_rows(table, rows)
    starts = STARTS if vectors.size * k <= SEVERAL_STARTS_PRODUCTS else 1
    return kmeans(vectors, k, seed=seed, num_starts=starts, distance=distance).centroids, len(rows)


def _assign_all(table: VectorTable, centroids: Vectors, distance: str) -> tuple[Indices, Vectors, float]:
    """The centroid of each row int64 [N], its distance to it float32 [N], and the sum of squares (see Clusters)."""
    centre = centre_of(centroids, distance)
    moved = centroids - centre
    assignments = np.empty(table.num_rows, np.int64)
    apart = np.empty(table.num_rows, np.float32)
    inertia = 0.0
    for batch in checked_batches(table):
        part = slice(batch.first_row, batch.first_row + len(batch))
        squared, assignments[part] = assign(prepare(batch.vectors, distance, centre), moved)
        apart[part] = DISTANCES[distance](batch.vectors, centroids[assignments[part]])
        inertia += float(squared.sum(dtype=np.float64))
    return assignments, apart, inertia


def _medoids(assignments: npt.NDArray[np.int32], apart: Vectors, k: int) -> Indices:
    """The row of each cluster that is nearest to its centroid, the first of equals; -1 where there is none."""
    order = np.lexsort((apart, assignments))
    clusters, firsts = np.unique(assignments[order], return_index=True)
    medoids: Indices = np.full(k, -1)
    medoids[clusters] = order[firsts]
    return medoids


def _copied(table: VectorTable) -> pa.Table:
    """`id` and the other columns but vectors and those of an earlier clustering."""
    copied = rows_with_ids(table)
    return copied.drop_columns([name for name in _OWN_COLUMNS if name in copied.schema.names])


def _write(output: str | Path, copied: pa.Table, found: TableClusters, apart: Vectors) -> None:
    is_medoid = np.zeros(found.num_rows, bool)
    is_medoid[found.medoids[found.medoids >= 0]] = True
    for name, values in zip(_OWN_COLUMNS, (found.assignments, apart, is_medoid), strict=True):
        copied = copied.append_column(name, pa.array(values))
    write_part(output, copied)


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
