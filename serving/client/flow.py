"""Windows of rows on their way: cut into batches, run by a pool, answered in order, few of them in memory.

It waits for nothing itself: its driver does, blocking (Scorer) or on an event loop (AsyncScorer), so that both do the
same.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from functools import partial

from artifact.arrays import Vectors
from artifact.errors import UnansweredError, UsageError
from artifact.images.image_error import ImageError
from artifact.model.manifest import Manifest
from serving.client.batches.runner import BatchRunner
from serving.client.batches.size import BatchSize
from serving.client.windows import ScoredRows, Window

_LEAST_IMAGES = 4
"""A smaller batch is not worth its own call, though cores be idle."""
_MOST_BYTES = 256 * 1024 * 1024
"""Of the files and pixels in windows that are not answered: the batches ahead grow with the cores, memory must not."""

Results = list[Vectors | ImageError]


class Flow:
    """The windows of one stream; to be used by one thread at a time.

    Args:
        runner: runs a batch.
        submit: hands a batch to a pool; its future is cancelled, or this raises, where the pool was closed meanwhile.
        batch_size: images of a batch.
        manifest: of the artifact.
        shares: batches that the images of a window are spread over, at least.
        ahead: batches that may be under way or wait to be taken.
    """

    def __init__(
        self,
        runner: BatchRunner,
        submit: Callable[[Callable[[], Results]], Future[Results]],
        *,
        batch_size: BatchSize,
        manifest: Manifest,
        shares: int,
        ahead: int,
    ) -> None:
        self._runner, self._hand_over, self._batch_size = runner, submit, batch_size
        self._manifest, self._shares, self._ahead = manifest, shares, ahead
        self._windows: deque[Window] = deque()
        self._uncut: deque[tuple[Window, int]] = deque()
        self._batches: deque[Future[Results]] = deque()
        self._results: Results = []
        self._is_cancelled = False
        self._process = os.getpid()

    @property
    def wants(self) -> bool:
        """Whether the next window may be put."""
        self._require_own_process()
        if len(self._batches) >= self._ahead or self._uncut:
            return False
        return not self._windows or sum(window.num_bytes for window in self._windows) < _MOST_BYTES

    @property
    def oldest(self) -> Future[Results] | None:
        """The batch to wait for; None where nothing is under way."""
        self._require_own_process()
        return self._batches[0] if self._batches else None

    def put(self, window: Window) -> None:
        """Begin with the next window."""
        self._windows.append(window)
        self._uncut.append((window, 0))
        self._submit()

    def take(self) -> list[ScoredRows]:
        """The windows that are answered with the oldest batch, in order; waits for it, and raises what it raised.

        Raises:
            UnansweredError: the pool was closed by somebody else.
        """
        try:
            self._results += self._batches.popleft().result()
        except CancelledError:
            raise closed_meanwhile() from None
        self._submit()
        answers = []
        while self._windows and len(self._results) >= len(self._windows[0].fresh):
            window = self._windows.popleft()
            answers.append(window.answer(self._results[: len(window.fresh)], self._manifest))
            del self._results[: len(window.fresh)]
        return answers

    def cancel(self) -> None:
        """Drop what has not begun; may be called twice."""
        self._is_cancelled = True
        if self._process != os.getpid():  # a lock of theirs may be held for ever by a thread that is not here
            return
        for future in list(self._batches):
            future.cancel()

    def _require_own_process(self) -> None:
        if self._process != os.getpid():  # its batches run in threads that a fork does not copy
            raise UsageError(
                "vectors asked for in a forked process",
                expected="the process that began to embed these images",
                got="a copy of it",
                mend="begin anew there",
            )

    def _submit(self) -> None:
        while self._uncut and len(self._batches) < self._ahead and not self._is_cancelled:
            window, at = self._uncut.popleft()
            end = self._runner.end_of_batch(window.fresh, at, self._size(self._runner.num_inputs(window.fresh)))
            images = window.fresh[at:end]  # nothing to run is one empty batch
            self._batches.append(self._hand_over(partial(self._runner.run, images, *window.thumbnailing(at))))
            if at + len(images) < len(window.fresh):
                self._uncut.appendleft((window, at + len(images)))

    def _size(self, num_images: int) -> int:
        num_slots = max(1, len(self._manifest.image_inputs))
        most = max(1, self._batch_size.size // num_slots) * num_slots
        share = max(_LEAST_IMAGES, -(-num_images // self._shares))
        return min(most, -(-share // num_slots) * num_slots)


def closed_meanwhile() -> UnansweredError:
    """What those get who wait while another thread closes the Scorer."""
    return UnansweredError("the scorer was closed while it was used")
