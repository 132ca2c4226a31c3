"""Rows that are regions: what of a table says which part of its picture each row is.

Decision a reader would question: whatever a cell holds, the row stays a row. A box that is none is a region that says
why when its picture is cut, so it ends among the bad rows with its reason, as an image that cannot be read does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from artifact.errors import DataError, UsageError
from artifact.images.preprocessing import Preprocessing
from artifact.images.region import PX, SHARE, UNITS, Box, Colour, Region
from artifact.nearest import nearest
from rows.box_cells import as_numbers, four_numbers, mask_of
from rows.box_columns import BOX, BOX_FORMATS, BOX_NAMES, BOX_TYPE, CXCYWH, OBJECT_ID, XYXY, BoxColumns
from rows.cells import is_text
from rows.images import ImageRef

FILL, KEEP = "fill", "keep"
"""What becomes of the surroundings of an object that has a mask."""
CLIP = "clip"
"""What becomes of what a crop takes beyond its picture: it is left out, or filled (FILL)."""


@dataclass(frozen=True, kw_only=True)
class RegionOptions:
    """How regions are cut out of their pictures, and of tables that do not say it themselves where the boxes are.

    Attributes:
        columns: four columns of numbers, or one of lists; None: those of the format, or found by their names.
        format: one of BOX_FORMATS; None: as the names of the columns say it.
        unit: `px` or `share`; None: pixels.
        padding: of the surroundings, as a share of the box's larger side.
        edge: `clip` or `fill`.
        background: `fill` what is outside a mask, or `keep` it.
        colour: to fill with; whoever knows the preprocessing gives its own, by default ImageNet's mean.
    """

    columns: tuple[str, ...] | None = None
    format: str | None = None
    unit: str | None = None
    padding: float = 0.0
    edge: str = CLIP
    background: str = FILL
    colour: Colour = Preprocessing(height=1, width=1).fill

    def __post_init__(self) -> None:
        for name, value, known in (
            ("--box-format", self.format, BOX_FORMATS),
            ("--box-unit", self.unit, UNITS),
            ("--region-edge", self.edge, (CLIP, FILL)),
            ("--region-background", self.background, (FILL, KEEP)),
        ):
            if value is not None and value not in known:
                raise UsageError(name, expected=f"one of {', '.join(known)}", got=value)
        if not 0 <= self.padding <= 1:
            raise UsageError("--region-padding", expected="a share from 0 to 1", got=f"{self.padding:g}")
        if self.columns is not None and (len(self.columns) not in (1, 4) or len(set(self.columns)) < len(self.columns)):
            raise UsageError(
                "--boxes", expected="four columns, or one of lists of four", got=",".join(self.columns) or "none"
            )

    def to_dict(self) -> dict[str, Any]:
        """What `from_dict` reads; plain JSON, without what is as by default."""
        default = asdict(RegionOptions())
        facts = {name: value for name, value in asdict(self).items() if value != default[name]}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in facts.items()}

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> RegionOptions:
        """Read what `to_dict` wrote; raises UsageError."""
        known = {name: facts[name] for name in cls.__dataclass_fields__ if name in facts}
        plain: dict[str, Any] = {name: tuple(each) if isinstance(each, list) else each for name, each in known.items()}
        return cls(**plain)


@dataclass(frozen=True, kw_only=True)
class RegionColumns:
    """The columns that make the rows of a table regions.

    Attributes:
        boxes: where they are.
        options: how they are cut out.
        object_id: the column that says which object a row is, and its type; None: the row's number.
    """

    boxes: BoxColumns
    options: RegionOptions
    object_id: tuple[str, pa.DataType] | None = None

    @property
    def read(self) -> tuple[str, ...]:
        """Every column that is read for them; masks only where they change something."""
        mask = self.boxes.mask if self.options.background == FILL else None
        more = () if self.object_id is None else (self.object_id[0],)
        return tuple(dict.fromkeys((*replace(self.boxes, mask=mask).all, *more)))

    @property
    def copied_fields(self) -> list[pa.Field[Any]]:
        """`object_id` and `box`, as they are copied."""
        kind = pa.int64() if self.object_id is None else self.object_id[1]
        return [pa.field(OBJECT_ID, kind), pa.field(BOX, BOX_TYPE)]

    def object_ids(self, table: pa.Table, first_row: int) -> pa.Array[Any]:
        """[rows]: which object of its picture, or of the table, each row is."""
        if self.object_id is None:
            return pa.array(np.arange(first_row, first_row + table.num_rows))
        return table[self.object_id[0]].cast(self.object_id[1]).combine_chunks()

    def box_values(self, table: pa.Table) -> npt.NDArray[np.float64]:
        """float64 [rows, 4]: corners in the unit of the boxes; NaN where there are none."""
        return self._corners(table)[0]

    def box_array(self, table: pa.Table) -> pa.Array[Any]:
        """The same as Arrow's lists."""
        return pa.FixedSizeListArray.from_arrays(pa.array(self.box_values(table).reshape(-1)), 4)

    def applied(self, table: pa.Table, refs: Sequence[ImageRef]) -> list[ImageRef]:
        """The region of each row's image."""
        corners, faults = self._corners(table)
        told = table[self.boxes.fault].to_pylist() if self.boxes.fault else [None] * table.num_rows
        masks = table[self.boxes.mask].to_pylist() if self.boxes.mask in self.read else [None] * table.num_rows
        sizes = self._sizes(table)
        made = zip(refs, map(tuple, corners.tolist()), told, masks, sizes, strict=True)
        return [
            self._region(ref, box, fault or faults.get(row), mask, size)
            for row, (ref, box, fault, mask, size) in enumerate(made)
        ]

    def _region(
        self, ref: ImageRef, box: Box, fault: str | None, mask: str | None, size: tuple[int, int] | None
    ) -> ImageRef:
        if ref.is_empty:
            return replace(ref, fault=ref.fault or fault)
        options, drawn = self.options, None
        if mask and fault is None:
            try:
                drawn = mask_of(mask, in_shares=self.boxes.unit == SHARE)
            except ValueError as error:
                fault = str(error)
        return replace(
            ref,
            region=Region(
                box=box,
                unit=self.boxes.unit,
                size=size,
                mask=drawn,
                padding=options.padding,
                outside=options.colour if options.background == FILL or options.edge == FILL else None,
                reaches_out=options.edge == FILL,
                fault=fault,
            ),
        )

    def _sizes(self, table: pa.Table) -> list[tuple[int, int] | None]:
        if self.boxes.size is None:
            return [None] * table.num_rows
        both = zip(*(table[name].to_pylist() for name in self.boxes.size), strict=True)
        return [(width, height) if width and height else None for width, height in both]

    def _corners(self, table: pa.Table) -> tuple[npt.NDArray[np.float64], dict[int, str]]:
        """float64 [rows, 4], and of rows with a cell that holds no number why."""
        faults: dict[int, str] = {}
        if len(self.boxes.columns) == 1:
            cells = table[self.boxes.columns[0]].to_pylist()
            rows = [four_numbers(value, row, faults) for row, value in enumerate(cells)]
        else:
            columns = [table[name].to_pylist() for name in self.boxes.columns]
            rows = [as_numbers(values, row, faults) for row, values in enumerate(zip(*columns, strict=True))]
        values = np.array(rows, np.float64).reshape(-1, 4)
        if self.boxes.format == XYXY:
            return values, faults
        first, sides = values[:, :2], values[:, 2:]
        if self.boxes.format == CXCYWH:
            first = first - sides / 2
        return np.concatenate([first, first + sides], axis=1), faults


def find_regions(
    schema: pa.Schema,
    own: BoxColumns | None,
    options: RegionOptions,
    *,
    where: str,
    settle: Callable[[Sequence[str]], pa.Schema],
) -> RegionColumns:
    """The columns of boxes in a table.

    Args:
        own: those of a format that has some.
        settle: gives the types of columns, as rows.formats.source.Source.settle.

    Raises:
        DataError: no boxes, or a column that is not there or can hold none; a column `object_id` of something else.
        UsageError: columns, or their format, of a table that says so itself.
    """
    boxes = own if own is not None else _named(schema, options, where)
    said = {"--boxes": options.columns, "--box-format": options.format, "--box-unit": options.unit}
    flag = next((name for name, value in said.items() if value is not None), None)
    if own is not None and flag is not None:
        raise UsageError(flag, expected="none, the format of the table says where boxes are", got="some", where=where)
    settled = settle([*boxes.columns, *([OBJECT_ID] if OBJECT_ID in schema.names else [])])
    for name in boxes.columns:
        kind = settled.field(name).type
        if not _may_hold(kind, len(boxes.columns)):
            wanted = "numbers" if len(boxes.columns) > 1 else "lists of four numbers"
            raise DataError(f'column "{name}" of boxes', expected=wanted, got=str(kind), where=where)
    identity = None
    if OBJECT_ID in schema.names:
        kind = settled.field(OBJECT_ID).type
        if not (pa.types.is_integer(kind) or is_text(kind) or pa.types.is_null(kind)):
            raise DataError(
                f'column "{OBJECT_ID}"',
                expected="whole numbers or texts",
                got=str(kind),
                where=where,
                mend="write them as such, or name the column otherwise: rows are numbered then",
            )
        if not pa.types.is_null(kind):
            identity = (OBJECT_ID, kind.value_type if isinstance(kind, pa.DictionaryType) else kind)
    return RegionColumns(boxes=boxes, options=options, object_id=identity)


def _named(schema: pa.Schema, options: RegionOptions, where: str) -> BoxColumns:
    names = schema.names
    columns = options.columns
    if columns is None:
        columns = next((each for each in BOX_NAMES if set(each) <= set(names)), None)
    if columns is None:
        raise DataError(
            "regions of a table",
            expected="boxes: columns x, y, width and height, a list bbox, or a COCO or YOLO data set",
            got=", ".join(name for name in names if name) or "an image folder",
            where=where,
            mend="name the columns with --boxes x,y,w,h, or leave out --regions",
        )
    for name in columns:
        if names.count(name) != 1:
            near = nearest(name, names)
            got = "several of that name" if name in names else "no such column"
            raise DataError(
                f'column "{name}" of boxes',
                expected=f"one of {', '.join(name for name in names if name)}",
                got=got + (f', the nearest is "{near}"' if near is not None and name not in names else ""),
                where=where,
                mend="name the right ones with --boxes",
            )
    return BoxColumns(
        columns=columns, format=options.format or BOX_NAMES.get(columns, BOX_FORMATS[0]), unit=options.unit or PX
    )


def _may_hold(kind: pa.DataType, num_columns: int) -> bool:
    types = pa.types
    if types.is_null(kind) or is_text(kind):
        return True
    if num_columns > 1:
        return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind))
    is_list = types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)
    inner: Any = kind
    return bool(is_list and _may_hold(inner.value_type, 4))
