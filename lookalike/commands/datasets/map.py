"""map: a table of vectors in the plane, as a picture, a page or a table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from artifact.errors import UsageError
from lookalike.commands import connecting
from lookalike.commands.options import COLUMN, DIMS, DISTANCE, JSON, VECTORS
from lookalike.commands.pictures import (
    IMAGE_COLUMN,
    IMAGE_ID_COLUMN,
    IMAGES,
    named_images,
    pictures_or_note,
    reading_options,
    require_shown,
)
from lookalike.commands.tables import ColumnsFrom, left_out_facts, open_vectors, require_no_method, require_own_files

TABLE_SUFFIX = ".parquet"


def map(  # noqa: A001 - the command's name
    vectors: Annotated[Path, VECTORS],
    output: Annotated[
        list[Path],
        typer.Option(help="File: .png, .svg, .html, or .parquet for the layout; may be repeated.", metavar="FILE"),
    ],
    method: Annotated[
        str | None,
        typer.Option(help="pca, or umap or pacmap (pip install 'lookalike[map]'). [default: pca, or the layout's]"),
    ] = None,
    color: Annotated[
        str | None, typer.Option(help="Column that colours the points: classes, numbers or dates.", metavar="COLUMN")
    ] = None,
    layout: Annotated[
        Path | None,
        typer.Option(help="An old map (.parquet): put the vectors on it; its points stay.", metavar="OLD"),
    ] = None,
    layout_vectors: Annotated[
        Path | None, typer.Option(help="The old map's vectors, where they do not lie any more where they lay.")
    ] = None,
    neighbours: Annotated[
        int | None, typer.Option(min=2, help="Neighbours that umap and pacmap look at. [default: 15 and 10]")
    ] = None,
    fit: Annotated[
        int | None,
        typer.Option(
            min=8, help="Rows that umap and pacmap lay out; others are put among them. [default: 50,000]", metavar="N"
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="The same gives the same map. [default: 0]")] = None,
    dark: Annotated[bool, typer.Option("--dark", help="A .png on dark paper; the others follow who looks.")] = False,
    pictures: Annotated[
        bool, typer.Option("--pictures", help="Draw the images too, small, wherever they do not cover each other.")
    ] = False,
    images: Annotated[str | None, IMAGES] = None,
    image_column: Annotated[str | None, IMAGE_COLUMN] = None,
    image_id_column: Annotated[str | None, IMAGE_ID_COLUMN] = None,
    dims: Annotated[int | None, DIMS] = None,
    column: Annotated[str | None, COLUMN] = None,
    columns_from: ColumnsFrom = None,
    distance: Annotated[str | None, DISTANCE] = None,
    max_megapixels: connecting.MaxMegapixels = connecting.DEFAULT_MAX_MEGAPIXELS,
    max_image_mb: connecting.MaxImageMb = connecting.DEFAULT_MAX_IMAGE_MB,
    read_timeout_s: connecting.ReadTimeoutS = connecting.DEFAULT_READ_TIMEOUT_S,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Lay vectors out in the plane by PCA, UMAP or PaCMAP, draw them, and put new ones on an old map."""
    from analysis.datasets.maps.laying_out import FITTED_ROWS, lay_out
    from analysis.datasets.maps.layout import Layout
    from analysis.datasets.maps.methods import PCA, require_method
    from analysis.datasets.maps.placing import place
    from lookalike import console
    from lookalike.progress import EventProgress
    from lookalike.results.maps import map_of, print_map, with_pictures
    from pages.colouring import by_column
    from pages.map import write_map

    reading = reading_options(max_megapixels, max_image_mb, read_timeout_s)
    for file in output:
        _require_suffix(file)
    reads = (vectors, layout, layout_vectors, columns_from)
    require_own_files({"--output": output}, reads=reads, images=(images,))
    if layout is not None:
        given = {"--method": method, "--neighbours": neighbours, "--seed": seed, "--fit": fit}
        require_no_method(layout, given)
    elif layout_vectors is not None:
        raise UsageError("--layout-vectors", expected="a map to put vectors on, with --layout", got="none")
    require_method(method or PCA)
    require_shown(pictures, "--pictures", images, image_column, image_id_column)
    named_images(images, image_column, image_id_column)  # there is such a table, and its columns
    old = None if layout is None else Layout.open(layout)
    if old is not None and old.vectors is not None:
        require_own_files({"--output": output}, reads=(Path(old.vectors.source),))
    table = open_vectors(vectors, column, columns_from=columns_from, dims=dims)
    values = None if color is None else table.column(color)
    if values is not None and color is not None:
        by_column(values, color)  # it can be colours: else minutes would pass before that is told
    with EventProgress() as progress:
        if old is not None:
            anchors = None if layout_vectors is None else open_vectors(layout_vectors, column, dims=dims)
            found = place(old, table, vectors=anchors, distance=distance, report=progress.report)
        else:
            found = lay_out(
                table,
                method or PCA,
                seed=seed or 0,
                neighbours=neighbours,
                distance=distance,
                max_fitted=fit or FITTED_ROWS,
                report=progress.report,
            )
    drawn = map_of(found, vectors.name, old=old, values=values, color=color)
    if pictures:
        opened = pictures_or_note(table, images, image_column, image_id_column, **reading)
        if opened is not None:
            drawn = with_pictures(drawn, opened, say=console.note)
    for file in output:
        if file.suffix.lower() == TABLE_SUFFIX:
            found.save(file)
        else:
            write_map(file, drawn, is_dark=dark)
    print_map(found, output, left_out=left_out_facts(table), as_json=as_json)


def _require_suffix(file: Path) -> None:
    from pages.map import MAP_SUFFIXES

    if file.suffix.lower() not in (*MAP_SUFFIXES, TABLE_SUFFIX):
        raise UsageError(
            "output", expected=f"a file that ends in {', '.join((*MAP_SUFFIXES, TABLE_SUFFIX))}", got=str(file)
        )
