"""cluster: k-means over a table of vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lookalike.commands.options import COLUMN, DISTANCE, JSON, VECTORS
from lookalike.commands.tables import ColumnsFrom, left_out_facts, open_vectors, require_own_files


def cluster(
    vectors: Annotated[Path, VECTORS],
    k: Annotated[int, typer.Option("-k", min=1, help="Number of clusters.")],
    output: Annotated[Path, typer.Option(help="Parquet file to write.", metavar="FILE")],
    seed: Annotated[int, typer.Option(min=0, help="Decides the starts.")] = 0,
    column: Annotated[str | None, COLUMN] = None,
    columns_from: ColumnsFrom = None,
    distance: Annotated[str | None, DISTANCE] = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Group vectors by k-means: sizes, medoids and silhouettes, and for every row its cluster and distance."""
    from analysis.clusters.table_clusters import cluster_table
    from lookalike.results.clusters import print_clusters

    require_own_files({"--output": output}, reads=(vectors, columns_from))
    table = open_vectors(vectors, column, columns_from=columns_from)
    clusters = cluster_table(table, k, output, seed=seed, distance=distance)
    print_clusters(clusters, output, as_json=as_json, more=left_out_facts(table))
