"""The decoder of a server: our own `load_batch` in a bounded pool of threads; Python in a repository never runs."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from artifact.errors import UnavailableError
from artifact.images.decoding import Pixels
from artifact.images.image_batch import load_batch
from artifact.images.limits import Limits
from artifact.images.preprocessing import Preprocessing
from serving.embedded.batching.queue import CANCELLED
from serving.embedded.requests.caller import Caller
from serving.protocol import QUEUE_FULL


class Decoder:
    """A pool of decoding threads that all models of a server share.

    Args:
        threads: that decode at the same time.
        max_requests: that may wait or be decoded; more are refused.
    """

    def __init__(self, threads: int, max_requests: int) -> None:
        self._room = threading.BoundedSemaphore(max_requests)
        self._pool = ThreadPoolExecutor(threads, "lookalike-decode")

    def decode(
        self,
        streams: Mapping[str, Sequence[bytes]],
        preprocessing: Preprocessing,
        limits: Limits,
        *,
        caller: Caller,
    ) -> dict[str, Pixels]:
        """{stream: N encoded images} to {stream: uint8 [N, height, width, 3]}; larger images than `limits` are bad.

        Raises:
            BadImagesError: naming every bad row, stream and reason.
            UnavailableError: too many requests, or nobody waits for this one any more.
        """
        if not self._room.acquire(blocking=False):
            raise UnavailableError(QUEUE_FULL)
        try:
            return load_batch(streams, preprocessing, limits, apply=functools.partial(self._map, caller))
        finally:
            self._room.release()

    def _map(self, caller: Caller, decode: Callable[..., Any], *rows: Iterable[Any]) -> Iterator[Any]:
        """Decode in the pool what is still wanted when its turn comes."""

        def one(*row: Any) -> Any:
            if not caller.presence.is_active():
                raise UnavailableError(CANCELLED)
            return decode(*row)

        return self._pool.map(one, *rows)

    def close(self) -> None:
        """End the threads; images that still wait are dropped."""
        self._pool.shutdown(wait=True, cancel_futures=True)
