"""The decoder of a server: our own `load_batch` in a bounded pool of threads; Python in a repository never runs.

Decisions a reader would question:
- What waits to be decoded is bounded by its pixels, which are known from the headers and are what decoding costs: a
  thousand thumbnails are a second's work, a thousand files of 128 megapixels that compress well are half an hour's.
- Pixels are decoded by as many threads as there are, within the process's budget (artifact/images/pixel_budget.py); so
  a queue of large images holds their files in memory, never their pixels.
- What comes of decoding is small a row and counts, for all models together, until its request is answered: it is
  refused before anything is decoded.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from artifact.errors import UnavailableError
from artifact.images.decoding import Pixels, inspect_image
from artifact.images.image_batch import load_batch
from artifact.images.image_error import ImageError
from artifact.images.limits import MEGAPIXEL, Limits
from artifact.images.preprocessing import Preprocessing
from serving.embedded.batching.room import Room
from serving.embedded.options import ServerOptions
from serving.embedded.requests.caller import CANCELLED, Caller

_PNG, _PNG_SIZE = b"\x89PNG\r\n\x1a\n", struct.Struct(">II")


class Decoder:
    """A pool of decoding threads that all models of a server share.

    Args:
        options: how many threads decode at a time, and the bounds: requests and pixels that wait or are decoded,
            together, and bytes of what was decoded.
    """

    def __init__(self, options: ServerOptions) -> None:
        self._requests = Room(options.max_queue, f"{options.max_queue} requests wait for decoding (max_queue)")
        megapixels = options.max_decode_megapixels
        self._pixels = Room(
            megapixels * MEGAPIXEL,
            f"images that wait for decoding would have over {megapixels:g} megapixels (max_decode_megapixels)",
        )
        self._bytes = Room(
            options.max_running_bytes,
            f"decoded images would take over {options.max_running_bytes} bytes (max_running_bytes)",
        )
        self._pool = ThreadPoolExecutor(options.decoding_threads, "lookalike-decode")

    @contextmanager
    def decoded(
        self,
        streams: Mapping[str, Sequence[bytes]],
        preprocessing: Preprocessing,
        limits: Limits,
        *,
        caller: Caller,
    ) -> Iterator[dict[str, Pixels]]:
        """{stream: N encoded images} to {stream: uint8 [N, height, width, 3]}, which count to the end of the context.

        Images larger than `limits` are bad.

        Raises:
            BadImagesError: naming every bad row, stream and reason.
            UnavailableError: too much waits already, or nobody waits for this request any more.
        """
        images = [image for rows in streams.values() for image in rows]
        num_bytes = len(images) * preprocessing.height * preprocessing.width * 3
        with self._bytes.hold(num_bytes):
            num_decoded = sum(num_pixels(image, limits) for image in images)
            with self._requests.hold(1), self._pixels.hold(num_decoded), caller.presence.resting():
                pixels = load_batch(streams, preprocessing, limits, apply=functools.partial(self._map, caller))
            yield pixels

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


def num_pixels(image: bytes, limits: Limits) -> int:
    """Pixels that decoding an image will cost; 0 for one that is refused before."""
    if image.startswith(_PNG) and len(image) >= 24:  # without the walk over its parts, which decoding does anyway
        width, height = _PNG_SIZE.unpack_from(image, 16)
    else:
        try:
            _, width, height = inspect_image(image, limits)
        except ImageError:
            return 0
    count = int(width * height)
    return 0 if count > limits.max_pixels or len(image) > limits.max_bytes else count
