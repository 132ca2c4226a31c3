"""The pictures of a table of vectors, opened: from a table of images that somebody names, or from what its job left."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from artifact.errors import DataError
from artifact.images.limits import DEFAULT_LIMITS, Limits
from artifact.limit_options import DEFAULT_READ_TIMEOUT_S
from rows.pictures.detected import DetectedParts
from rows.pictures.joined import Pictures
from rows.pictures.written import WrittenThumbnails
from rows.tables import open_read_as
from rows.vectors.named_images import NamedImages
from rows.vectors.table import VectorTable


def open_pictures(
    table: VectorTable,
    images: Path | str | None = None,
    *,
    columns: Mapping[str, str] | None = None,
    id_column: str | None = None,
    limits: Limits = DEFAULT_LIMITS,
    read_timeout_s: float = DEFAULT_READ_TIMEOUT_S,
) -> Pictures | None:
    """The pictures of a table's rows.

    Args:
        table: of vectors.
        images: a table of images, as rows.tables.open_table takes it; None: what the job that wrote the table names,
            where that is still there, or the thumbnails that it left.
        columns: {"image": column} of the table of images, where another is meant than the default.
        id_column: its column of ids, where another is meant than the default.
        limits: larger images are not read.
        read_timeout_s: for each remote file, in seconds.

    Returns:
        None where nothing says which images they are, or nothing of it is there any more.

    Raises:
        DataError: `images` cannot be opened. UsageError: `columns` names another stream than `image`.
    """
    named = table.images
    is_job = images is None or (named is not None and os.path.abspath(images) == os.path.abspath(named.source))
    asked = named if is_job else NamedImages(source=os.fspath(images or ""))
    is_default, opened = columns is None and id_column is None, None
    if asked is not None:
        own = asked if is_default else replace(asked, columns=columns or {}, id_column=id_column, jobs=())
        try:
            opened = open_read_as(own.source, own.read_as, columns=own.columns, id_column=own.id_column)
        except DataError:
            if images is not None or not is_default:
                raise
    written = WrittenThumbnails.of(Path(table.source)) if is_job and is_default else None
    if opened is None and written is None:
        return None
    parts = DetectedParts.of(table)
    return Pictures(table.ids, opened, written=written, parts=parts, limits=limits, read_timeout_s=read_timeout_s)
