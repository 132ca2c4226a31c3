"""Bodies of requests: read within limits of size and time, and unpacked within the same size.

A body is counted while it comes, so that neither chunks without end nor a few bytes that unpack to gigabytes are ever
held whole.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

from serving.embedded.over_http.responses import Headers, HttpRefusal
from serving.embedded.over_http.room import Held

Receive = Callable[[], Awaitable[Any]]

_STEP = 1024 * 1024
"""Bytes that are unpacked at a time."""
_SLICE = 64 * 1024
"""Bytes that are fed to it at a time."""
_SLOWEST = 1000
"""Bytes a second that must come of a body: else a byte now and then would hold a connection, and what came before, for
ever. What comes faster is credit for a pause, of `quiet_s` at most."""
_WBITS = {"gzip": 31, "deflate": 15}
_GZIP_MAGIC = b"\x1f\x8b"


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
        HttpRefusal: too large, too slow, or nothing came for too long.
        UnavailableError: no room for it beside the others.
        Disconnected: the client went away.
    """
    told = headers.get("content-length", "")
    if told.isdecimal() and (len(told) > 20 or int(told) > limit):
        # Who waits for leave to send it may send it or not: only a new connection tells what comes next.
        raise _too_large(limit, (("connection", "close"),) if "expect" in headers else ())
    parts, size, more = [], 0, True
    now = asyncio.get_running_loop().time
    latest = deadline = now() + quiet_s  # each part puts the end off by its bytes, never further than that
    while more:
        try:
            async with asyncio.timeout(deadline - now()):
                message = await receive()
        except TimeoutError:
            is_slow = deadline < latest
            what = f"less than {_SLOWEST} bytes a second came" if is_slow else f"nothing came for {quiet_s:g} s"
            raise HttpRefusal(408, what, (("connection", "close"),)) from None
        if message["type"] == "http.disconnect":
            raise Disconnected
        if part := message.get("body", b""):
            size += len(part)
            if size > limit:
                raise _too_large(limit)
            held.add(len(part))
            parts.append(part)
            latest = now() + quiet_s
            deadline = min(deadline + len(part) / _SLOWEST, latest)
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
    """What packed bytes unpack to, a part at a time; gzip's may be several files in a row, with anything behind.

    They are fed in slices: zlib hands back a copy of all that it has not read, which of the whole body, a part or a
    file at a time, would be copied thousands of times.
    """
    if not packed:
        return
    unpacker, place, rest = zlib.decompressobj(wbits), 0, b""
    while rest or place < len(packed):
        if len(rest) < len(_GZIP_MAGIC):
            rest, place = rest + packed[place : place + _SLICE], place + _SLICE
        if unpacker.eof:
            if wbits != _WBITS["gzip"] or not rest.startswith(_GZIP_MAGIC):
                return
            unpacker = zlib.decompressobj(wbits)
        if part := unpacker.decompress(rest, _STEP):
            yield part
        rest = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
    while not unpacker.eof:
        if not (part := unpacker.decompress(b"", _STEP)):
            raise EOFError
        yield part


def _too_large(limit: int, headers: Headers = ()) -> HttpRefusal:
    """The refusal of a body; what is left of it is read and forgotten by the connection, so that it reaches clients
    that send all before they listen."""
    text = f"the body is larger than {limit} bytes, the most that this server takes (max_message_bytes)"
    return HttpRefusal(413, text, headers)
