"""The retry of a job's bad rows: parts that gain rows are written anew, whole, with their rows in table order.

Only bad rows are run. The vectors that are there stay as they are, whatever became of their images since.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pyarrow as pa

from artifact.arrays import Indices
from artifact.errors import DataError
from rows.tables import ImageTable, RowBatch
from serving.client.scorer import Scorer
from serving.client.windows import ScoredRows, Seen, Window
from serving.jobs.folder import JobFolder
from serving.jobs.job_manifest import COMPLETE
from serving.jobs.part_files import Part, read_errors, read_ids, read_scored_part
from serving.jobs.part_scoring import OpenPart, ScoredPart
from serving.jobs.row_windows import PartWindows, take_rows


def retry_parts(
    table: ImageTable,
    scorer: Scorer,
    folder: JobFolder,
    schema: pa.Schema,
    parts: list[Part],
    on_window: Callable[[ScoredRows], None],
) -> int:
    """Run the bad rows of some parts again and write those parts that change; gives the number of images run.

    Raises:
        DataError: the table is broken there, or changed since it was opened.
        OutputError: a part cannot be read or written.
        ServerError: the server failed, or answers with another artifact than at the start.
    """
    rows_per_part, px, num_images = folder.identity.rows_per_part, folder.identity.thumbnails_px, 0
    todo = {part.number: part for part in parts}
    ahead: deque[tuple[RowBatch, Indices]] = deque()

    def bad_rows() -> Iterator[Window]:
        number, bad, seen = -1, np.empty(0, np.int64), Seen(scorer.manifest.embedding_dim, thumbnails_px=px)
        for rows in PartWindows(table, rows_per_part, todo.__contains__, min(todo)):
            if rows.first_row // rows_per_part != number:
                number = rows.first_row // rows_per_part
                bad = _bad_rows(read_errors(folder.path, todo[number]))
                seen = Seen(scorer.manifest.embedding_dim, thumbnails_px=px)
            numbers = bad[(bad >= rows.first_row) & (bad < rows.first_row + len(rows))]
            if len(numbers):
                some = take_rows(rows, (numbers - rows.first_row).tolist())
                ahead.append((some, numbers))
                yield Window(some.given, seen)

    part: OpenPart | None = None
    number = -1
    answers = scorer.stream(bad_rows())
    try:
        for scored in answers:
            rows, numbers = ahead.popleft()
            if part is None:
                number = int(numbers[0]) // rows_per_part
                part = OpenPart(schema, number, todo[number].first_row)
            part.add(rows, scored, numbers)
            num_images += scored.num_images
            on_window(scored)
            if part.num_rows == todo[number].num_errors:
                table.require_unchanged()
                scorer.confirm()
                _replace(folder, todo[number], part.finish())
                part = None
    finally:
        answers.close()
    return num_images


def require_same_rows(table: ImageTable, folder: JobFolder) -> None:
    """Compare the ids of a table that changed with those that the job has; raises DataError where they differ."""
    parts = {part.number: part for part in folder.parts}
    windows = PartWindows(table, folder.identity.rows_per_part, parts.__contains__)
    number, ids = -1, [""]
    for rows in windows:
        if rows.first_row // folder.identity.rows_per_part != number:
            number = rows.first_row // folder.identity.rows_per_part
            ids = _ids_in_order(folder, parts[number])
        at = rows.first_row - parts[number].first_row
        if rows.ids != ids[at : at + len(rows)]:
            raise _other_rows(f"other ids from row {rows.first_row} on", table)
    if folder.state == COMPLETE and windows.table_rows != folder.table_rows:
        raise _other_rows(f"{windows.table_rows} rows instead of {folder.table_rows}", table)


def _other_rows(got: str, table: ImageTable) -> DataError:
    return DataError(
        "table that changed since it was scored",
        expected="the same rows, with images mended",
        got=got,
        where=table.source,
        mend="score it into another folder",
    )


def _ids_in_order(folder: JobFolder, part: Part) -> list[str]:
    """The id of each row that a part answers, in table order."""
    errors = read_errors(folder.path, part)
    bad = dict(zip(errors["row"].to_pylist(), errors["id"].to_pylist(), strict=True))
    good = iter(read_ids(folder.path, part)[: part.num_scored])
    return [str(bad[row]) if row in bad else next(good) for row in range(part.first_row, part.end_row)]


def _bad_rows(errors: pa.Table) -> Indices:
    """Indices of the rows in a table of errors, rising: int64 [K]."""
    return np.unique(np.array(errors["row"].to_numpy(), np.int64))


def _replace(folder: JobFolder, part: Part, retried: ScoredPart) -> None:
    """Write a part anew, with the rows that it gained among those it had; nothing where nothing became of it."""
    old = read_scored_part(folder.path, part)
    if retried.errors.equals(old.errors):
        return
    was_bad = _bad_rows(old.errors)
    had = np.setdiff1d(np.arange(part.first_row, part.end_row), was_bad)
    gained = np.setdiff1d(was_bad, _bad_rows(retried.errors))
    table = pa.concat_tables([old.table, retried.table]).take(np.argsort(np.concatenate([had, gained])))
    thumbnails = None
    if old.thumbnails is not None and retried.thumbnails is not None:
        # by their numbers: an earlier retry may have ended between the thumbnails and the part
        kept = old.thumbnails.filter(np.isin(old.thumbnails["row"].to_numpy(), had))
        thumbnails = pa.concat_tables([kept, retried.thumbnails]).sort_by("row")
    folder.add_part(
        replace(
            old,
            table=table,
            errors=retried.errors,
            num_errors=retried.num_errors,
            num_images=retried.num_images,
            thumbnails=thumbnails,
        )
    )
