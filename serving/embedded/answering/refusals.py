"""What a client is told of an error, whatever the transport: a code of the protocol and one line."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from artifact.errors import (
    ArtifactError,
    InvalidRequestError,
    LookalikeError,
    ModelNotFoundError,
    UnavailableError,
    UnsupportedError,
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


class Refusal(NamedTuple):
    """A code and the line that goes with it."""

    code: Code
    text: str


def refusal(error: Exception, report: Callable[[str], None]) -> Refusal:
    """What the client is told of an error; `report` gets a line where it is this server's own fault."""
    if isinstance(error, LookalikeError | ImageError):
        return Refusal(next(_CODES[kind] for kind in type(error).__mro__ if kind in _CODES), str(error))
    report(f"internal error: {type(error).__name__}: {error}")
    return Refusal(Code.INTERNAL, f"internal error: {type(error).__name__}")
