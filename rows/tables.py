"""Tables of images: open one of any format and find its columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from artifact.errors import DataError, UsageError
from rows.box_columns import BOX, OBJECT_ID
from rows.columns import find_columns
from rows.formats.built_paths import with_built_paths
from rows.formats.folder import FolderSource
from rows.formats.opening import TableLike, open_source
from rows.formats.reading import PLAIN, Reading
from rows.formats.source import Source
from rows.image_table import DEFAULT_BATCH_BYTES, REGIONS, ImageTable, RowBatch
from rows.regions import RegionOptions, find_regions

__all__ = [
    "DEFAULT_BATCH_BYTES",
    "REGIONS",
    "ImageTable",
    "RowBatch",
    "open_read_as",
    "open_table",
    "table_of_source",
]


def open_table(
    source: TableLike,
    *,
    streams: Sequence[str] = ("image",),
    columns: Mapping[str, str] | None = None,
    copy: Sequence[str] | None = None,
    id_column: str | None = None,
    reading: Reading = PLAIN,
    regions: RegionOptions | None = None,
) -> ImageTable:
    """Open a table of images; docs/tables.md names the formats.

    Args:
        source: a file (local, or a URL such as s3://bucket/table.parquet), a folder of images or of table files, a
            pattern ("shards/*.tar", "train-{000..009}.tar"), a list of files, a pa.Table or a pa.RecordBatchReader.
            Relative image paths in a table are relative to the folder that the table is in.
        streams: the image inputs of the model.
        columns: stream -> column, where the name differs. By default the column of the stream's name; for a single
            stream also "path", "file", "filename" and "file_name" are tried, then the only column that can hold
            nothing but images.
        copy: columns to copy besides `id` and, where there is one, `label`.
        id_column: the column that becomes `id`; by default "id", else the image path of a single stream, else the
            row number; of a region the path has "#" and its object's number behind it. Ids are not checked to be
            unique: that takes memory for each row.
        reading: the format where the name does not say it, and the folder of images of a COCO file.
        regions: make each row a region of its image: an object of a COCO or YOLO data set, or by columns of boxes.

    Raises:
        DataError: no such file, no such format, no rows, no such column, or a column of the wrong type; no boxes.
        UsageError: `columns` names no stream of the model, or one column twice; regions of several streams.
    """
    reading = replace(reading, objects=regions is not None)
    opened, where = open_source(source, reading)
    shown = where if isinstance(source, (pa.Table, pa.RecordBatchReader, list, tuple)) else str(source)
    return table_of_source(
        opened,
        shown,
        streams=streams,
        columns=columns,
        copy=copy,
        id_column=id_column,
        reading=reading,
        regions=regions,
        where=where,
    )


def open_read_as(
    source: TableLike,
    read_as: Mapping[str, Any],
    *,
    columns: Mapping[str, str] | None = None,
    id_column: str | None = None,
) -> ImageTable:
    """A table of single images again as a job read it; raises as `open_table`.

    Args:
        read_as: what ImageTable.read_as gave.
    """
    options = read_as.get(REGIONS)
    return open_table(
        source,
        columns=columns,
        id_column=id_column,
        reading=Reading.from_dict(read_as),
        regions=RegionOptions.from_dict(options) if isinstance(options, Mapping) else None,
    )


def table_of_source(
    opened: Source,
    name: str,
    *,
    streams: Sequence[str] = ("image",),
    columns: Mapping[str, str] | None = None,
    copy: Sequence[str] | None = None,
    id_column: str | None = None,
    reading: Reading = PLAIN,
    regions: RegionOptions | None = None,
    where: str,
) -> ImageTable:
    """`open_table` of a source that is open already, for a caller who looks at its columns first.

    Args:
        name: the table as it was named.
        reading: how the source was opened; with its objects where `regions` are asked for.
        where: its name for messages.
    """
    if regions is not None and len(streams) > 1:
        raise UsageError(
            "regions", expected="one image a row", got=f"{len(streams)} streams: {', '.join(streams)}", where=where
        )
    if isinstance(opened, FolderSource) and len(streams) > 1:
        raise DataError(
            "table of images",
            expected=f"a table with an image column for each of {', '.join(streams)}",
            got="an image folder",
            where=where,
        )
    opened = with_built_paths(opened, (columns or {}).values(), where=where)
    found_regions = None
    if regions is not None:
        found_regions = find_regions(opened.schema, opened.boxes, regions, where=where, settle=opened.settle)
        copy = [each for each in copy or () if each not in (OBJECT_ID, BOX)]
    found = find_columns(
        opened.schema,
        streams=streams,
        columns=columns or {},
        copy=copy or (),
        id_column=id_column,
        where=where,
        settle=opened.settle,
        also=() if found_regions is None else found_regions.read,
    )
    return ImageTable(name, opened, found, where=where, reading=reading, regions=found_regions)
