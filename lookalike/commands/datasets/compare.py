"""compare: two tables of vectors, whether they differ and where."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from artifact.errors import UsageError
from lookalike.commands.options import COLUMN, DIMS, DISTANCE, JSON, VECTORS
from lookalike.commands.pictures import IMAGE_COLUMN, IMAGE_ID_COLUMN, IMAGES, NO_PICTURES, named_images
from lookalike.commands.tables import ColumnsFrom, OtherColumnsFrom, left_out_facts, open_vectors

if TYPE_CHECKING:
    from analysis.datasets.comparison.comparison import Comparison
    from rows.vectors.named_images import NamedImages


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
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Compare two sets without labels: do they differ, in which pictures, in which regions."""
    from analysis.datasets.comparison.comparing import compare_tables
    from lookalike.results.comparisons import print_comparison
    from rows.vectors.parts import require_not_input

    if output is not None and page is not None and output.resolve() == page.resolve():
        raise UsageError("--page", expected="another file than --output", got=str(page))
    if page is None and (images or other_images):
        raise UsageError("images", expected="--page FILE.html, which shows them", got="none")
    columns = (image_column, image_id_column)
    named = (
        named_images(images, *(columns if images or not other_images else ())),
        named_images(other_images, *(columns if other_images else ())),
    )
    first = open_vectors(a, column, columns_from=columns_from, dims=dims)
    second = open_vectors(b, column, columns_from=other_columns_from, dims=dims)
    for table in (first, second):
        if page is not None:
            require_not_input(page, table.source)
    found = compare_tables(
        first,
        second,
        label=label,
        distance=distance,
        output=output,
        num_regions=regions,
        every_row=every_row,
        alpha=alpha,
        relabellings=relabellings,
        seed=seed,
    )
    if page is not None:
        _write_page(page, found, (named[0] or first.images, named[1] or second.images))
    outputs = {name: str(file) for name, file in (("output", output), ("page", page)) if file is not None}
    left_out = [left_out_facts(each)["left_out"] for each in (first, second)]
    print_comparison(found.facts(), outputs, left_out={"left_out": left_out}, as_json=as_json)


def _write_page(page: Path, found: Comparison, images: tuple[NamedImages | None, NamedImages | None]) -> None:
    from lookalike import console
    from pages.comparison import PICTURE_PX, shown_ids, write_comparison
    from pages.gallery import pictures_of_ids

    facts = found.facts()
    pictures, missing = [], []
    for name, ids, named in zip("AB", shown_ids(facts), images, strict=True):
        shown, notes = pictures_of_ids(ids, named, side_px=PICTURE_PX)
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
