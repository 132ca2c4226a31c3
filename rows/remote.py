"""Reading of one remote file, bounded in bytes and by a deadline, with the reason where it fails.

Decisions a reader would question:
- Of Content-Encoding only words that name a packing count.
- What a server says of a length is believed only where it is too large. Bytes are counted as they come, unpacked ones
  too: a packed answer is asked not to be sent, and some servers send it all the same.
- The deadline is of the whole file, its tries included; redirects go on within it, to http and https alone.
- A server that is busy (429, 502, 503, 504) is asked again a few times, after waits that double, drawn at random, or
  after what it says itself; never another failure.
- fsspec's own reading of a file (cat_file) has neither a deadline nor a bound, so http is read from its session, and
  the other asynchronous file systems from their streams. The blocking ones are bounded between two chunks.
"""

from __future__ import annotations

import asyncio
import random
import time
import zlib
from collections.abc import Callable, Coroutine
from concurrent.futures import wait
from typing import TYPE_CHECKING, Any

from artifact.images.image_error import ImageError
from artifact.images.limits import too_many_bytes
from artifact.limit_options import DEFAULT_READ_TIMEOUT_S
from rows.network_errors import BUSY, HEADER_BYTES, is_network_error, network_words, status_words

if TYPE_CHECKING:
    from upath import UPath

_CHUNK = 1024 * 1024
_TRIES = 4
_LOOK_S = 0.25
_FIRST_WAIT_S = 0.5
_WEB = ("http", "https", "data")
_PACKED = ("gzip", "x-gzip", "deflate")
_ELSEWHERE_PACKED = (
    *("br", "brotli", "zstd", "dcb", "dcz", "compress", "x-compress", "exi", "pack200-gzip"),
    *("bzip2", "x-bzip2", "bz2", "xz", "x-xz", "lzma", "lz4", "snappy", "zip"),
)
"""Packings that are not undone here. Any other word (utf-8, binary, none, image/png) is a mistake of whoever stored the
file, as every browser takes it: nothing was packed."""


class _BusyError(Exception):
    """A server that may be asked again; after so many seconds, if it said so."""

    def __init__(self, words: str, after_s: float | None) -> None:
        super().__init__(words)
        self.words, self.after_s = words, after_s


class _Reading:
    """What has come of one file so far."""

    def __init__(self, max_bytes: int) -> None:
        self.data = bytearray()
        self.encodings: list[str] = []
        self.max_bytes = max_bytes

    def add(self, chunk: bytes) -> None:
        self.data += chunk
        if len(self.data) > self.max_bytes:
            raise over_limit(self.max_bytes)


def always_wanted() -> bool:
    """For callers that never give up on a file."""
    return True


def read_remote(
    path: UPath,
    *,
    max_bytes: int,
    timeout_s: float = DEFAULT_READ_TIMEOUT_S,
    is_wanted: Callable[[], bool] = always_wanted,
) -> bytes:
    """The bytes of a file elsewhere.

    Args:
        max_bytes: a larger file is refused as soon as so much was read.
        timeout_s: for all of it, in seconds; inf for no limit.
        is_wanted: False once nobody waits for the bytes; then reading ends within a moment.

    Raises:
        ImageError: why there are none; the caller knows of which file.
        FileNotFoundError: nothing there.
    """
    end = time.monotonic() + timeout_s
    for number in range(_TRIES):
        reading = _Reading(max_bytes)
        try:
            _read(path, reading, end, is_wanted)
            return _unpacked(reading, max_bytes)
        except _BusyError as busy:
            limit_s = _FIRST_WAIT_S * 2**number
            wait_s = limit_s * (1 + random.random()) / 2 if busy.after_s is None else busy.after_s
            if number + 1 == _TRIES or time.monotonic() + wait_s >= end:
                raise ImageError(_unread(busy.words)) from None
            _pause(wait_s, is_wanted)
        except (ImageError, FileNotFoundError):
            raise
        except (TimeoutError, asyncio.CancelledError) as error:
            if time.monotonic() < end and not isinstance(error, asyncio.CancelledError):  # the library's own, earlier
                raise ImageError(_unread(network_words(error))) from None
            raise ImageError(_late(len(reading.data), timeout_s)) from None
        except Exception as error:  # network libraries have error trees of their own
            if isinstance(error, ValueError) and path.protocol in _WEB and not is_network_error(error):
                raise ImageError(_unread("not a URL")) from None  # a port or a host that cannot be
            text = network_words(error)
            raise ImageError(_unread(text if is_network_error(error) else f"{type(error).__name__}: {text}")) from None
    raise AssertionError("the last try returns or raises")


def over_limit(max_bytes: int) -> ImageError:
    """A file that is larger than it may be, however much larger."""
    return ImageError(too_many_bytes(max_bytes + 1, max_bytes))


def _unread(words: str) -> str:
    return f"cannot be read ({words})"


def _late(num_bytes: int, timeout_s: float) -> str:
    got = f"{num_bytes} bytes came" if num_bytes else "nothing came"
    return f"cannot be read ({got} within {timeout_s:g} s; --read-timeout waits longer)"


def _pause(wait_s: float, is_wanted: Callable[[], bool]) -> None:
    end = time.monotonic() + wait_s
    while (left_s := end - time.monotonic()) > 0 and is_wanted():
        time.sleep(min(left_s, _LOOK_S))


def _read(path: UPath, reading: _Reading, end: float, is_wanted: Callable[[], bool]) -> None:
    from fsspec import filesystem

    # by its options, and not the one that the path keeps: that is of the process that was forked, if this one was
    files = filesystem(path.protocol, **path.storage_options)
    if path.protocol in ("http", "https"):
        _await(_read_http(files, path.path, reading), files.loop, end, is_wanted)
    elif getattr(files, "async_impl", False) and not files.asynchronous:
        _await(_read_stream(files, path.path, reading), files.loop, end, is_wanted)
    else:
        _read_blocking(files, path.path, reading, end)


def _await(work: Coroutine[Any, Any, None], loop: Any, end: float, is_wanted: Callable[[], bool]) -> None:
    """Run in fsspec's loop; at the end of time it is cancelled there, which closes what it holds."""
    left_s = end - time.monotonic()
    limit_s = None if left_s == float("inf") else max(0.0, left_s)
    future = asyncio.run_coroutine_threadsafe(asyncio.wait_for(work, limit_s), loop)
    try:
        while not wait([future], _LOOK_S).done:
            if not is_wanted():
                raise ImageError(_unread("nobody waits for it any more"))
        future.result()
    finally:
        future.cancel()  # an interrupt of this thread ends it too; nothing where it has ended


async def _read_http(files: Any, url: str, reading: _Reading) -> None:
    import aiohttp

    session = await files.set_session()
    timeout = aiohttp.ClientTimeout(total=None)  # the deadline is around it
    options = {"timeout": timeout, "max_line_size": HEADER_BYTES, "max_field_size": HEADER_BYTES, **files.kwargs}
    options["headers"] = {"Accept-Encoding": "identity", **(options.get("headers") or {})}
    async with session.get(files.encode_url(url), auto_decompress=False, **options) as answer:
        if answer.status == 404:
            raise FileNotFoundError(url)
        words = status_words(answer.status, answer.reason or "")
        if answer.status in BUSY:
            raise _BusyError(words, _seconds(answer.headers.get("Retry-After", "")))
        if answer.status not in (200, 203):
            raise ImageError(_unread(words))
        said = [word.strip().lower() for word in ",".join(answer.headers.getall("Content-Encoding", [])).split(",")]
        unknown = next((word for word in said if word in _ELSEWHERE_PACKED), None)
        if unknown is not None:
            raise ImageError(_unread(f"sent packed as {unknown!r}, which was not asked for"))
        reading.encodings = [word for word in said if word in _PACKED]
        if not reading.encodings and (answer.content_length or 0) > reading.max_bytes:
            raise over_limit(reading.max_bytes)
        async for chunk in answer.content.iter_any():
            reading.add(chunk)


async def _read_stream(files: Any, name: str, reading: _Reading) -> None:
    try:
        stream = await files.open_async(name, "rb")
    except NotImplementedError:  # it gives whole files or ranges; servers of objects keep to ranges
        reading.add(await files._cat_file(name, end=reading.max_bytes + 1))
        return
    try:
        while chunk := await stream.read(_CHUNK):
            reading.add(chunk)
    finally:
        await stream.close()


def _read_blocking(files: Any, name: str, reading: _Reading, end: float) -> None:
    with files.open(name, "rb") as file:
        while chunk := file.read(min(_CHUNK, reading.max_bytes + 1)):
            reading.add(chunk)
            if time.monotonic() > end:
                raise TimeoutError


def _unpacked(reading: _Reading, max_bytes: int) -> bytes:
    """The bytes of a file that was sent packed, never more of them than may be."""
    data = bytes(reading.data)
    for encoding in reversed(reading.encodings):
        data = _unpacked_once(data, encoding, max_bytes)
    return data


def _unpacked_once(packed: bytes, encoding: str, max_bytes: int) -> bytes:
    found = bytearray()
    is_raw = encoding == "deflate" and packed[:1] and packed[0] & 15 != 8  # some servers leave the frame out
    try:
        while packed:
            unpacker = zlib.decompressobj(-zlib.MAX_WBITS if is_raw else 32 + zlib.MAX_WBITS)
            found += unpacker.decompress(packed, max_bytes + 1 - len(found))
            if len(found) > max_bytes:
                raise over_limit(max_bytes)
            if not unpacker.eof:
                raise ImageError(_unread("packed, and broken off before the end"))
            packed = unpacker.unused_data
    except zlib.error:
        raise ImageError(_unread(f"not packed as {encoding}, as the server says")) from None
    return bytes(found)


def _seconds(text: str) -> float | None:
    """What Retry-After says; None where it names a date, or nothing."""
    return float(text) if text.strip().isascii() and text.strip().isdecimal() and len(text) < 10 else None
