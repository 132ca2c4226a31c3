"""The count of rows whose id an earlier row of the job has, in bounded memory.

Ids are counted by a 64-bit hash, 4 million of them at a time (64 MB while they are joined): a longer job's ids are read
over as often as that takes, each time for another share of the hashes. Two different ids among a hundred million share
a hash once in four thousand jobs, so the number is a report and nothing depends on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

IDS_AT_A_TIME = 4_000_000


def duplicate_ids(ids: Callable[[], Iterator[list[str]]], num_rows: int) -> tuple[int, str | None]:
    """(rows whose id an earlier row has, one such id or None).

    Args:
        ids: gives the ids of all rows from the start, some at a time; called as often as needed.
        num_rows: how many there are.
    """
    passes = max(1, -(-num_rows // IDS_AT_A_TIME))
    num_duplicates, example = 0, None
    for number in range(passes):
        hashes = [np.empty(0, np.int64)]
        for some in ids():
            of_some = _hashes(some)
            hashes.append(of_some if passes == 1 else of_some[of_some % passes == number])
        ordered = np.concatenate(hashes)
        hashes.clear()
        ordered.sort()
        again = np.flatnonzero(ordered[1:] == ordered[:-1])
        num_duplicates += len(again)
        if len(again) and example is None:
            example = int(ordered[again[0]])
    if example is None:
        return 0, None
    return num_duplicates, next(text for some in ids() for text in some if hash(text) == example)


def _hashes(ids: list[str]) -> npt.NDArray[np.int64]:
    return np.fromiter(map(hash, ids), np.int64, len(ids))
