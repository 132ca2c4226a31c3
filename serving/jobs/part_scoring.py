"""The parts of a job, each scored from its own rows alone: any part can be made anywhere, at any time, in any order.

A part never looks back: an image that stands in two parts runs twice. That is what makes a part of a resumed job, of a
shard, or of a worker on another machine the same to the byte as that of one job from start to end (on one processor,
in-process).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rows.box_columns import OBJECT_ID
from rows.pictures.written import thumbnails_table
from rows.tables import ImageTable, RowBatch
from rows.vectors.schema import vector_array, vector_schema
from serving.client.scorer import Scorer
from serving.client.windows import ScoredRows, Seen, Window, empty_columns
from serving.jobs.detection_rows import detection_rows, detection_schema
from serving.jobs.loss_column import LossColumn
from serving.jobs.row_windows import PartWindows


@dataclass(frozen=True, kw_only=True)
class ScoredPart:
    """One part, answered and not yet written.

    Attributes:
        number: from 0; it holds the rows from number * rows_per_part on.
        first_row, num_rows: the rows of the table that it answers; 0 of them where the table has ended before it.
        table: the scored rows in table order, as `part_schema`.
        errors: the bad images by row, as `errors_schema`.
        num_errors: rows that have bad images = num_rows - table.num_rows, but for detections.
        num_images: distinct images that were run for it.
        thumbnails: of the rows of `table`, as rows.pictures.written.thumbnails_schema; None: none were asked for.
    """

    number: int
    first_row: int
    num_rows: int
    table: pa.Table
    errors: pa.Table
    num_errors: int
    num_images: int
    thumbnails: pa.Table | None = None


def part_schema(table: ImageTable, scorer: Scorer, loss: LossColumn | None = None) -> pa.Schema:
    """Schema of every part, the lineage in its metadata; raises DataError where a copied column has a taken name."""
    if scorer.manifest.detections is not None:
        return detection_schema(table.copied_schema, scorer.manifest, scorer.lineage)
    added = loss.fields if loss is not None else []
    columns = empty_columns(list(table.streams), scorer.manifest)
    dims = {name: values.shape[1] for name, values in columns.items() if values.ndim == 2}
    scalars = {name: pa.from_numpy_dtype(values.dtype) for name, values in columns.items() if values.ndim == 1}
    scalars |= {field.name: field.type for field in added}
    copied = loss.kept(table.copied_schema) if loss is not None else table.copied_schema
    schema = vector_schema(copied, dims, scalars=scalars, lineage=scorer.lineage)
    for field in added:  # with its metadata
        schema = schema.set(schema.get_field_index(field.name), field)
    return schema


def errors_schema(id_type: pa.DataType) -> pa.Schema:
    """One line for each bad image: the row's number in the table, its id, the stream, the reason."""
    return pa.schema({"row": pa.int64(), "id": id_type, "stream": pa.string(), "reason": pa.string()})


def score_part(
    table: ImageTable,
    scorer: Scorer,
    schema: pa.Schema,
    *,
    number: int,
    rows_per_part: int,
    table_rows: int | None = None,
    thumbnails_px: int | None = None,
) -> ScoredPart:
    """Score the rows of one part: those from number * rows_per_part on, up to rows_per_part of them.

    Args:
        schema: what `part_schema` gives.
        table_rows: of the table, where somebody counted them: a CSV is then read no further than the part.
        thumbnails_px: as for `score_parts`.

    Raises:
        DataError: the table is broken there, or changed since it was opened.
        ServerError: the server failed, or answers with another artifact than at the start.
    """
    windows = PartWindows(table, rows_per_part, lambda each: each == number, number)
    if table_rows is not None:
        windows.table_rows = table_rows
    for part in score_parts(windows, table, scorer, schema, rows_per_part, thumbnails_px=thumbnails_px):
        return part
    none = OpenPart(schema, number, number * rows_per_part)
    return none.finish()


def score_parts(
    windows: PartWindows,
    table: ImageTable,
    scorer: Scorer,
    schema: pa.Schema,
    rows_per_part: int,
    on_window: Callable[[ScoredRows], None] = lambda _: None,
    *,
    thumbnails_px: int | None = None,
) -> Generator[ScoredPart, None, None]:
    """The parts of some windows, in table order; the next part is under way before one has ended.

    Args:
        on_window: called after each window of rows.
        thumbnails_px: make thumbnails of single images too, at most that wide and high.
    """
    ahead: deque[RowBatch] = deque()

    def fresh_windows() -> Iterator[Window]:
        seen, number = Seen(scorer.manifest.embedding_dim, thumbnails_px=thumbnails_px), None
        for rows in windows:
            if rows.first_row // rows_per_part != number:
                number = rows.first_row // rows_per_part
                seen = Seen(scorer.manifest.embedding_dim, thumbnails_px=thumbnails_px)
            ahead.append(rows)
            yield Window(rows.given, seen)

    def confirmed(part: OpenPart) -> ScoredPart:
        table.require_unchanged()
        scorer.confirm()
        return part.finish()

    part: OpenPart | None = None
    answers = scorer.stream(fresh_windows())
    try:
        for scored in answers:
            rows = ahead.popleft()
            if part is None:
                part = OpenPart(schema, rows.first_row // rows_per_part, rows.first_row)
            part.add(rows, scored, np.arange(rows.first_row, rows.first_row + len(rows)))
            on_window(scored)
            if part.num_rows == rows_per_part:
                yield confirmed(part)
                part = None
        if part is not None:
            yield confirmed(part)
    finally:
        answers.close()


class OpenPart:
    """The part that is being filled."""

    def __init__(self, schema: pa.Schema, number: int, first_row: int) -> None:
        self._schema, self._errors_schema = schema, errors_schema(schema.field("id").type)
        self._loss = LossColumn.from_schema(schema)
        self._number, self._first_row = number, first_row
        self._tables: list[pa.Table] = [schema.empty_table()]
        self._errors: list[pa.Table] = [self._errors_schema.empty_table()]
        self._thumbnails: list[pa.Table] = []
        self.num_rows = self._num_images = self._num_errors = 0

    def add(self, batch: RowBatch, scored: ScoredRows, numbers: npt.NDArray[np.int64]) -> None:
        """Append a window, whose rows have these numbers in the table: its good rows here, its bad images there."""
        copied = batch.copied.take(scored.rows)
        if OBJECT_ID in scored.columns:
            columns = detection_rows(copied, scored.columns)
        else:
            columns = dict(zip(copied.column_names, copied.columns, strict=True))
            columns |= {name: _arrow(values) for name, values in scored.columns.items()}
        if self._loss is not None:
            columns |= self._loss.columns(scored.columns, copied, numbers[scored.rows])
        self._tables.append(pa.table([columns[name] for name in self._schema.names], schema=self._schema))
        if scored.thumbnails is not None:
            self._thumbnails.append(thumbnails_table(numbers[scored.rows], copied["id"], scored.thumbnails))
        places = pa.array([row for row, _, _ in scored.bad], pa.int64())
        texts = [pa.array([error[place] for error in scored.bad], pa.string()) for place in (1, 2)]
        rows = pa.array([int(numbers[row]) for row, _, _ in scored.bad], pa.int64())
        bad = [rows, batch.copied["id"].take(places).cast(self._errors_schema.field("id").type), *texts]
        self._errors.append(pa.table(bad, schema=self._errors_schema))
        self.num_rows += scored.num_rows
        self._num_errors += scored.num_errors
        self._num_images += scored.num_images

    def finish(self) -> ScoredPart:
        """The part as it stands."""
        table = pa.concat_tables(self._tables[1:] or self._tables)
        return ScoredPart(
            number=self._number,
            first_row=self._first_row,
            num_rows=self.num_rows,
            table=table,
            errors=pa.concat_tables(self._errors),
            num_errors=self._num_errors,
            num_images=self._num_images,
            thumbnails=pa.concat_tables(self._thumbnails) if self._thumbnails else None,
        )


def _arrow(values: Any) -> pa.ChunkedArray[Any]:
    return pa.chunked_array([vector_array(values) if values.ndim == 2 else pa.array(values)])
