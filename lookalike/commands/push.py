"""push: a table of vectors into Qdrant, Milvus or PostgreSQL with pgvector."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from lookalike.commands.options import COLUMN, DISTANCE, JSON, VECTORS
from lookalike.commands.tables import ColumnsFrom, left_out_facts, open_vectors


def push(
    vectors: Annotated[Path, VECTORS],
    url: Annotated[str, typer.Argument(help="qdrant://, milvus:// or postgresql:// and the place.", metavar="URL")],
    collection: Annotated[str, typer.Option(help="Collection to write to; of PostgreSQL a table.", metavar="NAME")],
    column: Annotated[str | None, COLUMN] = None,
    columns_from: ColumnsFrom = None,
    distance: Annotated[str | None, DISTANCE] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Rows of one request, at most.", metavar="N")] = 1000,
    recreate: Annotated[bool, typer.Option("--recreate", help="Replace the collection of an earlier push.")] = False,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Write vectors, ids and copied columns into another program's database; the same command again finishes it."""
    from lookalike import console
    from lookalike.progress import EventProgress
    from rows.stores.programs import require_store
    from rows.stores.push import push as push_table

    require_store(url)
    table = open_vectors(vectors, column, columns_from=columns_from, copies=False)
    with EventProgress() as progress:
        result = push_table(
            table,
            url,
            collection,
            distance=distance,
            batch_size=batch_size,
            recreate=recreate,
            report=progress.report,
        )
    if result.note:
        console.note(result.note)
    if as_json:
        console.print_json(asdict(result) | left_out_facts(table))
    else:
        console.print_facts("pushed", asdict(result) | {"note": None})
