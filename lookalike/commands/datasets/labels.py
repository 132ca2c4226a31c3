"""labels: suspected label errors of a table of vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lookalike.commands import connecting
from lookalike.commands.options import COLUMN, DIMS, DISTANCE, JSON, VECTORS
from lookalike.commands.pictures import (
    IMAGE_COLUMN,
    IMAGE_ID_COLUMN,
    IMAGES,
    pictures_or_note,
    reading_options,
    require_shown,
)
from lookalike.commands.tables import ColumnsFrom, left_out_facts, open_vectors, require_own_files


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
    max_megapixels: connecting.MaxMegapixels = connecting.DEFAULT_MAX_MEGAPIXELS,
    max_image_mb: connecting.MaxImageMb = connecting.DEFAULT_MAX_IMAGE_MB,
    read_timeout_s: connecting.ReadTimeoutS = connecting.DEFAULT_READ_TIMEOUT_S,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Find labels that are probably wrong: each row's with a probability and the class that it may be instead."""
    from analysis.datasets.label_errors import find_label_errors, require_other_label, write_label_errors
    from lookalike.progress import EventProgress
    from lookalike.results.label_error_pages import page_of_label_errors
    from lookalike.results.label_errors import print_label_errors
    from lookalike.results.output_columns import tell_replaced

    require_own_files({"--output": output, "--page": page}, reads=(vectors, columns_from), images=(images,))
    reading = reading_options(max_megapixels, max_image_mb, read_timeout_s)
    require_shown(page is not None, "--page FILE.html", images, image_column, image_id_column)
    if output is not None:
        require_other_label(label)
    table = open_vectors(vectors, column, columns_from=columns_from, dims=dims)
    pictures = None
    if page is not None:
        pictures = pictures_or_note(table, images, image_column, image_id_column, **reading)
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
