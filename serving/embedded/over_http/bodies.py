"""Bodies of requests: read within limits of size and time, and unpacked within the same size.

A body is counted while it comes, so that neither chunks without end nor a few bytes that unpack to gigabytes are ever
held whole.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

from serving.embedded.over_http.responses import HttpRefusal
from serving.embedded.over_http.room import Held

Receive = Callable[[], Awaitable[Any]]

_STEP = 1024 * 1024
"""Bytes that are unpacked at a time."""
_WBITS = {"gzip": 31, "deflate": 15}


class Disconnected(Exception):  # noqa: N818 - nobody is left to be told
    """The client went away before its request was there."""


async def read_body(receive: Receive, headers: Mapping[str, str], held: Held, *, limit: int, quiet_s: float) -> bytes:
    """The body as it was sent.

    Args:
        receive: ASGI's.
        held: counts it.
        limit: of its bytes.
        quiet_s: longest wait for the next part.

    Raises:
        HttpRefusal: too large, or nothing came for too long.
        UnavailableError: no room for it beside the others.
        Disconnected: the client went away.
    """
    told = headers.get("content-length", "")
    if told.isdecimal() and (len(told) > 20 or int(told) > limit):
        raise _too_large(limit)
    parts, size, more = [], 0, True
    while more:
        try:
            async with asyncio.timeout(quiet_s):
                message = await receive()
        except TimeoutError:
            raise HttpRefusal(408, f"nothing came for {quiet_s:g} s", (("connection", "close"),)) from None
        if message["type"] == "http.disconnect":
            raise Disconnected
        if part := message.get("body", b""):
            size += len(part)
            if size > limit:
                raise _too_large(limit)
            held.add(len(part))
            parts.append(part)
        more = message.get("more_body", False)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def unpacked(body: bytes, encoding: str, held: Held, *, limit: int) -> bytes:
    """The body without its Content-Encoding.

    Args:
        encoding: as the header says; empty for none.
        held: counts what it grows to.
        limit: of its bytes.

    Raises:
        HttpRefusal: another encoding than gzip, deflate and identity, or more bytes than the limit.
        InvalidRequestError: bytes that are not of that encoding.
        UnavailableError: no room for it beside the others.
    """
    if encoding in ("", "identity"):
        return body
    if encoding not in _WBITS:
        raise HttpRefusal(501, "Unsupported compression type", (("accept-encoding", "gzip, deflate"),))
    parts, size = [], 0
    try:
        for part in _parts(body, _WBITS[encoding]):
            size += len(part)
            if size > limit:
                raise _too_large(limit)
            held.add(len(part))
            parts.append(part)
    except (zlib.error, EOFError):
        raise HttpRefusal(400, f"the body is not {encoding}, or cut off") from None
    return b"".join(parts)


def _parts(packed: bytes, wbits: int) -> Iterator[bytes]:
    """What packed bytes unpack to, a part at a time; gzip's may be several files in a row."""
    while packed:
        unpacker = zlib.decompressobj(wbits)
        while not unpacker.eof:
            part = unpacker.decompress(packed, _STEP)
            packed = unpacker.unconsumed_tail
            if not part and not unpacker.eof and not packed:
                raise EOFError
            yield part
        packed = unpacker.unused_data if wbits == _WBITS["gzip"] else b""


def _too_large(limit: int) -> HttpRefusal:
    text = f"the body is larger than {limit} bytes, the most that this server takes (max_message_bytes)"
    return HttpRefusal(413, text, (("connection", "close"),))
