"""Score a table of images into a folder of vectors, in bounded memory; a killed job goes on where it stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from rows.tables import ImageTable
from serving.job_identity import JobIdentity
from serving.job_progress import JobProgress, latency_facts
from serving.loss_column import loss_column
from serving.output import COMPLETE, JobFolder, open_job_folder
from serving.part_scoring import score_parts
from serving.row_windows import PartWindows
from serving.scorer import Scorer
from serving.shards import WHOLE, Shard
from serving.windows import ScoredRows

DEFAULT_ROWS_PER_PART = 8192

Report = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True, kw_only=True)
class JobResult:
    """A finished job.

    Attributes:
        num_rows: rows of the table (of the shard) = num_scored + num_errors.
        num_scored: rows in the parts.
        num_errors: rows with an image that cannot be read; errors.parquet has a line for each such image.
        parts: names of the part files, in table order.
        resumed_at: rows that were there before this call.
        num_images: distinct images, part by part, that this call ran.
        seconds: what this call took.
        images_per_s: num_images / seconds.
        p50_ms, p99_ms: how long the scorer's batches took; None where none was run.
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
    p50_ms: float | None
    p99_ms: float | None
    note: str | None


def score_table(
    table: ImageTable,
    scorer: Scorer,
    output: str | Path,
    *,
    rows_per_part: int = DEFAULT_ROWS_PER_PART,
    shard: Shard = WHOLE,
    loss: bool = False,
    target: tuple[str, str] | None = None,
    report: Report | None = None,
) -> JobResult:
    """Score every row of a table into `output`.

    Writes part-*.parquet (`id`, copied columns, `embedding` or `embedding_<stream>`, `distance_*` and `same`; lineage
    in the schema metadata), errors.parquet (`id`, `stream`, `reason`; a row with a bad image is there and in no part)
    and manifest.json. Each is written whole or not at all. The same call again goes on where a killed one stopped.

    Args:
        table: a table with the streams of the artifact's kind, or with `image` alone.
        rows_per_part: rows of the table that a part answers; a kill costs one part at most, memory holds one.
        loss: add the column `loss`, float32, of each tuple alone by the loss that the artifact was trained with; and of
            pairs `different`, bool, in the place of their target (serving/loss_column.py).
        target: of pairs with `loss`: (`different` or `same`, a copied column that is 1 where they are); by default the
            copied column of either name.
        shard: answer this share of the parts only; `merge_shards` puts the folders of all together.
        report: called after each window of rows with {event: "rows", done, num_rows (None where the table cannot tell),
            num_errors, images_per_s, eta_s, p50_ms, p99_ms}, speeds of the last half minute, None where not known.

    Raises:
        UsageError: the table's streams are not the artifact's; or a loss is asked for that it does not say.
        OutputError: the folder is another job's, another artifact's or in use; or it cannot be written.
        DataError: the table is broken further down, or changed meanwhile; or a loss of pairs has no target.
        ServerError: the server failed, or answers with another artifact than at the start; finished parts are kept.
    """
    column = loss_column(scorer.manifest, table, target) if loss else None
    identity, schema = JobIdentity.of(table, scorer, rows_per_part=rows_per_part, shard=shard, loss=column)
    started = time.monotonic()
    with open_job_folder(Path(output), identity) as folder:
        resumed_at, num_images = folder.num_rows, 0
        was_complete = folder.state == COMPLETE
        if not was_complete:
            num_images, table_rows = _score_missing(table, scorer, folder, schema, report)
            folder.complete(table_rows)
        seconds = time.monotonic() - started
        return JobResult(
            num_rows=folder.num_rows,
            num_scored=folder.num_scored,
            num_errors=folder.num_errors,
            parts=tuple(part.file for part in folder.parts),
            resumed_at=resumed_at,
            num_images=num_images,
            seconds=seconds,
            images_per_s=num_images / max(seconds, 1e-9),
            **latency_facts(scorer),
            note=_note(was_complete, resumed_at),
        )


def _score_missing(
    table: ImageTable, scorer: Scorer, folder: JobFolder, schema: pa.Schema, report: Report | None
) -> tuple[int, int]:
    """Write the parts that are missing; gives the number of images run, and of rows of the table."""
    identity = folder.identity
    windows = PartWindows(table, identity.rows_per_part, folder.wants, folder.first_missing)
    num_rows = None if table.num_rows is None else identity.shard.num_rows(table.num_rows, identity.rows_per_part)
    progress = JobProgress(scorer, num_rows=num_rows, done=folder.num_rows, num_errors=folder.num_errors)

    def on_window(scored: ScoredRows) -> None:
        event = progress.add(scored)
        if report is not None:
            report(event)

    num_images = 0
    parts = score_parts(windows, table, scorer, schema, identity.rows_per_part, on_window)
    try:
        for part in parts:
            folder.add_part(part)
            num_images += part.num_images
    finally:
        parts.close()
    assert windows.table_rows is not None  # read to its end
    return num_images, windows.table_rows


def _note(was_complete: bool, resumed_at: int) -> str | None:
    if was_complete:
        return "the job was complete already: nothing to do"
    return f"continued at row {resumed_at} where an earlier job had stopped" if resumed_at else None
