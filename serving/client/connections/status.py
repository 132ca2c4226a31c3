"""gRPC failures in our own words: the one table from status codes to the errors of artifact/errors.py."""

from __future__ import annotations

from dataclasses import dataclass

import grpc

from artifact.errors import (
    InvalidRequestError,
    LookalikeError,
    ModelNotFoundError,
    ServerError,
    TooLargeError,
    UnansweredError,
    UnavailableError,
)
from serving.protocol import CALLS_FULL, QUEUE_FULL

BUSY = (QUEUE_FULL, CALLS_FULL)
"""Triton's and grpcio's words for: try again in a moment. grpcio says it with RESOURCE_EXHAUSTED."""


@dataclass(frozen=True)
class Meaning:
    """What a status code means to the user; `got` is the server's own text unless given here."""

    error: type[LookalikeError]
    what: str
    expected: str | None = None
    mend: str | None = None


_CODES = grpc.StatusCode
MEANINGS: dict[grpc.StatusCode, Meaning] = {
    _CODES.UNAVAILABLE: Meaning(UnavailableError, "the server takes no requests now", mend="try again later"),
    _CODES.DEADLINE_EXCEEDED: Meaning(UnansweredError, "no answer in time", mend="give it longer, or send less"),
    _CODES.CANCELLED: Meaning(UnansweredError, "the request was cancelled"),
    _CODES.NOT_FOUND: Meaning(ModelNotFoundError, "the server does not have the model"),
    _CODES.INVALID_ARGUMENT: Meaning(InvalidRequestError, "the server refused the request"),
    _CODES.RESOURCE_EXHAUSTED: Meaning(
        TooLargeError, "the server has no room for the request", mend="send less at once"
    ),
    _CODES.UNAUTHENTICATED: Meaning(
        ServerError, "the server wants to know who asks", mend="give it a token or a client certificate that it takes"
    ),
    _CODES.PERMISSION_DENIED: Meaning(ServerError, "the server does not let us in", mend="is this the right token?"),
    _CODES.UNIMPLEMENTED: Meaning(
        ServerError, "not a model server", expected="the Open Inference Protocol", mend="is this the right port?"
    ),
}
_OTHER = Meaning(ServerError, "the server failed")

_CLOSED = "the connection was closed"
_NO_SERVER = {
    "CERTIFICATE_VERIFY_FAILED": "a certificate that is not trusted",
    "Hostname Verification": "a certificate for another host",
    "WRONG_VERSION_NUMBER": "no TLS, is it off there?",
    "handshake failed": "no agreement on TLS",
    "Connection refused": "connection refused",
    "http1.x": "another protocol, is this the HTTP port?",
    "Failed parsing HTTP/2": "another protocol, is this the HTTP port?",
    "DNS": "no such host",
    "Domain name": "no such host",
    "No route to host": "no route to host",
    "Network is unreachable": "the network is unreachable",
    "Socket closed": _CLOSED,
    "Connection reset": _CLOSED,
    "recvmsg": _CLOSED,
    "GOAWAY": _CLOSED,
    "failed to connect": "no connection",
}
"""Parts of grpcio's texts for UNAVAILABLE that come from the transport and not from a server."""


def status_error(error: grpc.RpcError, *, address: str, timeout_s: float, connecting: bool = False) -> LookalikeError:
    """The error to raise for a failed call.

    Args:
        address: host:port, for the message.
        timeout_s: the call's deadline, for the message.
        connecting: nothing has answered at this address yet, so a missed deadline means that no server is there.
    """
    code, details = error.code(), " ".join((error.details() or "").split())
    if code is _CODES.UNAVAILABLE:
        for part, reason in _NO_SERVER.items():
            if part in details:
                hint = ", does it want TLS?" if connecting and reason == _CLOSED else ""
                return no_server(reason + hint, address)
    if code is _CODES.DEADLINE_EXCEEDED and connecting:
        return no_server(f"no answer within {round(timeout_s, 2):g} s", address)
    meaning = MEANINGS[_CODES.UNAVAILABLE] if _is_busy(details) else MEANINGS.get(code, _OTHER)
    expected, got = meaning.expected, details or code.name
    if code is _CODES.DEADLINE_EXCEEDED:
        expected, got = f"one within {round(timeout_s, 2):g} s", None
    return meaning.error(meaning.what, expected=expected, got=got, where=address, mend=meaning.mend)


def is_busy(error: ServerError) -> bool:
    """Whether the server is there and only has too much to do at this moment."""
    return isinstance(error, UnavailableError) and _is_busy(error.got or "")


def _is_busy(details: str) -> bool:
    return any(words in details for words in BUSY)


def no_server(reason: str, address: str) -> UnavailableError:
    """Nobody is there, or nobody who speaks gRPC."""
    return UnavailableError(
        "no server answers",
        expected="a model server's gRPC port",
        got=reason,
        where=address,
        mend="start one with `lookalike serve REPOSITORY`",
    )
