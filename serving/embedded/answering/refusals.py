"""What a client is told of an error, whatever the transport: a code of the protocol and one line."""

from __future__ import annotations

import string
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple
from urllib.parse import quote

from artifact.errors import (
    ArtifactError,
    InvalidRequestError,
    LookalikeError,
    ModelNotFoundError,
    UnavailableError,
    UnsupportedError,
    bounded,
    printable,
)
from artifact.images.image_error import ImageError


class Code(Enum):
    """The kinds of refusals, with gRPC's names; each transport has a table of its own numbers."""

    NOT_FOUND = "NOT_FOUND"
    UNAVAILABLE = "UNAVAILABLE"
    INVALID_ARGUMENT = "INVALID_ARGUMENT"
    UNIMPLEMENTED = "UNIMPLEMENTED"
    INTERNAL = "INTERNAL"


_CODES: dict[type[Exception], Code] = {
    ModelNotFoundError: Code.NOT_FOUND,
    UnavailableError: Code.UNAVAILABLE,
    InvalidRequestError: Code.INVALID_ARGUMENT,
    ImageError: Code.INVALID_ARGUMENT,
    ArtifactError: Code.INVALID_ARGUMENT,  # of a load that was asked for
    UnsupportedError: Code.UNIMPLEMENTED,
    LookalikeError: Code.INTERNAL,
}
"""The one table from what went wrong to what the client is told; a class that is not in it stands for its base."""


_AS_IT_IS = string.printable.replace("%", "")
_LONGEST = 7000
"""Bytes of a line as gRPC sends it: above 8 KiB a call may end without it, and as one that the client tries again."""


class Refusal(NamedTuple):
    """A code and the line that goes with it: printable, and short enough for every transport."""

    code: Code
    text: str


def code_of(error: Exception) -> Code:
    """The code of an error."""
    return next((_CODES[kind] for kind in type(error).__mro__ if kind in _CODES), Code.INTERNAL)


def refusal(error: Exception, report: Callable[[str], None]) -> Refusal:
    """What the client is told of an error; `report` gets a line where it is this server's own fault."""
    if not isinstance(error, LookalikeError | ImageError):
        report(_line(f"internal error: {type(error).__name__}: {error}"))
    return refused_as(error)


def refused_as(error: Exception) -> Refusal:
    """What the client is told of an error."""
    if isinstance(error, LookalikeError | ImageError):
        return Refusal(code_of(error), _line(str(error)))
    return Refusal(Code.INTERNAL, f"internal error: {type(error).__name__}")


def _line(text: str) -> str:
    """A text of whatever length and characters as one line that can be told."""
    longest, line = _LONGEST, printable(" ".join(bounded(text, 4 * _LONGEST).split()))
    while _sent_bytes(line) > _LONGEST:
        line, longest = bounded(line, longest), longest * 3 // 4
    return line


def _sent_bytes(text: str) -> int:
    """Length of a status on the wire, where all but ASCII, and the percent sign, takes three bytes a byte."""
    return len(quote(text, safe=_AS_IT_IS))
