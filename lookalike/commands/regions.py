"""Regions as commands are told of them: options that make the rows of a table objects, and how they are cut out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from artifact.errors import UsageError

if TYPE_CHECKING:
    from rows.formats.reading import Reading
    from rows.regions import RegionOptions

CROP, BOXES = "crop", "boxes"
WAYS = (CROP, BOXES)

Regions: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--regions",
        help="A vector for each object: crop its part of the picture, or hand its box to a region artifact (boxes).",
        metavar="crop|boxes",
    ),
]
Padding: TypeAlias = Annotated[
    float | None,
    typer.Option("--region-padding", help="Surroundings to take, as a share of an object's larger side.", metavar="S"),
]
Edge: TypeAlias = Annotated[
    str | None,
    typer.Option("--region-edge", help="clip at the picture's edge, or fill beyond it. [default: clip]", metavar="E"),
]
Background: TypeAlias = Annotated[
    str | None,
    typer.Option("--region-background", help="fill outside an object's mask, or keep. [default: fill]", metavar="B"),
]
Boxes: TypeAlias = Annotated[
    str | None, typer.Option("--boxes", help="Columns of boxes: x,y,w,h or one of lists.", metavar="C,...")
]
BoxFormat: TypeAlias = Annotated[
    str | None, typer.Option("--box-format", help="xywh, xyxy or cxcywh. [default: by their names]", metavar="F")
]
BoxUnit: TypeAlias = Annotated[
    str | None, typer.Option("--box-unit", help="px, or share of the picture. [default: px]", metavar="U")
]
TableFormat: TypeAlias = Annotated[
    str | None, typer.Option("--table-format", help="coco or yolo. [default: by what it is]", metavar="F")
]
ImagesFolder: TypeAlias = Annotated[
    str | None, typer.Option("--images", help="Folder of a COCO file's images. [default: beside it]", metavar="DIR")
]


def region_options(
    regions: str | None,
    *,
    padding: float | None = None,
    edge: str | None = None,
    background: str | None = None,
    boxes: str | None = None,
    box_format: str | None = None,
    box_unit: str | None = None,
) -> RegionOptions | None:
    """What the options say; None where the rows are whole images. Raises UsageError for options of no regions."""
    from rows.regions import RegionOptions

    given = {
        "padding": padding,
        "edge": edge,
        "background": background,
        "columns": None if boxes is None else tuple(boxes.split(",")),
        "format": box_format,
        "unit": box_unit,
    }
    if regions is None:
        flags = {"columns": "--boxes", "format": "--box-format", "unit": "--box-unit"}
        first = next((name for name, value in given.items() if value is not None), None)
        if first is not None:
            raise UsageError(flags.get(first, f"--region-{first}"), expected="--regions crop beside it", got="none")
        return None
    if regions not in WAYS:
        raise UsageError("--regions", expected=" or ".join(WAYS), got=repr(regions))
    if regions == BOXES:
        cut_only = {"--region-edge": edge, "--region-background": background}
        for flag, value in cut_only.items():
            if value is not None:
                expected = "none with --regions boxes: nothing is cut out"
                raise UsageError(flag, expected=expected, got=value, mend="use a branch model with --regions crop")
    return RegionOptions.from_dict({name: value for name, value in given.items() if value is not None})


def table_reading(table_format: str | None, images: str | None) -> Reading:
    """How the table is read; raises UsageError for a format that is none."""
    from rows.formats.reading import Reading

    return Reading(format=table_format, images=images)
