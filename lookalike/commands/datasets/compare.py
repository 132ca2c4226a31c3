"""compare: two tables of vectors, whether they differ and where."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lookalike.commands import connecting
from lookalike.commands.options import COLUMN, DIMS, DISTANCE, JSON, VECTORS
from lookalike.commands.pictures import (
    IMAGE_COLUMN,
    IMAGE_ID_COLUMN,
    IMAGES,
    NO_PICTURES,
    named_images,
    of_both,
    reading_options,
    require_shown,
)
from lookalike.commands.tables import ColumnsFrom, OtherColumnsFrom, left_out_facts, open_vectors, require_own_files

if TYPE_CHECKING:
    from analysis.datasets.comparison.comparison import Comparison
    from rows.vectors.named_images import NamedImages
    from rows.vectors.table import VectorTable


def compare(
    a: Annotated[Path, VECTORS],
    b: Annotated[Path, typer.Argument(help="Another one, of the same space.", metavar="OTHER")],
    label: Annotated[
        str | None,
        typer.Option(help="Column of both that holds the class: compares classes too.", metavar="COLUMN"),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            help="Parquet file of all rows: set, p_other, neighbours_other, region beside the copied columns.",
            metavar="FILE",
        ),
    ] = None,
    page: Annotated[Path | None, typer.Option(help="Page to write.", metavar="FILE.html")] = None,
    images: Annotated[str | None, IMAGES] = None,
    image_column: Annotated[str | None, IMAGE_COLUMN] = None,
    image_id_column: Annotated[str | None, IMAGE_ID_COLUMN] = None,
    other_images: Annotated[
        str | None, typer.Option(help="The same for OTHER. [default: what was scored]", metavar="TABLE")
    ] = None,
    regions: Annotated[
        int | None, typer.Option(min=2, help="Regions to look at. [default: one for 50 vectors, 100 at most]")
    ] = None,
    every_row: Annotated[
        bool, typer.Option("--every-row", help="Count copies of a vector within a set, each of them.")
    ] = False,
    alpha: Annotated[float, typer.Option(help="Level of the verdict; intervals hold in 1 - ALPHA.")] = 0.05,
    relabellings: Annotated[int, typer.Option(min=19, help="Of the test; 1 / (1 + N) is the least p-value.")] = 999,
    seed: Annotated[int, typer.Option(min=0, help="Decides relabellings, folds and starts.")] = 0,
    dims: Annotated[int | None, DIMS] = None,
    column: Annotated[str | None, COLUMN] = None,
    columns_from: ColumnsFrom = None,
    other_columns_from: OtherColumnsFrom = None,
    distance: Annotated[str | None, DISTANCE] = None,
    max_megapixels: connecting.MaxMegapixels = connecting.DEFAULT_MAX_MEGAPIXELS,
    max_image_mb: connecting.MaxImageMb = connecting.DEFAULT_MAX_IMAGE_MB,
    read_timeout_s: connecting.ReadTimeoutS = connecting.DEFAULT_READ_TIMEOUT_S,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Compare two sets without labels: do they differ, in which pictures, in which regions."""
    from analysis.datasets.comparison.comparing import compare_tables
    from analysis.datasets.comparison.rows_of_both import write_rows
    from lookalike.results.comparisons import print_comparison
    from lookalike.results.output_columns import tell_replaced, tell_unlike

    reads = (a, b, columns_from, other_columns_from)
    require_own_files({"--output": output, "--page": page}, reads=reads, images=(images, other_images))
    shown_by = "--page FILE.html"
    require_shown(page is not None, shown_by, images, image_column, image_id_column, other_images=other_images)
    reading = reading_options(max_megapixels, max_image_mb, read_timeout_s)
    named = [named_images(*each) for each in of_both(images, other_images, image_column, image_id_column)]
    first = open_vectors(a, column, columns_from=columns_from, dims=dims)
    second = open_vectors(b, column, columns_from=other_columns_from, dims=dims)
    found = compare_tables(
        first,
        second,
        label=label,
        distance=distance,
        num_regions=regions,
        every_row=every_row,
        alpha=alpha,
        relabellings=relabellings,
        seed=seed,
    )
    if output is not None:
        lost = write_rows(first, second, found, output)
        tell_replaced(lost.replaced)
        tell_unlike(lost.unlike)
    if page is not None:
        _write_page(page, found, (first, second), (named[0] or first.images, named[1] or second.images), reading)
    outputs = {name: str(file) for name, file in (("output", output), ("page", page)) if file is not None}
    print_comparison(found.facts(), outputs, left_out=left_out_facts(first, second), as_json=as_json)


def _write_page(
    page: Path,
    found: Comparison,
    tables: tuple[VectorTable, VectorTable],
    images: tuple[NamedImages | None, NamedImages | None],
    reading: dict[str, Any],
) -> None:
    from lookalike import console
    from pages.comparison import PICTURE_PX, shown_ids, write_comparison
    from pages.gallery import pictures_of_ids
    from rows.pictures.detected import DetectedParts

    facts = found.facts()
    pictures, missing = [], []
    for name, table, ids, named in zip("AB", tables, shown_ids(facts), images, strict=True):
        every = DetectedParts.of(table)
        parts = {} if every is None else every.of_names(table.ids, ids)
        shown, notes = pictures_of_ids(ids, named, side_px=PICTURE_PX, parts=parts, **reading)
        option = "--images" if name == "A" else "--other-images"
        lines = list(notes) if named is not None else [NO_PICTURES.replace("--images", option)]
        missing += [f"{name}: {line}" for line in lines]
        pictures.append(shown)
    for line in missing:
        console.note(line)
    write_comparison(
        page,
        facts,
        like_b=found.like_b,
        relabelled=found.test.relabelled,
        pictures=(pictures[0], pictures[1]),
        missing=missing,
    )
