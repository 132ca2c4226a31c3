"""Clusters as they are printed: a line a cluster, then what they are of."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from analysis.clusters.table_clusters import TableClusters
from lookalike import console


def print_clusters(clusters: TableClusters, output: Path, *, as_json: bool, more: Mapping[str, Any]) -> None:
    """Print the clusters of a table; `output` is the file of all rows, `more` what else JSON says."""
    facts = {
        "output": str(output),
        "num_clusters": len(clusters.sizes),
        "num_rows": clusters.num_rows,
        "inertia": float(clusters.inertia),
        "distance": clusters.distance,
        "silhouette": clusters.silhouette,
        "silhouette_rows": clusters.silhouette_rows,
        "training_rows": clusters.training_rows,
    }
    rows = clusters.rows()
    if as_json:
        console.print_json(facts | dict(more) | {"sizes": [int(size) for size in clusters.sizes], "clusters": rows})
        return
    cells = [["" if value is None else console.show(value) for value in row.values()] for row in rows]
    console.print_table(list(rows[0]), cells)
    sys.stdout.write("\n")
    console.print_facts("clustered", facts)
