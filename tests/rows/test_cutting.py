"""The cutter of rows against plain loops: where pieces end, however the rows came in batches."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest

from rows.cutting import cut


def pieces_of(sizes: list[int], batches: list[int], **bounds: int | bool | None) -> list[list[int]]:
    """The numbers of the rows of each piece, by `cut`, where the rows come in batches of these lengths."""
    places = np.cumsum([0, *batches]).tolist()
    rows = [(list(range(a, b)), sizes[a:b]) for a, b in itertools.pairwise(places)]
    first = int(bounds.get("first_row") or 0)
    return [
        [first + number for batch, start, end in piece for number in batch[start:end]]
        for piece in cut(rows, **bounds)  # type: ignore[arg-type]
    ]


def plain_pieces(
    sizes: list[int],
    *,
    max_rows: int,
    max_bytes: int,
    may_exceed: bool = False,
    first_row: int = 0,
    rows_per_part: int | None = None,
) -> list[list[int]]:
    """The same a row at a time."""
    pieces: list[list[int]] = []
    held = 0
    for number, size in enumerate(sizes, start=first_row):
        is_new = (
            not pieces
            or len(pieces[-1]) == max_rows
            or (rows_per_part is not None and number % rows_per_part == 0)
            or (held >= max_bytes if may_exceed else held + size > max_bytes)
        )
        if is_new:
            pieces.append([])
            held = 0
        pieces[-1].append(number)
        held += size
    return pieces


@pytest.mark.parametrize("may_exceed", [False, True])
def test_pieces_are_those_of_a_plain_loop(may_exceed: bool) -> None:
    """Rows of no bytes, rows over the limit, borders of parts and batches of any length among them."""
    draw = random.Random(0)
    for _ in range(300):
        sizes = [draw.choice([0, 0, 1, 5, 10, 30]) for _ in range(draw.randrange(40))]
        batches: list[int] = []
        while (left := len(sizes) - sum(batches)) > 0:
            batches.append(draw.randint(0, min(left, 9)))
        parts = draw.choice([None, 4, 7])
        bounds = {
            "max_rows": draw.choice([1, 3, 5, 100]),
            "max_bytes": draw.choice([1, 10, 25, 1000]),
            "may_exceed": may_exceed,
            "rows_per_part": parts,
            "first_row": 2 * parts if parts else 0,
        }
        assert pieces_of(sizes, batches, **bounds) == plain_pieces(sizes, **bounds)  # type: ignore[arg-type]


def test_no_more_than_a_piece_is_held_back() -> None:
    """A piece that is full comes before another batch is asked for."""
    asked: list[int] = []

    def batches() -> itertools.chain[tuple[str, list[int]]]:
        return itertools.chain((f"batch {asked.append(i) or i}", [1, 1]) for i in range(3))  # type: ignore[func-returns-value]

    pieces = cut(batches(), max_rows=2, max_bytes=100)
    assert next(pieces) == [("batch 0", 0, 2)]
    assert asked == [0]
    assert list(pieces) == [[("batch 1", 0, 2)], [("batch 2", 0, 2)]]
