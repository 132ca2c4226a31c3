"""gRPC failures in our own words: by status code, and by the server's text where the code says too little.

UNAVAILABLE is a server that is not there, one that stops, and one whose queue is full; RESOURCE_EXHAUSTED is a request
that is too large, and one too many. Only English text tells them apart; there is one table of it. Text counts beside
its code alone: a busy server is told by both, by either of the two codes with the words that belong to it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import grpc

from artifact.errors import (
    BusyError,
    InvalidRequestError,
    LookalikeError,
    MessageTooLargeError,
    ModelNotFoundError,
    ServerError,
    TooLargeError,
    UnansweredError,
    UnavailableError,
)
from serving.protocol import CALLS_FULL, MESSAGE_TOO_LARGE, QUEUE_FULL


@dataclass(frozen=True)
class Meaning:
    """The error of a status code, in the user's words; what was got is the server's own text."""

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

_BUSY = Meaning(BusyError, "the server takes no requests now", mend="try again later")
_CLOSED = "the connection was closed"


class Phrase(NamedTuple):
    """A part of the text of a failure that says what its code does not.

    Attributes:
        code: the code that it comes with.
        text: the part.
        reason: why there is no server, in our words; None where there is one, which is busy.
    """

    code: grpc.StatusCode
    text: str
    reason: str | None


PHRASES = (
    Phrase(_CODES.UNAVAILABLE, QUEUE_FULL, None),  # tritonserver 2.51.0
    Phrase(_CODES.RESOURCE_EXHAUSTED, CALLS_FULL, None),  # grpcio 1.85.1
    Phrase(_CODES.UNAVAILABLE, "CERTIFICATE_VERIFY_FAILED", "a certificate that is not trusted"),  # grpcio 1.85.1
    Phrase(_CODES.UNAVAILABLE, "Hostname Verification", "a certificate for another host"),  # grpcio 1.85.1
    Phrase(_CODES.UNAVAILABLE, "WRONG_VERSION_NUMBER", "no TLS, is it off there?"),  # grpcio 1.85.1
    Phrase(_CODES.UNAVAILABLE, "handshake failed", "no agreement on TLS"),  # grpcio 1.85.1
    Phrase(_CODES.UNAVAILABLE, "Connection refused", "connection refused"),  # grpcio 1.85.1, glibc 2.36
    Phrase(_CODES.UNAVAILABLE, "http1.x", "another protocol, is this the HTTP port?"),  # grpcio 1.85.1
    Phrase(_CODES.UNAVAILABLE, "Failed parsing HTTP/2", "another protocol, is this the HTTP port?"),  # grpcio 1.85.1
    Phrase(_CODES.UNAVAILABLE, "DNS", "no such host"),  # grpcio 1.85.1
    Phrase(_CODES.UNAVAILABLE, "Domain name", "no such host"),  # grpcio 1.85.1
    Phrase(_CODES.UNAVAILABLE, "No route to host", "no route to host"),  # grpcio 1.85.1, glibc 2.36
    Phrase(_CODES.UNAVAILABLE, "Network is unreachable", "the network is unreachable"),  # grpcio 1.85.1, glibc 2.36
    Phrase(_CODES.UNAVAILABLE, "Socket closed", _CLOSED),  # grpcio 1.85.1
    Phrase(_CODES.UNAVAILABLE, "Connection reset", _CLOSED),  # grpcio 1.85.1, glibc 2.36
    Phrase(_CODES.UNAVAILABLE, "recvmsg", _CLOSED),  # grpcio 1.85.1
    Phrase(_CODES.UNAVAILABLE, "GOAWAY", _CLOSED),  # grpcio 1.85.1
    Phrase(_CODES.UNAVAILABLE, "failed to connect", "no connection"),  # grpcio 1.85.1
)
"""All English text that is read. The first phrase that fits counts; a text without any is a server's own refusal. Who
says so stands beside it, in the version that was read or run; it may change with any other."""


def status_error(error: grpc.RpcError, *, address: str, timeout_s: float, connecting: bool = False) -> LookalikeError:
    """The error to raise for a failed call.

    Args:
        address: host:port, for the message.
        timeout_s: the call's deadline, for the message.
        connecting: nothing has answered at this address yet, so a missed deadline means that no server is there.
    """
    code, details = error.code(), " ".join((error.details() or "").split())
    phrase = next((one for one in PHRASES if one.code is code and one.text in details), None)
    if phrase is not None and phrase.reason is not None:
        hint = ", does it want TLS?" if connecting and phrase.reason == _CLOSED else ""
        return no_server(phrase.reason + hint, address)
    if code is _CODES.DEADLINE_EXCEEDED and connecting:
        return no_server(f"no answer within {round(timeout_s, 2):g} s", address)
    meaning = MEANINGS.get(code, _OTHER) if phrase is None else _BUSY
    if code is _CODES.RESOURCE_EXHAUSTED and MESSAGE_TOO_LARGE in details:
        meaning = replace(meaning, error=MessageTooLargeError)
    expected, got = meaning.expected, details or code.name
    if code is _CODES.DEADLINE_EXCEEDED:
        expected, got = f"one within {round(timeout_s, 2):g} s", None
    return meaning.error(meaning.what, expected=expected, got=got, where=address, mend=meaning.mend)


def no_server(reason: str, address: str) -> UnavailableError:
    """Nobody is there, or nobody who speaks gRPC."""
    return UnavailableError(
        "no server answers",
        expected="a model server's gRPC port",
        got=reason,
        where=address,
        mend="start one with `lookalike serve REPOSITORY`",
    )
