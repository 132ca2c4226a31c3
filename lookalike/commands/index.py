"""index: a search index over a table of vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from lookalike.commands.options import COLUMN, DIMS, DISTANCE, JSON, VECTORS
from lookalike.commands.tables import open_vectors


def index(
    vectors: Annotated[Path, VECTORS],
    output: Annotated[Path, typer.Option(help="Index file to write.", metavar="FILE")],
    kind: Annotated[str, typer.Option(help="flat (exact), ivf (lists), or auto: by size.")] = "auto",
    recall: Annotated[float, typer.Option(help="recall@10 that ivf must reach on a sample.")] = 0.97,
    seed: Annotated[int, typer.Option(min=0, help="Decides the lists and the sample.")] = 0,
    dims: Annotated[int | None, DIMS] = None,
    column: Annotated[str | None, COLUMN] = None,
    distance: Annotated[str | None, DISTANCE] = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Build a search index over a table of vectors; its recall against exact search is measured."""
    from analysis.search.index import Index, rows_file
    from lookalike import console
    from rows.vectors.parts import require_not_input

    for file in (output, rows_file(output)):
        require_not_input(file, vectors)
    table = open_vectors(vectors, column, dims=dims)
    built = Index.build(table, distance=distance, kind=kind, recall=recall, seed=seed)
    built.save(output)
    facts: dict[str, Any] = {
        "index": str(output),
        "kind": built.kind,
        "num_rows": built.num_rows,
        "distance": built.distance,
        **built.parameters,
        "images": str(built.images) if built.images else None,
    }
    if built.lineage is not None and built.lineage.dims is not None:
        facts["dims"] = built.lineage.dims
    if as_json:
        console.print_json(facts)
    else:
        console.print_facts("indexed", facts)
