"""The words of the Open Inference Protocol that the embedded server and the client share: names, texts, versions.

Both sides read them here, so that what one writes the other understands. Texts of refusals are those of tritonserver
2.51: a client tells a busy server by them, whichever of the two it is. Messages themselves are tritonclient's generated
classes; what a config.pbtxt carries (its parameters, the names of companions) is artifact/repository's.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from artifact.errors import InvalidRequestError

QUEUE_FULL = "Exceeds maximum queue size"
CALLS_FULL = "Concurrent RPC limit exceeded"
"""grpcio's own words for a server with too many calls at a time; it says them with RESOURCE_EXHAUSTED."""
MESSAGE_TOO_LARGE = "larger than max"
"""grpcio's own words for a message of more bytes than the receiver takes; with RESOURCE_EXHAUSTED too."""
TIMED_OUT = "Request timeout expired"
STOPPING = "Server is stopping, scheduler for model has stopped accepting new inference requests"

READY, UNAVAILABLE = "READY", "UNAVAILABLE"
"""States of a version in the index of a repository."""

UINT8, FP32, BYTES = "UINT8", "FP32", "BYTES"
"""Data types of pixels, vectors and encoded images."""

DIGEST_IN_ANSWER = "lookalike.digest"
"""Parameter of an answer that holds vectors: the digest of the artifact that gave them. Triton's answers have none."""

STRING_LENGTH = struct.Struct("<I")
"""What stands before each element of raw BYTES: its length."""


def version_text(version: int | None) -> str:
    """How a request names a version; None leaves it to the server, which takes the newest that it serves."""
    return "" if version is None else str(version)


def parse_version(text: str) -> int | None:
    """The version that a request names; None if it names none. Raises InvalidRequestError in Triton's words."""
    if not text:
        return None
    try:
        number = int(text) if text.isascii() and "_" not in text else None
    except ValueError:
        number = None
    if number is None or number >= 2**63:
        raise InvalidRequestError(
            f"failed to get model version from specified version string '{text}' (details: stol), version should be "
            "an integral value > 0"
        )
    if number < 0:
        raise InvalidRequestError(f"invalid model version specified '{text}' , version should be an integral value > 0")
    return number


def join_strings(strings: Iterable[bytes]) -> bytes:
    """The raw contents of a BYTES tensor; the server takes them apart with `split_strings` (embedded/tensors.py)."""
    return b"".join(STRING_LENGTH.pack(len(data)) + data for data in strings)
