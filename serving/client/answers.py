"""Answered windows put together: the columns of all of them, as arrays or as an Arrow table with its lineage."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from artifact.arrays import Vectors
from artifact.errors import InvalidRequestError
from artifact.images.image_batch import format_bad_images
from artifact.images.image_error import ImageError
from artifact.kinds import ATTRIBUTES, BRANCH_OUTPUT
from artifact.model.manifest import Manifest
from rows.vectors.lineage import Lineage
from rows.vectors.schema import vector_array
from serving.client.detections import Detections, detections_of_row
from serving.client.vector_error import VectorError
from serving.client.windows import ScoredRows, empty_columns

_MOST_ROWS = 100
"""Of one reason in a message."""


def joined(answers: Iterable[ScoredRows], streams: Sequence[str], manifest: Manifest) -> dict[str, npt.NDArray[Any]]:
    """The columns of all windows in one; raises InvalidRequestError after all have run, naming every bad image."""
    parts = [empty_columns(streams, manifest)]
    bad: list[tuple[int, str, str]] = []
    unembedded: set[tuple[int, str]] = set()
    num_rows = 0
    for scored in answers:
        bad += [(num_rows + row, name, reason) for row, name, reason in scored.bad]
        unembedded |= {(num_rows + row, name) for row, name in scored.unembedded}
        num_rows += scored.num_rows
        parts.append(scored.columns)
    if bad:
        what = "rows of attributes" if list(streams) == [ATTRIBUTES] else "images"
        raise InvalidRequestError(_told(bad, unembedded, num_rows * len(streams), what))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def vectors_of(scored: ScoredRows, first_row: int, *, yield_bad: bool) -> Iterator[Vectors | ImageError]:
    """The vector of each row of a window of images, and of each that is bad its error.

    Raises:
        InvalidRequestError: at a bad one, unless they are to be yielded.
    """
    reasons = {row: reason for row, _, reason in scored.bad}
    unembedded = {row for row, _ in scored.unembedded}
    vectors = iter(scored.columns[BRANCH_OUTPUT])
    for row in range(scored.num_rows):
        if row not in reasons:
            yield next(vectors)
        elif yield_bad:
            yield (VectorError if row in unembedded else ImageError)(reasons[row])
        else:
            doing = "embed" if row in unembedded else "read"
            raise InvalidRequestError(f"cannot {doing} image {first_row + row}", got=reasons[row])


def detections_of(scored: ScoredRows, first_row: int, *, yield_bad: bool) -> Iterator[Detections | ImageError]:
    """The objects of each image of a window, and of each image that is bad its error; raises as `vectors_of`."""
    reasons = {row: reason for row, _, reason in scored.bad}
    for row in range(scored.num_rows):
        if row not in reasons:
            yield detections_of_row(scored.columns, scored.rows, row)
        elif yield_bad:
            yield ImageError(reasons[row])
        else:
            raise InvalidRequestError("an image that cannot be read", got=reasons[row], where=f"row {first_row + row}")


def as_table(columns: dict[str, npt.NDArray[Any]], lineage: Lineage) -> pa.Table:
    """An Arrow table of the columns; matrices become FixedSizeList<float>."""
    arrays = {name: vector_array(values) if values.ndim == 2 else pa.array(values) for name, values in columns.items()}
    return pa.table(arrays).replace_schema_metadata(lineage.to_metadata())


def _told(bad: Sequence[tuple[int, str, str]], unembedded: Set[tuple[int, str]], num_images: int, what: str) -> str:
    """One line that names every bad image: what cannot be read, in the words of a server, then what has no vector."""
    unread = [each for each in bad if each[:2] not in unembedded]
    lines = [format_bad_images(unread, num_images).replace("images", what, 1)] if unread else []
    rows: dict[tuple[str, str], list[int]] = {}
    for row, stream, reason in bad:
        if (row, stream) in unembedded:
            rows.setdefault((stream, reason), []).append(row)
    parts = [f"[row {_numbers(places)}, {stream}] {reason}" for (stream, reason), places in rows.items()]
    if parts:
        lines.append(f"cannot embed {len(bad) - len(unread)} of {num_images} {what}: " + "; ".join(parts))
    return "; ".join(lines)


def _numbers(rows: Sequence[int]) -> str:
    return ",".join(map(str, rows[:_MOST_ROWS])) + (",..." if len(rows) > _MOST_ROWS else "")
