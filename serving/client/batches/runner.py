"""One batch of pictures through a connection: read, packed, sent, and what gives no finite vector set aside.

A batch is read, decoded and run by one thread, and several batches are under way at a time. Handing pictures to a pool
of decoders and pixels back cost a fifth of the throughput, and a network with a thread for each core another tenth.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any, TypeVar

import numpy as np

from artifact import prefixes
from artifact.arrays import Vectors
from artifact.errors import (
    MessageTooLargeError,
    ModelNotFoundError,
    ServerError,
    TooLargeError,
    UnavailableError,
    UsageError,
)
from artifact.images.decoding import Pixels
from artifact.images.image_batch import BadImagesError
from artifact.images.image_error import ImageError
from artifact.images.limits import DEFAULT_LIMITS, MB, Limits, size_in_words
from artifact.limit_options import DEFAULT_READ_TIMEOUT_S
from rows.cutting import cut
from rows.images import ImageRef
from serving.client.batches.packing import pack, place_of, unpack
from serving.client.batches.sending import ENCODED, PIXELS, Sending
from serving.client.batches.size import BatchSize
from serving.client.connection import Connection
from serving.client.crops import cropped
from serving.client.pictures import read_encoded, read_pixels
from serving.client.reading import Fetched, Reader
from serving.client.thumbnailing import Thumbnailing
from serving.client.vector_error import NOT_FINITE, VectorError
from serving.forks import unforked

Read = TypeVar("Read")

MAX_MESSAGE_BYTES = 2**31 - MB
"""Of encoded files that gRPC can send at once, whoever takes them."""
MAX_REQUEST_BYTES = 32 * 1024 * 1024
"""Of encoded files in one request: 32 photographs can be more than a server takes."""


class BatchRunner:
    """The way of a batch through the connection; may be called from several threads at a time.

    Args:
        connection: who runs the artifact.
        sending: pixels or encoded files.
        batch_size: is told what was too large for a server.
        limits: what images are refused for, before they are decoded or sent.
        cores: batches that may be decoded and run at a time, where that is done here; the others read their files.
        read_timeout_s: for each remote file, in seconds.
        dims: keep the first so many numbers of each vector; None for all.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        sending: Sending,
        batch_size: BatchSize,
        limits: Limits = DEFAULT_LIMITS,
        cores: int | None = None,
        read_timeout_s: float = DEFAULT_READ_TIMEOUT_S,
        dims: int | None = None,
    ) -> None:
        self._connection, self._sending, self._batch_size = connection, sending, batch_size
        self._turn = nullcontext() if cores is None else threading.BoundedSemaphore(cores)
        self._limits, self._dims = limits, dims
        self._reader = Reader(limits.max_bytes, timeout_s=read_timeout_s)
        self._inputs = connection.manifest.image_inputs

    def run(self, pictures: list[Any], thumbnailing: Thumbnailing | None = None) -> list[Vectors | ImageError]:
        """The vector of each picture, or why there is none: it cannot be read, or its vector is not finite.

        Args:
            thumbnailing: is given a thumbnail of each that can be read.
        """
        fetched = self._reader.fetch(pictures)
        with self._turn, unforked():
            return self._send(fetched, thumbnailing)

    def num_inputs(self, pictures: Sequence[Any]) -> int:
        """Images that a run of these pictures takes."""
        return len(pictures)

    def end_of_batch(self, pictures: Sequence[Any], start: int, num_inputs: int) -> int:
        """The place behind the pictures, from `start` on, that take so many images."""
        return min(start + num_inputs, len(pictures))

    def close(self) -> None:
        """Read nothing more."""
        self._reader.close()

    def _send(self, pictures: list[Any], thumbnailing: Thumbnailing | None) -> list[Vectors | ImageError]:
        sent = self._sending.next(len(pictures))
        started = time.monotonic()
        try:
            results = self._run(pictures, sent, thumbnailing)
        except UnavailableError:
            raise
        except (ServerError, ModelNotFoundError, UsageError) as error:
            if sent != ENCODED or not self._sending.refuse_encoded(str(error)):
                raise
            return self._run(pictures, PIXELS, thumbnailing)
        self._sending.note(sent, len(pictures), time.monotonic() - started)
        return results

    def _run(self, pictures: list[Any], sent: str, thumbnailing: Thumbnailing | None) -> list[Vectors | ImageError]:
        read: Callable[..., Any] = self._pixels if sent == PIXELS else self._encoded
        results: list[Any] = [
            _caught(partial(read, thumbnailing, place), source)
            for place, source in enumerate(self._sources(pictures, thumbnailing))
        ]
        good = [place for place, result in enumerate(results) if not isinstance(result, ImageError)]
        for portion in [good] if sent == PIXELS else _portions(good, [self._num_bytes(results[each]) for each in good]):
            self._fill(results, portion, sent)
        return results

    def _sources(self, pictures: list[Any], thumbnailing: Thumbnailing | None) -> Iterable[Any]:
        """What is read for each: a region is cut out of its picture here."""
        return cropped(pictures, self._limits, with_digest=thumbnailing is not None)

    def _pixels(self, thumbnailing: Thumbnailing | None, place: int, picture: ImageRef) -> Pixels:
        preprocessing = self._connection.manifest.pixels
        if thumbnailing is None:
            return read_pixels(picture, preprocessing, self._limits)
        return thumbnailing.pixels(place, picture, preprocessing, self._limits)

    def _encoded(self, thumbnailing: Thumbnailing | None, place: int, picture: ImageRef) -> bytes:
        data = read_encoded(picture, self._limits)
        if thumbnailing is not None:
            thumbnailing.encoded(place, picture, data, self._limits)
        return data

    def _fill(self, results: list[Any], places: list[int], sent: str) -> None:
        """Put a vector, or why there is none, in the place of each image that was read."""
        while places:
            items = [results[place] for place in places]
            feeds = pack([self._image_of(item) for item in items], self._inputs)
            try:
                if sent == ENCODED:
                    _require_sendable(feeds)
                    outputs = self._connection.run_encoded(feeds | self._others(items))
                else:
                    stacked = {name: np.stack(rows) for name, rows in feeds.items()}
                    outputs = self._connection.run_pixels(stacked | self._others(items))
            except BadImagesError as error:  # from those who decode: the others are sent again
                bad = {place_of(row, name, self._inputs, len(places)): reason for row, name, reason in error.bad}
                for number, reason in bad.items():
                    results[places[number]] = ImageError(reason)
                places = [place for number, place in enumerate(places) if number not in bad]
                continue
            except TooLargeError as error:
                is_file = sent == ENCODED and isinstance(error, MessageTooLargeError) and self._sending.is_asked
                if is_file and len(places) == 1:
                    results[places[0]] = _too_large(feeds, where=error.where)
                    return
                if not self._batch_size.halve(len(places)) and not is_file:
                    raise
                half = len(places) // 2
                self._fill(results, places[:half], sent)
                self._fill(results, places[half:], sent)
                return
            for place, answer in zip(places, self._answers(outputs, items), strict=True):
                results[place] = answer
            return

    def _answers(self, outputs: Mapping[str, Vectors], items: Sequence[Any]) -> Sequence[Any]:
        """What becomes of each item that was run: whoever ran the network, its vectors come by here."""
        return self._kept(unpack(outputs, self._inputs, len(items)))

    def _kept(self, vectors: Vectors) -> list[Vectors | ImageError]:
        """Vectors [K, n] one by one, cut where that is asked for; an error in the place of those not finite."""
        are_finite = np.isfinite(vectors).all(axis=1)
        if self._dims is not None:
            vectors = prefixes.cut(vectors, self._dims, normalized=self._connection.manifest.normalized)
        kept: list[Vectors | ImageError] = list(vectors)
        for number in np.flatnonzero(~are_finite).tolist():
            kept[number] = VectorError(NOT_FINITE)
        return kept

    def _image_of(self, item: Any) -> Any:
        """The pixels or the file of what was read."""
        return item

    def _others(self, items: Sequence[Any]) -> dict[str, Any]:
        """What goes with the images of a request."""
        return {}

    def _num_bytes(self, item: Any) -> int:
        return len(self._image_of(item))


def _num_bytes(feeds: Mapping[str, list[Any]]) -> int:
    return sum(len(data) for rows in feeds.values() for data in rows)


def _require_sendable(feeds: Mapping[str, list[Any]]) -> None:
    """Raise MessageTooLargeError for files that no server could take: such a message cannot even be built."""
    if _num_bytes(feeds) > MAX_MESSAGE_BYTES:
        raise MessageTooLargeError("files in one request", expected="less than 2 GiB", got="more", where="any server")


def _too_large(feeds: Mapping[str, list[Any]], *, where: object) -> ImageError:
    """Why an image has no vector that no request to a server can hold as a file."""
    size = f"{size_in_words(_num_bytes(feeds))} in one request"
    mend = "send pixels with --send pixels, or raise the server's --max-message-mb"
    return ImageError(f"{size}, more than the server takes ({where}); {mend}")


def _portions(places: list[int], sizes: list[int]) -> Iterator[list[int]]:
    """Consecutive places whose files, of these sizes in bytes, make a request that a server takes."""
    for ((_, start, end),) in cut([(places, sizes)], max_rows=len(places), max_bytes=MAX_REQUEST_BYTES):
        yield places[start:end]


def _caught(read: Callable[[ImageRef], Read], source: Fetched) -> Read | ImageError:
    if isinstance(source, ImageError):
        return source
    try:
        return read(source)
    except ImageError as error:
        return error
