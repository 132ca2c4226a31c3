"""index: a search index over a table of vectors, built, added to, or with rows taken out of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from artifact.errors import UsageError
from lookalike.commands.options import COLUMN, DIMS, DISTANCE, JSON, require_not_given
from lookalike.commands.tables import ColumnsFrom, left_out_facts, open_vectors, require_own_files

_OF_BUILDING = ("kind", "recall", "seed", "copy")
_OF_VECTORS = ("output", "add", "replace", "dims", "column", "columns_from", "distance", *_OF_BUILDING)


def index(
    context: typer.Context,
    vectors: Annotated[
        Path,
        typer.Argument(
            help="Folder that `lookalike score` wrote, or a file of vectors: .parquet, .npy, .npz, .arrow, .feather, "
            ".jsonl, .csv or .tsv; with --remove an index.",
            metavar="VECTORS|FILE",
        ),
    ],
    output: Annotated[Path | None, typer.Option(help="Index file to write, or to add to.", metavar="FILE")] = None,
    add: Annotated[bool, typer.Option("--add", help="Add the rows to the index that is there.")] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="With --add: in the place of rows whose ids are there.")
    ] = False,
    remove: Annotated[
        Path | None, typer.Option(help="Remove the rows with these ids: a text file, an id a line.", metavar="IDS.txt")
    ] = None,
    copy: Annotated[
        str | None,
        typer.Option(help="Columns to keep beside id. [default: all without vectors, images and bytes]", metavar="C,D"),
    ] = None,
    kind: Annotated[
        str, typer.Option(help="flat (exact), ivf (lists), rabitq or int8 (lists of codes), or auto: by size.")
    ] = "auto",
    recall: Annotated[float, typer.Option(help="recall@10 that lists must reach on a sample.")] = 0.97,
    seed: Annotated[int, typer.Option(min=0, help="Decides the lists and the sample.")] = 0,
    dims: Annotated[int | None, DIMS] = None,
    column: Annotated[str | None, COLUMN] = None,
    columns_from: ColumnsFrom = None,
    distance: Annotated[str | None, DISTANCE] = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Build a search index over a table of vectors; its recall against exact search is measured.

    --add and --remove change one that is there without building it again.
    """
    from analysis.search.growing_rows import read_ids
    from analysis.search.growth import add_to_file, remove_from_file
    from analysis.search.index import Index
    from analysis.search.index_files import index_files
    from lookalike import console
    from lookalike.results.indexes import show_built, show_changed

    if remove is not None:
        require_not_given(context, _OF_VECTORS, "--remove takes rows out of the index that it is given")
        change = remove_from_file(vectors, read_ids(remove), say_waiting=console.note)
        show_changed(change, vectors, as_json=as_json)
        return
    if output is None:
        raise UsageError("--output", expected="an index file to write", got="none")
    if replace and not add:
        raise UsageError("--replace", expected="--add with it", got="none", mend="without --add all rows are new")
    require_own_files({"--output": index_files(output)}, reads=(vectors, columns_from))
    if add:
        require_not_given(context, _OF_BUILDING, "the index that is there has its own")
    table = open_vectors(vectors, column, columns_from=columns_from, dims=dims, copies=copy is None and not add)
    left_out = left_out_facts(table)
    if add:
        change = add_to_file(output, table, replace=replace, distance=distance, say_waiting=console.note)
        show_changed(change, output, left_out=left_out, as_json=as_json)
        return
    names = copy.split(",") if copy else None
    built = Index.build(table, distance=distance, kind=kind, recall=recall, seed=seed, copy=names)
    built.save(output, say_waiting=console.note)
    show_built(built, output, left_out=left_out, as_json=as_json)
