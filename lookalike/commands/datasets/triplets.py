"""triplets: a table of triplets to train on, drawn from images with classes by how relevant they are to each other."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated

import typer

from artifact.errors import DataError, UsageError
from artifact.kinds import BRANCH_INPUT
from lookalike.commands import connecting
from lookalike.commands.options import COLUMN, DISTANCE, JSON
from lookalike.commands.pictures import reading_options
from lookalike.commands.tables import open_vectors, require_own_files


def triplets(
    images: Annotated[
        str, typer.Argument(help="Folder with one folder of images per class, or a table of them.", metavar="IMAGES")
    ],
    relevance: Annotated[
        str,
        typer.Option(
            help="What relevance is measured by: vectors of these images (found by id), or their pixels.",
            metavar="VECTORS|pixels",
        ),
    ],
    output: Annotated[Path, typer.Option(help="Table to write, .csv or .tsv: query, positive, negative.")],
    count: Annotated[int, typer.Option(help="Triplets to draw.", metavar="N")] = 10_000,
    in_class: Annotated[
        float, typer.Option("--in-class", help="Share of negatives that are of the query's class.", metavar="SHARE")
    ] = 0.5,
    gap: Annotated[
        float, typer.Option(help="How much less relevant than the positive these are at least.", metavar="R")
    ] = 0.05,
    numbers: Annotated[
        bool, typer.Option("--numbers", help="Write row numbers of IMAGES, for train --catalogue, instead of paths.")
    ] = False,
    label: Annotated[str, typer.Option(help="Column of classes in a table of images.", metavar="COLUMN")] = "label",
    image_column: Annotated[
        str | None, typer.Option("--image-column", help="Column of the images in that table.", metavar="C")
    ] = None,
    image_id_column: Annotated[
        str | None, typer.Option("--image-id-column", help="Column of the ids in that table.", metavar="C")
    ] = None,
    column: Annotated[str | None, COLUMN] = None,
    distance: Annotated[str | None, DISTANCE] = None,
    seed: Annotated[int, typer.Option(min=0, help="Decides which triplets are drawn.")] = 0,
    max_megapixels: connecting.MaxMegapixels = connecting.DEFAULT_MAX_MEGAPIXELS,
    max_image_mb: connecting.MaxImageMb = connecting.DEFAULT_MAX_IMAGE_MB,
    read_timeout_s: connecting.ReadTimeoutS = connecting.DEFAULT_READ_TIMEOUT_S,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Draw triplets of query, positive and negative, with negatives within the class and outside it."""
    from analysis.datasets.triplets.class_images import read_classes
    from analysis.datasets.triplets.features import PIXELS, features_of_pixels, features_of_vectors
    from analysis.datasets.triplets.sampling import check_output, sample_triplets, write_triplets
    from lookalike.results.jobs import EXIT_BAD_ROWS
    from lookalike.results.triplets import print_triplets
    from rows.formats.opening import is_table_place
    from rows.tables import open_table
    from rows.vectors.lineage import table_distance

    check_output(output)
    vectors = None if relevance == PIXELS else Path(relevance)
    for option, value in (("--column", column), ("--distance", distance)):
        if vectors is None and value is not None:
            raise UsageError(option, expected="none beside --relevance pixels", got=repr(value))
    if numbers and not is_table_place(Path(images)):
        expected, mend = "a table of images, which train --catalogue reads", "leave it away: paths name them"
        raise UsageError("--numbers", expected=expected, got=images, mend=mend)
    require_own_files({"--output": output}, reads=(vectors,), images=(images,))
    columns = None if image_column is None else {BRANCH_INPUT: image_column}
    table = open_table(images, columns=columns, copy=[label], id_column=image_id_column)
    classes = read_classes(table, label)
    if vectors is None:
        features = features_of_pixels(classes, **reading_options(max_megapixels, max_image_mb, read_timeout_s))
    else:
        try:
            of_images = open_vectors(vectors, column, copies=False)
        except DataError as error:
            is_near = bool(difflib.get_close_matches(relevance.lower(), [PIXELS])) and not vectors.exists()
            raise (error.but(mend=f"did you mean {PIXELS}?") if is_near else error) from None
        features = features_of_vectors(
            classes, of_images, distance=table_distance(of_images.lineage, distance, where=of_images.source)
        )
    sampled = sample_triplets(classes, features, count=count, in_class=in_class, gap=gap, seed=seed)
    write_triplets(classes, sampled.drawn, output, as_numbers=numbers)
    catalogue = ["--catalogue", images, "--catalogue-path", table.streams[BRANCH_INPUT]] if numbers else []
    print_triplets(sampled, output, relevance=relevance, catalogue=catalogue, as_json=as_json)
    if sampled.bad.num:
        raise typer.Exit(EXIT_BAD_ROWS)
