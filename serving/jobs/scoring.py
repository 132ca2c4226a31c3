"""A scoring job: a table of images into a folder of vectors, in bounded memory; after a kill it goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa

from artifact.errors import UsageError
from artifact.events import Report
from artifact.kinds import BRANCH_INPUT
from artifact.model.manifest import Manifest
from rows.tables import ImageTable
from serving.client.scorer import Scorer
from serving.jobs.arrays import require_format, write_arrays
from serving.jobs.claiming import open_job_folder
from serving.jobs.folder import JobFolder
from serving.jobs.identity import MAX_ROWS_PER_PART, JobIdentity
from serving.jobs.job_manifest import COMPLETE
from serving.jobs.loss_column import loss_column
from serving.jobs.part_files import Part
from serving.jobs.part_scoring import score_parts
from serving.jobs.progress import JobProgress, latency_facts
from serving.jobs.result import JobResult, job_note, job_warnings, num_without_detections, threshold_warnings
from serving.jobs.retrying import require_same_rows, retry_parts
from serving.jobs.row_windows import PartWindows
from serving.jobs.shards import WHOLE, Shard

__all__ = ["DEFAULT_ROWS_PER_PART", "JobResult", "PartMaker", "default_rows_per_part", "score_table"]

DEFAULT_ROWS_PER_PART = 8192


def default_rows_per_part(manifest: Manifest) -> int:
    """Rows of the table in a part; of detections as many images as may give the rows of the largest part of others."""
    return max(1, min(DEFAULT_ROWS_PER_PART, MAX_ROWS_PER_PART // (manifest.detections or 1)))


PartMaker = Callable[[ImageTable, Scorer, JobFolder, pa.Schema, Report | None], tuple[int, int]]
"""Writes the missing parts of a job; gives the number of images run, and of rows of the table."""


def score_table(
    table: ImageTable,
    scorer: Scorer,
    output: str | Path,
    *,
    rows_per_part: int | None = None,
    shard: Shard = WHOLE,
    loss: bool = False,
    thumbnails_px: int | None = None,
    target: tuple[str, str] | None = None,
    retry_errors: bool = False,
    output_format: str = "parquet",
    engine: PartMaker | None = None,
    report: Report | None = None,
) -> JobResult:
    """Score every row of a table into `output`.

    Writes part-*.parquet (`id`, copied columns, `embedding` or `embedding_<stream>`, `distance_*` and `same`; lineage
    in the schema metadata), errors.parquet (`id`, `stream`, `reason`; a row with a bad image is there and in no part)
    and manifest.json. Each is written whole or not at all. The same call again goes on where a killed one stopped.

    Args:
        table: a table with the streams of the artifact's kind, or with `image` alone.
        rows_per_part: rows of the table that a part answers; a kill costs one part at most, memory holds one.
            None: what default_rows_per_part gives.
        shard: answer this share of the parts only; `merge_shards` puts the folders of all together.
        loss: add the column `loss`, float32, of each tuple alone by the loss that the artifact was trained with; and of
            pairs `different`, bool, in the place of their target (serving/jobs/loss_column.py).
        thumbnails_px: write thumbnails-*.parquet beside the parts (rows/pictures/written.py): of each row's image a
            picture at most that wide and high, the size of the original and the SHA-256 of its file. They are made
            from what is read for the network. For tables with one image a row.
        target: of pairs with `loss`: (`different` or `same`, a copied column that is 1 where they are); by default the
            copied column of either name.
        retry_errors: run the rows that were bad before this call again; the table may have changed meanwhile, by
            mended images, as long as its ids are the same.
        output_format: `npy` or `npz` writes arrays beside the parts when all rows are answered (see arrays.py).
        engine: who makes the missing parts, such as serving.on_ray.scoring.RayEngine; by default this process.
        report: called after each window of rows with {event: "rows", done, num_rows (None where the table cannot tell),
            num_errors, images_per_s, eta_s, p50_ms, p99_ms}, speeds of the last half minute, None where not known; and
            with {event: "note", message} for what a table holds besides, before the first or, where only reading
            tells, behind the last.

    Raises:
        UsageError: the table's streams are not the artifact's; no such format; a loss that the artifact does not say;
            thumbnails of several streams, or of a size that they cannot have.
        OutputError: the folder is another job's, another artifact's or in use; or it cannot be written.
        DataError: the table is broken further down, or changed meanwhile; or a loss of pairs has no target.
        ServerError: the server failed, or answers with another artifact than at the start; finished parts are kept.
    """
    require_format(output_format)
    table.allow_images(scorer.limits.max_bytes)
    if scorer.manifest.detections is not None:
        _require_plain_images(table, loss=loss, thumbnails_px=thumbnails_px, retry_errors=retry_errors)
    rows_per_part = default_rows_per_part(scorer.manifest) if rows_per_part is None else rows_per_part
    column = loss_column(scorer.manifest, table, target) if loss else None
    identity, schema = JobIdentity.of(
        table, scorer, rows_per_part=rows_per_part, shard=shard, loss=column, thumbnails_px=thumbnails_px
    )
    started = time.monotonic()
    with open_job_folder(Path(output), identity, mended=retry_errors) as folder:
        if retry_errors and folder.identity.job["table"] != identity.job["table"]:
            require_same_rows(table, folder)
        told = _tell(table, folder, report)
        was_complete, resumed_at, table_rows = folder.state == COMPLETE, folder.num_rows, folder.table_rows
        bad = [part for part in folder.parts if part.num_errors] if retry_errors else []
        num_images = num_mended = 0
        if not was_complete:
            num_images, table_rows = (engine or _score_missing)(table, scorer, folder, schema, report)
        if bad:
            folder.reopen(identity.job["table"])
            num_retried_images, num_mended = _retry(table, scorer, folder, schema, bad, report)
            num_images += num_retried_images
        _tell(table, folder, report, told)  # what a table that is read once shows by then
        if folder.state != COMPLETE:
            folder.complete(table_rows)
        arrays = write_arrays(folder, output_format)
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
            num_mended=num_mended,
            num_duplicate_ids=int(folder.extra["num_duplicate_ids"]),
            num_without_detections=num_without_detections(folder),
            arrays=arrays,
            passed_over=table.passed_over,
            table_notes=tuple(table.notes),
            note=job_note(
                was_complete=was_complete,
                resumed_at=resumed_at,
                num_retried=sum(part.num_errors for part in bad),
                num_mended=num_mended,
            ),
            warnings=(*job_warnings(folder), *threshold_warnings(scorer.manifest, schema.names)),
        )


def _require_plain_images(table: ImageTable, *, loss: bool, thumbnails_px: int | None, retry_errors: bool) -> None:
    """Raise UsageError for what makes no sense, or cannot be done, where an image has any number of rows."""
    if list(table.streams) != [BRANCH_INPUT] or loss:
        raise UsageError("detections", expected="a table with one image a row", got=", ".join(table.streams))
    if table.regions is not None:
        raise UsageError(
            "--regions",
            expected="whole pictures, in which the model finds the objects itself",
            got="a table of regions",
            mend="leave it out, or take a model that gives one vector an image",
        )
    for option, is_given in (("thumbnails", thumbnails_px is not None), ("retry_errors", retry_errors)):
        if is_given:
            raise UsageError(
                option, expected="a model that gives one vector an image", got="one of detections", mend="leave it out"
            )


def _tell(table: ImageTable, folder: JobFolder, report: Report | None, told: Sequence[str] = ()) -> list[str]:
    """Say what a table holds besides, but for the lines that were told, and keep it for the manifest."""
    if table.passed_over:
        folder.extra["passed_over"] = table.passed_over
    notes = table.notes
    for line in notes:
        if report is not None and line not in told:
            report({"event": "note", "message": line})
    return notes


def _score_missing(
    table: ImageTable, scorer: Scorer, folder: JobFolder, schema: pa.Schema, report: Report | None
) -> tuple[int, int]:
    """Write the parts that are missing; gives the number of images run, and of rows of the table."""
    identity = folder.identity
    windows = PartWindows(table, identity.rows_per_part, folder.wants, folder.first_missing)
    num_rows = None if table.num_rows is None else identity.shard.num_rows(table.num_rows, identity.rows_per_part)
    progress = JobProgress(scorer, num_rows=num_rows, done=folder.num_rows, num_errors=folder.num_errors, report=report)
    num_images = 0
    parts = score_parts(
        windows,
        table,
        scorer,
        schema,
        identity.rows_per_part,
        progress.add,
        thumbnails_px=identity.thumbnails_px,
    )
    try:
        for part in parts:
            folder.add_part(part)
            num_images += part.num_images
    finally:
        parts.close()
    assert windows.table_rows is not None  # read to its end
    return num_images, windows.table_rows


def _retry(
    table: ImageTable, scorer: Scorer, folder: JobFolder, schema: pa.Schema, bad: list[Part], report: Report | None
) -> tuple[int, int]:
    """Run the bad rows of some parts again; gives the number of images run, and of rows that are scored now."""
    num_bad, num_errors = sum(part.num_errors for part in bad), folder.num_errors
    progress = JobProgress(scorer, num_rows=num_bad, done=0, num_errors=0, report=report)
    num_images = retry_parts(table, scorer, folder, schema, bad, progress.add)
    return num_images, num_errors - folder.num_errors
