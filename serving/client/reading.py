"""The files of a batch, read before its turn on a core: a core that waits for a disk or a bucket computes nothing.

Files of this machine are read one after the other by the thread that runs the batch; of object storage many at a time,
since each costs a round trip. What is very large is read in its turn, so that memory stays bounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from artifact.images.image_error import ImageError
from artifact.images.limits import DEFAULT_LIMITS
from artifact.limit_options import DEFAULT_READ_TIMEOUT_S
from rows.images import ImageRef

MAX_BYTES_AHEAD = 16 * 1024 * 1024
_REMOTE_THREADS = 32

Fetched = ImageRef | ImageError


class Reader:
    """Reads files; may be used from several threads at a time. End it with `close`.

    Args:
        max_bytes: larger files are not read.
        timeout_s: for each remote file, in seconds.
    """

    def __init__(self, max_bytes: int = DEFAULT_LIMITS.max_bytes, *, timeout_s: float = DEFAULT_READ_TIMEOUT_S) -> None:
        self._max_bytes, self._timeout_s, self._is_closed = max_bytes, timeout_s, False
        self._remote = ThreadPoolExecutor(_REMOTE_THREADS, "lookalike-read")  # a thread begins with its first use

    def fetch(self, pictures: Sequence[ImageRef]) -> list[Fetched]:
        """The pictures with their bytes in memory, or why there are none; some as they were, once these are many.

        A file of several regions is read once.
        """
        if all(picture.region is None for picture in pictures):
            return self._fetched_each(pictures)
        wholes = list(dict.fromkeys(picture.whole for picture in pictures))
        read = dict(zip(wholes, self._fetched_each(wholes), strict=True))
        return [_part(read[picture.whole], picture) for picture in pictures]

    def _fetched_each(self, pictures: Sequence[ImageRef]) -> list[Fetched]:
        if any(picture.path is not None and not isinstance(picture.path, Path) for picture in pictures):
            return list(self._remote.map(self._fetched, pictures))
        fetched: list[Fetched] = []
        num_bytes = 0
        for picture in pictures:
            got = self._fetched(picture) if num_bytes < MAX_BYTES_AHEAD else picture
            num_bytes += 0 if isinstance(got, ImageError) else got.num_bytes
            fetched.append(got)
        return fetched

    def close(self) -> None:
        """Drop what has not begun, and end what is being read from elsewhere."""
        self._is_closed = True
        self._remote.shutdown(wait=False, cancel_futures=True)

    def _fetched(self, picture: ImageRef) -> Fetched:
        if picture.path is None:
            return picture
        try:
            data = picture.read(self._max_bytes, timeout_s=self._timeout_s, is_wanted=lambda: not self._is_closed)
            return replace(picture, path=None, span=None, data=data)
        except ImageError as error:
            return error


def _part(got: Fetched, picture: ImageRef) -> Fetched:
    """The region of what was read."""
    return got if isinstance(got, ImageError) or picture.region is None else replace(got, region=picture.region)
