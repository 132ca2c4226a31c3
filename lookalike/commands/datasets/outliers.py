"""outliers: the rows of a set that are unlike the rest, ranked."""

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


def outliers(
    vectors: Annotated[Path, VECTORS],
    label: Annotated[
        str | None,
        typer.Option(help="Column that holds the class: rank rows within their classes too.", metavar="COLUMN"),
    ] = None,
    count: Annotated[int, typer.Option(min=0, help="Rows to print, and to show on the page.", metavar="N")] = 20,
    output: Annotated[Path | None, typer.Option(help="Parquet file of all rows to write.", metavar="FILE")] = None,
    page: Annotated[Path | None, typer.Option(help="Write a page with the pictures.", metavar="FILE.html")] = None,
    images: Annotated[str | None, IMAGES] = None,
    image_column: Annotated[str | None, IMAGE_COLUMN] = None,
    image_id_column: Annotated[str | None, IMAGE_ID_COLUMN] = None,
    seed: Annotated[int, typer.Option(min=0, help="Decides which rows of a large table all are compared with.")] = 0,
    dims: Annotated[int | None, DIMS] = None,
    column: Annotated[str | None, COLUMN] = None,
    columns_from: ColumnsFrom = None,
    distance: Annotated[str | None, DISTANCE] = None,
    max_megapixels: connecting.MaxMegapixels = connecting.DEFAULT_MAX_MEGAPIXELS,
    max_image_mb: connecting.MaxImageMb = connecting.DEFAULT_MAX_IMAGE_MB,
    read_timeout_s: connecting.ReadTimeoutS = connecting.DEFAULT_READ_TIMEOUT_S,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Rank the rows of a set by how unlike the rest they are, and with --label how unlike their class."""
    from analysis.datasets.outliers import find_outliers, write_outliers
    from lookalike.progress import EventProgress
    from lookalike.results.outliers import page_of_outliers, print_outliers
    from lookalike.results.output_columns import tell_replaced

    require_own_files({"--output": output, "--page": page}, reads=(vectors, columns_from), images=(images,))
    reading = reading_options(max_megapixels, max_image_mb, read_timeout_s)
    require_shown(page is not None, "--page FILE.html", images, image_column, image_id_column)
    table = open_vectors(vectors, column, columns_from=columns_from, dims=dims)
    pictures = None
    if page is not None:
        pictures = pictures_or_note(table, images, image_column, image_id_column, **reading)
    with EventProgress() as progress:
        found = find_outliers(
            table,
            label=label,
            distance=distance,
            seed=seed,
            report=progress.neighbours,
        )
    if output is not None:
        tell_replaced(write_outliers(table, found, output))
    if page is not None:
        page_of_outliers(page, table, found, pictures, label=label, count=count)
    print_outliers(found, table, output, label=label, count=count, left_out=left_out_facts(table), as_json=as_json)
