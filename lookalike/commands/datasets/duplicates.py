"""duplicates: groups of rows that show the same, or rows of another set that a set has already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from artifact.errors import UsageError
from lookalike.commands import connecting
from lookalike.commands.options import COLUMN, DIMS, DISTANCE, JSON, VECTORS
from lookalike.commands.pictures import (
    IMAGE_COLUMN,
    IMAGE_ID_COLUMN,
    IMAGES,
    NO_PICTURES,
    of_both,
    open_table_pictures,
    reading_options,
)
from lookalike.commands.tables import ColumnsFrom, OtherColumnsFrom, left_out_facts, open_vectors, require_own_files

if TYPE_CHECKING:
    from artifact.arrays import Numbers
    from rows.pictures.joined import Pictures
    from rows.vectors.table import VectorTable


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Files that the user asked for, and the form of what is printed."""

    output: Path
    list_keep: Path | None
    list_drop: Path | None
    page: Path | None
    as_json: bool


FIRST, CENTRAL, LARGEST, HIGHEST, LOWEST = "first", "central", "largest", "highest:", "lowest:"


def duplicates(
    vectors: Annotated[Path, VECTORS],
    output: Annotated[Path, typer.Option(help="Parquet file of all rows to write.", metavar="FILE")],
    other: Annotated[
        Path | None,
        typer.Argument(help="Another set: find which of its rows VECTORS has already.", metavar="[OTHER]"),
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(help="Largest distance of two that count as the same. [default: the artifact's]")
    ] = None,
    share: Annotated[
        float | None,
        typer.Option(help="Take the distance within which this share of the rows have their nearest other."),
    ] = None,
    keep: Annotated[
        str | None,
        typer.Option(
            help="Which of a group: central (most others near it), first, largest (picture), highest:COLUMN, "
            "lowest:COLUMN. [default: central]",
            metavar="RULE",
        ),
    ] = None,
    images: Annotated[str | None, IMAGES] = None,
    image_column: Annotated[str | None, IMAGE_COLUMN] = None,
    image_id_column: Annotated[str | None, IMAGE_ID_COLUMN] = None,
    other_images: Annotated[
        str | None, typer.Option(help="The same for OTHER. [default: what was scored]", metavar="TABLE")
    ] = None,
    by_vectors: Annotated[
        bool, typer.Option("--by-vectors", help="Read no pictures: exact copies are then equal vectors.")
    ] = False,
    list_keep: Annotated[
        Path | None, typer.Option("--list", help="Write the ids to keep, a line each.", metavar="FILE")
    ] = None,
    list_drop: Annotated[
        Path | None, typer.Option("--list-drop", help="Write the ids to drop, a line each.", metavar="FILE")
    ] = None,
    page: Annotated[Path | None, typer.Option(help="Write a page with the pictures.", metavar="FILE.html")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Decides the samples of a large table.")] = 0,
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
    """Find exact and near copies in a set, or of one set in another, and say which rows to keep."""
    writes = {"--output": output, "--list": list_keep, "--list-drop": list_drop, "--page": page}
    reads = (vectors, other, columns_from, other_columns_from)
    require_own_files(writes, reads=reads, images=(images, other_images))
    if by_vectors and (images is not None or other_images is not None):
        given = "--images" if images is not None else "--other-images"
        raise UsageError(given, expected="none with --by-vectors, which reads no pictures")
    named = of_both(images, other_images, image_column, image_id_column)
    reading = reading_options(max_megapixels, max_image_mb, read_timeout_s)
    table = open_vectors(vectors, column, columns_from=columns_from, dims=dims)
    options: dict[str, Any] = {"threshold": threshold, "share": share, "distance": distance, "seed": seed}
    outputs = Outputs(output=output, list_keep=list_keep, list_drop=list_drop, page=page, as_json=as_json)
    if other is None:
        if other_columns_from is not None:
            raise UsageError("--other-columns-from", expected="a table OTHER that it is of", got="none")
        if other_images is not None:
            raise UsageError("--other-images", expected="a table OTHER that they are of", got="none")
        _require_rule(keep or CENTRAL)
        pictures = None if by_vectors else open_table_pictures(table, *named[0], **reading)
        _find_groups(table, pictures, keep or CENTRAL, by_vectors, options, outputs)
        return
    if keep is not None:
        raise UsageError("--keep", expected="none with OTHER, whose rows are kept or dropped", got=keep)
    others = open_vectors(other, column, columns_from=other_columns_from, dims=dims)
    tables = zip((table, others), named, strict=True)
    both = [None if by_vectors else open_table_pictures(each, *images_of, **reading) for each, images_of in tables]
    _find_leaks(table, others, (both[0], both[1]), by_vectors, options, outputs)


def _find_groups(
    table: VectorTable,
    pictures: Pictures | None,
    keep: str,
    by_vectors: bool,
    options: dict[str, Any],
    outputs: Outputs,
) -> None:
    from analysis.datasets.duplicates import find_duplicates, write_duplicates
    from lookalike.progress import EventProgress
    from lookalike.results.duplicates import page_of_groups, print_duplicates, write_list
    from lookalike.results.output_columns import tell_replaced

    with EventProgress() as progress:
        worth = _worth(table, keep, pictures)
        found = find_duplicates(
            table,
            content=_hashes(pictures, by_vectors),
            worth=worth,
            report=progress.neighbours,
            **options,
        )
    _tell_content(found.content, pictures)
    tell_replaced(write_duplicates(table, found, outputs.output))
    for file, flags in ((outputs.list_keep, found.keep), (outputs.list_drop, ~found.keep)):
        write_list(file, table, flags)
    if outputs.page is not None:
        page_of_groups(outputs.page, table, found, pictures)
    print_duplicates(found, table, outputs.output, left_out=left_out_facts(table), as_json=outputs.as_json)


def _find_leaks(
    table: VectorTable,
    other: VectorTable,
    both: tuple[Pictures | None, Pictures | None],
    by_vectors: bool,
    options: dict[str, Any],
    outputs: Outputs,
) -> None:
    from analysis.datasets.leaks import find_leaks, write_leaks
    from lookalike.progress import EventProgress
    from lookalike.results.duplicates import page_of_leaks, print_leaks, write_list
    from lookalike.results.output_columns import tell_replaced

    with EventProgress() as progress:
        hashes = [_hashes(each, by_vectors) for each in both]
        found = find_leaks(
            table,
            other,
            content=None if hashes[0] is None or hashes[1] is None else (hashes[0], hashes[1]),
            report=progress.neighbours,
            **options,
        )
    _tell_content(found.content, *both)
    tell_replaced(write_leaks(table, other, found, outputs.output))
    for file, flags in ((outputs.list_keep, found.keep), (outputs.list_drop, ~found.keep)):
        write_list(file, other, flags)
    if outputs.page is not None:
        page_of_leaks(outputs.page, table, other, found, both)
    print_leaks(found, table, other, outputs.output, left_out=left_out_facts(table, other), as_json=outputs.as_json)


def _hashes(pictures: Pictures | None, by_vectors: bool) -> Sequence[str | None] | None:
    """The contents of the pictures, with a note of what is odd about them; None where there are none."""
    from lookalike import console
    from lookalike.results.duplicates import pictures_notes

    if pictures is None:
        if not by_vectors:
            console.note(f"{NO_PICTURES}; exact copies are equal vectors")
        return None
    hashes = pictures.hashes()
    for line in pictures_notes(pictures):
        console.note(line)
    return hashes


def _tell_content(compared_by: str, *pictures: Pictures | None) -> None:
    """Note where pictures are known and yet exact copies are found by vectors, all of them or some."""
    from analysis.datasets.exact_copies import BOTH, VECTORS
    from lookalike import console

    if compared_by == VECTORS and all(each is not None for each in pictures):
        console.note("no picture of a table can be read; exact copies are equal vectors")
    if compared_by == BOTH:
        console.note("rows without a picture are exact copies of rows with equal vectors")


def _require_rule(rule: str) -> None:
    if rule in (FIRST, CENTRAL, LARGEST) or (rule.startswith((HIGHEST, LOWEST)) and rule.partition(":")[2]):
        return
    expected = f"{CENTRAL}, {FIRST}, {LARGEST}, {HIGHEST}COLUMN or {LOWEST}COLUMN"
    raise UsageError("--keep", expected=expected, got=rule)


def _worth(table: VectorTable, rule: str, pictures: Pictures | None) -> Numbers | None:
    """What find_duplicates keeps the highest of; None for the central row."""
    import numpy as np

    from analysis.datasets.keeping import worth_by_column

    if rule == CENTRAL:
        return None
    if rule == FIRST:
        return -np.arange(table.num_rows, dtype=np.float64)
    if rule != LARGEST:
        name = rule.partition(":")[2]
        return worth_by_column(table, name) * (1 if rule.startswith(HIGHEST) else -1)
    if pictures is None:
        raise UsageError("--keep largest", expected="pictures", got="none", mend="name them with --images TABLE")
    from rows.pictures.thumbnail import LEAST_PX

    worth = np.full(table.num_rows, np.nan)
    for row, small in pictures.thumbnails(LEAST_PX):
        worth[row] = small.width * small.height
    return worth
