"""Work on images by a few threads, answered in order, few of them in memory.

Files of this machine have a thread a core. Those elsewhere cost a round trip each, so there are more of them under way;
only as many as there are cores decode at a time.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from artifact.images.cores import available_cores
from rows.images import ImageRef

REMOTE_AT_ONCE = 16
_AHEAD = 4
"""Images under way or answered and not taken, for each thread."""
_AHEAD_BYTES = 64 * 2**20
"""Of images that their table holds itself."""

Key = TypeVar("Key")
Result = TypeVar("Result")
Work = Callable[[ImageRef, threading.Semaphore, Callable[[], bool]], Result]
"""Takes an image, what to hold while it computes, and what says whether anybody still waits for it."""


def in_order(images: Iterable[tuple[Key, ImageRef]], work: Work[Result]) -> Iterator[tuple[Key, Result]]:
    """(key, result) of each image, in their order; what `work` raises is raised here.

    Whoever stops to iterate ends what is under way.
    """
    cores = available_cores()
    turn, ended = threading.BoundedSemaphore(cores), threading.Event()
    waiting: deque[tuple[Key, Future[Result], int]] = deque()
    num_bytes, most = 0, _AHEAD * cores
    here = ThreadPoolExecutor(cores, "lookalike-picture")
    elsewhere = ThreadPoolExecutor(REMOTE_AT_ONCE, "lookalike-remote-picture")  # a thread begins with its first use
    try:
        for key, image in images:
            is_remote = image.path is not None and not isinstance(image.path, Path)
            pool = elsewhere if is_remote else here
            most = max(most, _AHEAD * REMOTE_AT_ONCE) if is_remote else most
            future = pool.submit(work, image, turn, lambda: not ended.is_set())
            waiting.append((key, future, image.num_bytes))
            num_bytes += image.num_bytes
            while waiting and (len(waiting) >= most or num_bytes > _AHEAD_BYTES):
                done, result, held = waiting.popleft()
                num_bytes -= held
                yield done, result.result()
        while waiting:
            done, result, _ = waiting.popleft()
            yield done, result.result()
    finally:
        ended.set()
        for pool in (here, elsewhere):
            pool.shutdown(wait=False, cancel_futures=True)
