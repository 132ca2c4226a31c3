"""The words of the protocol as they go over the wire, and that what one side writes the other reads."""

from __future__ import annotations

import pytest

from artifact.errors import InvalidRequestError
from serving import protocol
from serving.embedded.requests.tensors import split_strings
from serving.protocol import join_strings, parse_version, version_text


def test_words_are_those_of_triton_and_of_earlier_versions() -> None:
    """Clients and servers of other versions say them too, so none of them may change."""
    words = {name: value for name, value in vars(protocol).items() if name.isupper() and isinstance(value, str)}
    assert words == {
        "QUEUE_FULL": "Exceeds maximum queue size",
        "CALLS_FULL": "Concurrent RPC limit exceeded",
        "MESSAGE_TOO_LARGE": "larger than max",
        "TIMED_OUT": "Request timeout expired",
        "STOPPING": "Server is stopping, scheduler for model has stopped accepting new inference requests",
        "READY": "READY",
        "UNAVAILABLE": "UNAVAILABLE",
        "UINT8": "UINT8",
        "FP32": "FP32",
        "BYTES": "BYTES",
        "DIGEST_IN_ANSWER": "lookalike.digest",
    }


@pytest.mark.parametrize("strings", [[], [b""], [b"a", b"", b"\x00\x01", b"x" * 300]])
def test_strings_are_taken_apart_as_they_were_joined(strings: list[bytes]) -> None:
    """BYTES from the client to the server."""
    names = {"label": "", "place": "input 'a'", "model": "model 'b'", "step": ""}
    assert split_strings(join_strings(strings), len(strings), **names) == strings


@pytest.mark.parametrize("version", [None, 1, 17, 10**12])
def test_versions_are_read_as_they_were_written(version: int | None) -> None:
    """None is the newest."""
    assert parse_version(version_text(version)) == version


@pytest.mark.parametrize("text", ["x", "1_0", "-1", "٣", str(2**63)])
def test_versions_that_are_none_are_refused(text: str) -> None:
    """Whatever Python would take for a number."""
    with pytest.raises(InvalidRequestError, match="version should be an integral value > 0"):
        parse_version(text)
