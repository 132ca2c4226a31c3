"""The cutter of a stream of rows into pieces that are bounded by rows and by bytes.

Batches of a table, windows of a job and requests to a server are all cut here. Where a piece ends depends on the sizes
of the rows alone, and not on the batches in which they came. Bounds that cut nothing stand where they hold: windows
that are on their way (serving/client/flow.py), files that are read before their turn (serving/client/reading.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

import numpy as np

from artifact.arrays import Indices

Rows = TypeVar("Rows")


def cut(
    batches: Iterable[tuple[Rows, Indices | Sequence[int]]],
    *,
    max_rows: int,
    max_bytes: int,
    may_exceed: bool = False,
    first_row: int = 0,
    rows_per_part: int | None = None,
) -> Iterator[list[tuple[Rows, int, int]]]:
    """Cut rows into pieces, each as long as may be; no more than one is held back.

    A piece ends at the border of a part, at `max_rows`, or by its bytes: before the row that would take it over
    `max_bytes`, so that a larger row comes alone; or, with `may_exceed`, behind the row that takes it to `max_bytes`.

    Args:
        batches: (rows, the bytes of each: int64 [N]); batches without rows add nothing.
        max_rows, max_bytes: of a piece.
        first_row: number of the first row, for `rows_per_part`.
        rows_per_part: a piece ends where the number of the next row is a multiple of this; None for no such borders.

    Yields:
        A piece: (rows, start, end) of each batch that it has rows of, in order.
    """
    piece: list[tuple[Rows, int, int]] = []
    num_rows = num_bytes = 0
    row = first_row
    for rows, sizes in batches:
        ends = np.cumsum(sizes)
        at = 0
        while at < len(ends):
            before = int(ends[at - 1]) if at else 0
            room = max_bytes - num_bytes
            fitting = int(np.searchsorted(ends, before + room, "left" if may_exceed else "right")) - at
            fitting = fitting + 1 if may_exceed else max(fitting, 0 if piece else 1)
            to_border = max_rows if rows_per_part is None else rows_per_part - row % rows_per_part
            take = min(fitting, to_border, max_rows - num_rows, len(ends) - at)
            if take:
                piece.append((rows, at, at + take))
                num_rows, row, at = num_rows + take, row + take, at + take
                num_bytes += int(ends[at - 1]) - before
            is_full = num_rows == max_rows or take == to_border or (may_exceed and num_bytes >= max_bytes)
            if is_full or at < len(ends):
                yield piece
                piece, num_rows, num_bytes = [], 0, 0
    if piece:
        yield piece
