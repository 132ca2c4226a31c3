"""select: which rows of a table of vectors to label next."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lookalike.commands.options import COLUMN, DIMS, DISTANCE, JSON, VECTORS
from lookalike.commands.tables import ColumnsFrom, left_out_facts, open_vectors, require_own_files


def select(
    vectors: Annotated[Path, VECTORS],
    count: Annotated[int, typer.Option(min=1, help="Rows to choose.", metavar="N")],
    method: Annotated[
        str,
        typer.Option(
            help="representative (each brings most rows nearer to a chosen one) or diverse (each is the farthest from "
            "all before).",
            metavar="METHOD",
        ),
    ] = "representative",
    label: Annotated[
        str | None,
        typer.Option(help="Column of the class: rows that have one are labelled already.", metavar="COLUMN"),
    ] = None,
    labelled: Annotated[
        Path | None,
        typer.Option(help="Further vectors of the same model that are labelled already.", metavar="VECTORS"),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Parquet file of the chosen rows, in order.", metavar="FILE")
    ] = None,
    id_list: Annotated[
        Path | None, typer.Option("--list", help="Text file of their ids, one a line, in order.", metavar="FILE.txt")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Decides the samples of large tables.")] = 0,
    dims: Annotated[int | None, DIMS] = None,
    column: Annotated[str | None, COLUMN] = None,
    columns_from: ColumnsFrom = None,
    distance: Annotated[str | None, DISTANCE] = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Choose what to label next, in the order to label it in, given what is labelled already."""
    from analysis.datasets.selection import select_rows, write_selection
    from lookalike.results.output_columns import tell_replaced
    from lookalike.results.selections import print_selection, write_id_list

    require_own_files({"--output": output, "--list": id_list}, reads=(vectors, labelled, columns_from))
    table = open_vectors(vectors, column, columns_from=columns_from, dims=dims)
    others = open_vectors(labelled, column, dims=dims) if labelled is not None else None
    selection = select_rows(table, count, method=method, label=label, labelled=others, distance=distance, seed=seed)
    ids = [table.ids[row] for row in selection.rows.tolist()]
    if id_list is not None:
        write_id_list(id_list, ids)
    if output is not None:
        tell_replaced(write_selection(table, selection, output))
    print_selection(
        selection,
        ids,
        asked=count,
        output=output,
        id_list=id_list,
        left_out=left_out_facts(table, others),
        as_json=as_json,
    )
