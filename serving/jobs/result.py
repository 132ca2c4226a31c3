"""The result of a finished scoring job: its figures, what this call did, and what is odd about the rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pyarrow import parquet

from artifact.kinds import ATTRIBUTES
from artifact.model.manifest import Manifest
from artifact.model.threshold import resting_on
from artifact.modes import DETECTIONS
from rows.box_columns import OBJECT_ID
from rows.vectors.cut_vectors import SAME
from serving.jobs.folder import JobFolder


@dataclass(frozen=True, kw_only=True)
class JobResult:
    """A finished job.

    Attributes:
        num_rows: rows of the table (of the shard) = num_scored + num_errors, but for detections.
        num_scored: rows in the parts; of detections one for each object.
        num_errors: rows with an image that cannot be read or has no finite vector; errors.parquet has a line for each.
        parts: names of the part files, in table order.
        resumed_at: rows that were there before this call.
        num_images: distinct images, or rows of attributes, part by part, that this call ran.
        seconds: what this call took.
        images_per_s: num_images / seconds.
        p50_ms, p99_ms: how long the scorer's latest batches took; None where none was run.
        num_mended: rows that were bad and are scored now, by `retry_errors`.
        num_duplicate_ids: rows whose id an earlier row has.
        num_without_detections: images that could be read and in which nothing was found; None of other artifacts.
        arrays: names of the files that `output_format` asked for.
        passed_over: of an image folder, how many files it holds besides, by suffix or what else they are.
        table_notes: what else the reader of the table should know, such as splits that are read as one.
        note: what the user may want to know: that nothing was left to do, or where an earlier job was continued.
        warnings: what the user will want to know: most rows are bad, ids are not unique, or `same` was decided by a
            threshold that rests on too few pairs.
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
    num_mended: int
    num_duplicate_ids: int
    num_without_detections: int | None = None
    arrays: tuple[str, ...]
    passed_over: dict[str, int] = field(default_factory=dict)
    table_notes: tuple[str, ...] = ()
    note: str | None
    warnings: tuple[str, ...]


def num_without_detections(folder: JobFolder) -> int | None:
    """Images of a job of detections that are neither bad nor in a part: each other has one object of number 0.

    None of other jobs.
    """
    if (folder.identity.facts.get("lineage") or {}).get("mode") != DETECTIONS:
        return None
    num_with = 0
    for part in folder.parts:
        numbers = parquet.read_table(folder.path / part.file, columns=[OBJECT_ID], partitioning=None)[OBJECT_ID]
        num_with += int((numbers.to_numpy() == 0).sum())
    return folder.num_rows - folder.num_errors - num_with


def job_note(*, was_complete: bool, resumed_at: int, num_retried: int, num_mended: int) -> str | None:
    """What this call did besides scoring a table from its first row."""
    notes = []
    if resumed_at and not was_complete:
        notes.append(f"continued at row {resumed_at} where an earlier job had stopped")
    if num_retried:
        notes.append(f"bad rows tried again: {num_retried}, scored now: {num_mended}")
    if was_complete and not num_retried:
        notes.append("the job was complete already: nothing to do")
    return "; ".join(notes) or None


def job_warnings(folder: JobFolder) -> tuple[str, ...]:
    """What is odd about the rows of a finished job: a line each."""
    warnings = []
    if 2 * folder.num_errors > folder.num_rows:
        reason, number = folder.commonest_reason()
        warnings.append(
            f"more than half of the rows are bad, {folder.num_errors} of {folder.num_rows}; "
            f"the commonest reason, of {number} {_what(folder)}: {reason}"
        )
    if number := int(folder.extra["num_duplicate_ids"]):
        have = "row has an id" if number == 1 else "rows have ids"
        example = folder.extra["duplicate_id"]
        warnings.append(f"{number} {have} that an earlier row has, such as {example!r}; all rows are scored")
    return tuple(warnings)


def _what(folder: JobFolder) -> str:
    """What can be bad in its table."""
    return "rows" if (folder.identity.facts.get("lineage") or {}).get("mode") == ATTRIBUTES else "images"


def threshold_warnings(manifest: Manifest, columns: Sequence[str]) -> tuple[str, ...]:
    """A line where a job with these columns decided by a threshold that its artifact says rests on too few pairs."""
    threshold = manifest.threshold
    if SAME not in columns or threshold is None or threshold.get("is_enough", True):
        return ()
    return (f'column "{SAME}" is decided by a threshold that rests on {resting_on(threshold)}',)
