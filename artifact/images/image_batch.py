"""Batches of encoded images: all are loaded before any is called bad, and one line names every bad one.

The client parses the line, so both servers say it in the same words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from .decoding import Pixels
from .image_error import ImageError
from .limits import DEFAULT_LIMITS, Limits
from .preprocessing import Preprocessing, load_pixels

_MAX_REASONS_CHARS = 4000  # gRPC carries the message in a header of 8 KiB at most
_ENTRY = re.compile(r"\[row ([\d,]+), (\w+)\] (.*?)(?=; \[row \d|$)", re.DOTALL)


class BadImagesError(ImageError):
    """Some images of a batch cannot be read: `bad` lists every (row, stream, reason), `str()` is the message of it."""

    def __init__(self, bad: Sequence[tuple[int, str, str]], num_images: int) -> None:
        self.bad = list(bad)
        super().__init__(format_bad_images(self.bad, num_images))


def load_batch(
    streams: Mapping[str, Sequence[bytes]],
    preprocessing: Preprocessing,
    limits: Limits = DEFAULT_LIMITS,
    *,
    apply: Callable[..., Iterable[Pixels | ImageError]] = map,
) -> dict[str, Pixels]:
    """Decode and resize rows of one or several streams, all of them before saying which are bad.

    Args:
        streams: {stream: encoded images}, every stream with the same number of rows N.
        apply: `map`, or the `map` of a thread pool.

    Returns:
        {stream: uint8 [N, height, width, 3]}.

    Raises:
        BadImagesError: naming every bad row, stream and reason.
    """

    def load(data: bytes) -> Pixels | ImageError:
        try:
            return load_pixels(data, preprocessing, limits)
        except ImageError as error:
            return error

    images = [data for rows in streams.values() for data in rows]
    places = [(row, stream) for stream, rows in streams.items() for row in range(len(rows))]
    loaded = list(apply(load, images))
    bad = [
        (*place, str(result)) for place, result in zip(places, loaded, strict=True) if isinstance(result, ImageError)
    ]
    if bad:
        raise BadImagesError(sorted(bad), len(images))
    pixels = iter(loaded)
    shape = (preprocessing.height, preprocessing.width, 3)
    return {
        stream: np.array([next(pixels) for _ in rows], np.uint8).reshape(len(rows), *shape)
        for stream, rows in streams.items()
    }


def format_bad_images(bad: Sequence[tuple[int, str, str]], num_images: int) -> str:
    """One line that names every bad row and stream; those whose reasons would not fit a gRPC status stand together."""
    parts, room = [], _MAX_REASONS_CHARS
    crowd: dict[str, list[int]] = {}
    for row, stream, reason in bad:
        text = reason.replace("[row ", "(row ").encode("ascii", "backslashreplace").decode()[:200]
        room -= len(text) + len(stream) + 12
        if room > 0:
            parts.append(f"[row {row}, {stream}] {text}")
        else:
            crowd.setdefault(stream, []).append(row)
    parts += [f"[row {','.join(map(str, rows))}, {stream}] cannot be read" for stream, rows in crowd.items()]
    return f"cannot read {len(bad)} of {num_images} images: " + "; ".join(parts)


def parse_bad_images(message: str) -> list[tuple[int, str, str]]:
    """The (row, stream, reason) of every bad image in a line that holds a `format_bad_images` message, by row."""
    return sorted(
        (int(row), stream, reason) for rows, stream, reason in _ENTRY.findall(message) for row in rows.split(",")
    )
