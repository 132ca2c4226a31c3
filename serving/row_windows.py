"""A table cut into the windows that a job scores: the same rows give the same windows, wherever the job began.

A window ends at the border of a part, at a number of rows, or where the files it holds in memory are too large. None of
that depends on how the table was read, so a job that goes on at a part's first row runs the batches it would have run
anyway, and the vectors are the same to the byte.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from rows.tables import ImageTable, RowBatch

ROWS_PER_WINDOW = 512
MAX_WINDOW_BYTES = 64 * 1024 * 1024
"""Of encoded images that the table itself holds."""


def row_windows(table: ImageTable, start_row: int, rows_per_part: int) -> Iterator[RowBatch]:
    """The rows from `start_row`, the first of a part, on."""
    held: list[RowBatch] = []
    num_rows = num_bytes = 0
    for batch in table.batches(min(ROWS_PER_WINDOW, rows_per_part), start_row):
        sizes = _bytes_per_row(batch)
        at = 0
        while at < len(batch):
            to_border = rows_per_part - (batch.first_row + at) % rows_per_part
            last = min(len(batch), at + min(to_border, ROWS_PER_WINDOW - num_rows))
            end = at
            while end < last and num_bytes < MAX_WINDOW_BYTES:
                num_bytes += sizes[end]
                end += 1
            held.append(_slice(batch, at, end))
            num_rows += end - at
            if end - at == to_border or num_rows == ROWS_PER_WINDOW or num_bytes >= MAX_WINDOW_BYTES:
                yield _join(held)
                held, num_rows, num_bytes = [], 0, 0
            at = end
    if held:
        yield _join(held)


def _bytes_per_row(batch: RowBatch) -> list[int]:
    return [
        sum(len(image.data) for image in images if image.data is not None)
        for images in zip(*batch.images.values(), strict=True)
    ]


def _slice(batch: RowBatch, start: int, end: int) -> RowBatch:
    if (start, end) == (0, len(batch)):
        return batch
    return RowBatch(
        first_row=batch.first_row + start,
        ids=batch.ids[start:end],
        images={name: refs[start:end] for name, refs in batch.images.items()},
        copied=batch.copied.slice(start, end - start),
    )


def _join(batches: list[RowBatch]) -> RowBatch:
    if len(batches) == 1:
        return batches[0]
    return RowBatch(
        first_row=batches[0].first_row,
        ids=[name for batch in batches for name in batch.ids],
        images={name: [ref for batch in batches for ref in batch.images[name]] for name in batches[0].images},
        copied=pa.concat_tables([batch.copied for batch in batches]),
    )
