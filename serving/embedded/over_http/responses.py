"""Responses of the REST front: what a refusal looks like, and how any answer is sent."""

from __future__ import annotations

import json
import zlib
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, NamedTuple

from serving.embedded.answering.refusals import Code

_STATUS = {
    Code.NOT_FOUND: 404,
    Code.UNAVAILABLE: 503,
    Code.INVALID_ARGUMENT: 400,
    Code.UNIMPLEMENTED: 501,
    Code.INTERNAL: 500,
}
"""The one table from what went wrong to HTTP's numbers, which are Triton's."""

JSON = "application/json"
BINARY = "application/octet-stream"
HEADER_LENGTH = "inference-header-content-length"

Headers = tuple[tuple[str, str], ...]


class Response(NamedTuple):
    """A status, headers and the body in parts."""

    status: int
    parts: tuple[bytes, ...] = ()
    headers: Headers = ()


class HttpRefusal(Exception):  # noqa: N818 - an answer, not a fault
    """A request refused by what HTTP itself says; carries the response."""

    def __init__(self, status: int, text: str, headers: Headers = ()) -> None:
        super().__init__(text)
        self.response = refused(status, text, headers)


def json_bytes(value: Any) -> bytes:
    """Compact JSON; numbers that are not finite as Triton writes them, and text as it is."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")


def json_response(value: Any) -> Response:
    """An answer in JSON."""
    return Response(200, (json_bytes(value),), (("content-type", JSON),))


def refused(status: int, text: str, headers: Headers = ()) -> Response:
    """A refusal: one line in JSON."""
    return Response(status, (json_bytes({"error": text}),), (("content-type", JSON), *headers))


async def send_response(send: Callable[[Any], Awaitable[None]], response: Response) -> None:
    """Send a response by ASGI, with the length of its body."""
    headers = [(name.encode(), value.encode("latin-1", "replace")) for name, value in response.headers]
    if response.status != 204:
        headers.append((b"content-length", str(sum(map(len, response.parts))).encode()))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    for part in response.parts[:-1]:
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": response.parts[-1] if response.parts else b""})


def status_of(code: Code) -> int:
    """HTTP's number of a kind of refusal."""
    return _STATUS[code]


def compressed(response: Response, accepted: str) -> Response:
    """The response as a client's Accept-Encoding asks for it: of gzip, deflate and identity that which weighs most."""
    encoding = _chosen(accepted)
    if encoding == "identity":
        return response
    packer = zlib.compressobj(wbits=31 if encoding == "gzip" else 15)
    parts = tuple(filter(None, (*map(packer.compress, response.parts), packer.flush())))
    return response._replace(parts=parts, headers=(*response.headers, ("content-encoding", encoding)))


def _chosen(accepted: str) -> str:
    best, most = "identity", 0.0
    for name, weight in _weighted(accepted.split(",")):
        if name in ("identity", "gzip", "deflate") and weight > most:
            best, most = name, weight
    return best


def _weighted(encodings: Iterable[str]) -> Iterable[tuple[str, float]]:
    for encoding in encodings:
        name, _, weight = encoding.strip().partition(";q=")
        try:
            yield name.strip(), float(weight) if weight else 1.0
        except ValueError:
            continue
