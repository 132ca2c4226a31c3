"""Score a table of images into a folder of vectors, in bounded memory; a killed job goes on where it stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from artifact.errors import UsageError
from rows.lineage import Lineage
from rows.tables import ImageTable, RowBatch
from rows.vectors import vector_array, vector_schema
from serving.output import COMPLETE, JobFolder, errors_schema, open_job_folder
from serving.row_windows import row_windows
from serving.scorer import Scorer
from serving.windows import ScoredRows, Seen, Window, empty_columns

DEFAULT_ROWS_PER_PART = 8192


@dataclass(frozen=True, kw_only=True)
class JobResult:
    """A finished job.

    Attributes:
        num_rows: rows of the table = num_scored + num_errors.
        num_scored: rows in the parts.
        num_errors: rows with an image that cannot be read; errors.parquet has a line for each such image.
        parts: names of the part files, in table order.
        resumed_at: first row that this call did; the rest was there.
        num_images: distinct images, window by window, that this call ran.
        seconds: what this call took.
        images_per_s: num_images / seconds.
        note: what the user may want to know: that nothing was left to do, or where an earlier job was continued.
    """

    num_rows: int
    num_scored: int
    num_errors: int
    parts: tuple[str, ...]
    resumed_at: int
    num_images: int
    seconds: float
    images_per_s: float
    note: str | None


def score_table(
    table: ImageTable,
    scorer: Scorer,
    output: str | Path,
    *,
    rows_per_part: int = DEFAULT_ROWS_PER_PART,
    report: Callable[[Mapping[str, Any]], None] | None = None,
) -> JobResult:
    """Score every row of a table into `output`.

    Writes part-*.parquet (`id`, copied columns, `embedding` or `embedding_<stream>`, `distance_*` and `same`; lineage
    in the schema metadata), errors.parquet (`id`, `stream`, `reason`; a row with a bad image is there and in no part)
    and manifest.json. Each is written whole or not at all. The same call again goes on where a killed one stopped.

    Args:
        table: a table with the streams of the artifact's kind, or with `image` alone.
        rows_per_part: rows of the table that a part answers; a kill costs one part at most, memory holds one.
        report: called after each window of rows with {event: "rows", done, num_rows (None where the table cannot tell),
            num_errors, images_per_s}.

    Raises:
        UsageError: the table's streams are not the artifact's.
        OutputError: the folder is another job's, another artifact's or in use; or it cannot be written.
        DataError: the table is broken further down.
        ServerError: the server failed, or answers with another artifact than at the start; finished parts are kept.
    """
    if rows_per_part < 1:
        raise UsageError("rows_per_part", expected="at least 1", got=str(rows_per_part))
    scorer.require_streams(list(table.streams))
    schema = _part_schema(table, scorer)
    job = {
        "table": table.fingerprint,
        "artifact": scorer.digest,
        "rows_per_part": rows_per_part,
        "columns": [f"{field.name}: {field.type}" for field in schema],
    }
    facts = {
        "source": str(table.source),
        "streams": table.streams,
        "lineage": _lineage_facts(scorer.lineage),
    }
    started = time.monotonic()
    with open_job_folder(Path(output), job, facts) as folder:
        resumed_at, num_images = folder.next_row, 0
        was_complete = folder.state == COMPLETE
        if not was_complete:
            num_images = _score_rest(table, scorer, folder, schema, rows_per_part, report)
            folder.complete(table.id_type)
        seconds = time.monotonic() - started
        return JobResult(
            num_rows=folder.next_row,
            num_scored=sum(part.num_scored for part in folder.parts),
            num_errors=sum(part.num_errors for part in folder.parts),
            parts=tuple(part.file for part in folder.parts),
            resumed_at=resumed_at,
            num_images=num_images,
            seconds=seconds,
            images_per_s=num_images / max(seconds, 1e-9),
            note=_note(was_complete, resumed_at),
        )


def _score_rest(
    table: ImageTable,
    scorer: Scorer,
    folder: JobFolder,
    schema: pa.Schema,
    rows_per_part: int,
    report: Callable[[Mapping[str, Any]], None] | None,
) -> int:
    """Write the parts that are missing; gives the number of images run."""
    started, num_images = time.monotonic(), 0
    earlier_errors = sum(part.num_errors for part in folder.parts)
    part = _OpenPart(schema, table.id_type)
    ahead: list[RowBatch] = []

    def windows() -> Iterator[Window]:
        seen = Seen(scorer.manifest.embedding_dim)
        for batch in row_windows(table, folder.next_row, rows_per_part):
            if batch.first_row % rows_per_part == 0:  # a part never looks back: it can be made again alone
                seen = Seen(scorer.manifest.embedding_dim)
            ahead.append(batch)
            yield Window(batch.images, seen)

    answers = scorer.stream(windows())
    try:
        for scored in answers:
            num_images += scored.num_images
            part.add(ahead.pop(0), scored)
            if report is not None:
                report(
                    {
                        "event": "rows",
                        "done": folder.next_row + part.num_rows,
                        "num_rows": table.num_rows,
                        "num_errors": earlier_errors + part.num_errors,
                        "images_per_s": num_images / max(time.monotonic() - started, 1e-9),
                    }
                )
            if part.num_rows == rows_per_part:
                earlier_errors += part.num_errors
                part.finish(folder, scorer)
                part = _OpenPart(schema, table.id_type)
        if part.num_rows:
            part.finish(folder, scorer)
    finally:
        answers.close()
    return num_images


class _OpenPart:
    """The part that is being filled."""

    def __init__(self, schema: pa.Schema, id_type: pa.DataType) -> None:
        self._schema, self._errors_schema = schema, errors_schema(id_type)
        self._tables: list[pa.Table] = []
        self._errors: list[pa.Table] = []
        self.num_rows = self.num_errors = 0

    def add(self, batch: RowBatch, scored: ScoredRows) -> None:
        """Append a window: its good rows here, its bad images there."""
        columns = dict(zip(batch.copied.column_names, batch.copied.take(scored.rows).columns, strict=True))
        columns |= {name: _arrow(values) for name, values in scored.columns.items()}
        self._tables.append(pa.table([columns[name] for name in self._schema.names], schema=self._schema))
        bad = batch.copied["id"].take(pa.array([row for row, _, _ in scored.bad], pa.int64()))
        texts = [pa.array([error[place] for error in scored.bad], pa.string()) for place in (1, 2)]
        self._errors.append(pa.table([bad, *texts], schema=self._errors_schema))
        self.num_rows += scored.num_rows
        self.num_errors += scored.num_rows - len(scored.rows)

    def finish(self, folder: JobFolder, scorer: Scorer) -> None:
        """Write it, if the artifact that gave its vectors is still the one the job began with."""
        scorer.confirm()
        folder.add_part(
            pa.concat_tables(self._tables),
            num_rows=self.num_rows,
            errors=pa.concat_tables(self._errors),
            num_errors=self.num_errors,
        )


def _part_schema(table: ImageTable, scorer: Scorer) -> pa.Schema:
    """Schema of every part, the lineage in its metadata."""
    columns = empty_columns(list(table.streams), scorer.manifest)
    dims = {name: values.shape[1] for name, values in columns.items() if values.ndim == 2}
    scalars = {name: pa.from_numpy_dtype(values.dtype) for name, values in columns.items() if values.ndim == 1}
    return vector_schema(table.copied_schema, dims, scalars=scalars, lineage=scorer.lineage)


def _arrow(values: Any) -> pa.ChunkedArray[Any]:
    return pa.chunked_array([vector_array(values) if values.ndim == 2 else pa.array(values)])


def _lineage_facts(lineage: Lineage) -> dict[str, Any]:
    return {key: getattr(lineage, key) for key in lineage.__dataclass_fields__}


def _note(was_complete: bool, resumed_at: int) -> str | None:
    if was_complete:
        return "the job was complete already: nothing to do"
    return f"continued at row {resumed_at} where an earlier job had stopped" if resumed_at else None
