"""labels: suspected label errors of a table of vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from artifact.errors import UsageError
from lookalike.commands.options import COLUMN, DIMS, DISTANCE, JSON, VECTORS
from lookalike.commands.pictures import IMAGE_COLUMN, IMAGE_ID_COLUMN, IMAGES, pictures_or_note
from lookalike.commands.tables import ColumnsFrom, left_out_facts, open_vectors, require_no_input


def labels(
    vectors: Annotated[Path, VECTORS],
    label: Annotated[str, typer.Option(help="Column that holds the class.", metavar="COLUMN")],
    output: Annotated[
        Path | None,
        typer.Option(help="Parquet file of all labelled rows to write, the most doubtful first.", metavar="FILE"),
    ] = None,
    count: Annotated[int, typer.Option(min=0, help="Suspects to print.", metavar="N")] = 20,
    page: Annotated[Path | None, typer.Option(help="Write a page with the pictures.", metavar="FILE.html")] = None,
    images: Annotated[str | None, IMAGES] = None,
    image_column: Annotated[str | None, IMAGE_COLUMN] = None,
    image_id_column: Annotated[str | None, IMAGE_ID_COLUMN] = None,
    seed: Annotated[int, typer.Option(min=0, help="Decides what is planted, and the samples.")] = 0,
    dims: Annotated[int | None, DIMS] = None,
    column: Annotated[str | None, COLUMN] = None,
    columns_from: ColumnsFrom = None,
    distance: Annotated[str | None, DISTANCE] = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Find labels that are probably wrong: each row's with a probability and the class that it may be instead."""
    from analysis.datasets.label_errors import find_label_errors, require_other_label, write_label_errors
    from lookalike.progress import EventProgress
    from lookalike.results.label_error_pages import page_of_label_errors
    from lookalike.results.label_errors import print_label_errors
    from lookalike.results.output_columns import tell_replaced

    for file in (output, page):
        if file is not None:
            require_no_input(file, vectors, columns_from)
    if output is not None:
        require_other_label(label)
    if page is not None and output is not None and page.resolve() == output.resolve():
        raise UsageError("--page", expected="another file than --output", got=str(page))
    table = open_vectors(vectors, column, columns_from=columns_from, dims=dims)
    pictures = None
    if page is not None:
        pictures = pictures_or_note(table, images, image_column, image_id_column)
    with EventProgress() as progress:
        errors = find_label_errors(
            table,
            label,
            distance=distance,
            seed=seed,
            report=progress.neighbours,
        )
    if output is not None:
        tell_replaced(write_label_errors(table, label, errors, output))
    if page is not None:
        page_of_label_errors(page, table, errors, pictures, label=label)
    print_label_errors(
        errors, table.ids, output, label=label, count=count, left_out=left_out_facts(table), as_json=as_json
    )
