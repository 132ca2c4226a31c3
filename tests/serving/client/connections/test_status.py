"""Addresses as users type them, and the words for the ways in which a call fails."""

from __future__ import annotations

import grpc
import pytest

from artifact.errors import BusyError, ServerError, TooLargeError, UnansweredError, UnavailableError, UsageError
from serving.client.connections.channels import parse_url
from serving.client.connections.status import MEANINGS, PHRASES, status_error
from serving.client.scorer import Scorer


@pytest.mark.parametrize("text", ["localhost:8001", "10.0.0.7:1", "[::1]:65535", "model-server.example.org:8001"])
def test_parse_url_takes_host_and_port(text: str) -> None:
    """As it stands."""
    assert parse_url(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "http://localhost:8001",
        "grpc://a:1",
        "localhost:",
        ":8001",
        "localhost:0",
        "localhost:65536",
        "localhost:8001/v2",
        "a b:1",
        "",
        "::1:8001",
        "localhost:8001\n",
    ],
)
def test_parse_url_refuses_anything_else(text: str) -> None:
    """One line that says what is wanted."""
    with pytest.raises(UsageError) as error:
        Scorer("triplet_branch", url=text)
    assert str(error.value) == " ".join(
        f"url {text!r}: expected HOST:PORT of the gRPC port, without a scheme; for example localhost:8001".split()
    )


class Failure(grpc.RpcError):
    """An error as grpcio raises it, with a status of choice."""

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        self._code, self._details = code, details

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return self._details


@pytest.mark.parametrize("code", list(grpc.StatusCode))
def test_every_status_has_one_line_with_the_servers_text(code: grpc.StatusCode) -> None:
    """Also those that have no entry in the table."""
    error = status_error(Failure(code, "because\nof this"), address="host:1", timeout_s=2.5)
    assert isinstance(error, MEANINGS[code].error if code in MEANINGS else ServerError)
    late = code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert ("expected one within 2.5 s" if late else "got because of this") in str(error)
    assert "(host:1)" in str(error)


@pytest.mark.parametrize(
    ("details", "reason"),
    [
        (
            "failed to connect to all addresses; last error: UNKNOWN: ipv4:10.0.0.1:1: Failed to connect to remote "
            "host: connect: Connection refused (111)",
            "connection refused",
        ),
        ("DNS resolution failed for nowhere.invalid:8001: C-ares status is not ARES_SUCCESS", "no such host"),
        ("Socket closed", "the connection was closed"),
    ],
)
def test_failures_of_the_transport_say_that_no_server_answers(details: str, reason: str) -> None:
    """A server's own UNAVAILABLE (queue full, stopping) is told apart from there being none."""
    error = status_error(Failure(grpc.StatusCode.UNAVAILABLE, details), address="host:1", timeout_s=1)
    assert str(error) == (
        f"no server answers: expected a model server's gRPC port, got {reason} (host:1); "
        "start one with `lookalike serve REPOSITORY`"
    )
    busy = Failure(grpc.StatusCode.UNAVAILABLE, "Exceeds maximum queue size")
    assert str(status_error(busy, address="host:1", timeout_s=1)) == (
        "the server takes no requests now: got Exceeds maximum queue size (host:1); try again later"
    )


def test_a_busy_server_takes_no_requests_now_whatever_the_status() -> None:
    """grpcio says that too many calls run at a time with the status for a request that is too large."""
    busy = [phrase for phrase in PHRASES if phrase.reason is None]
    assert {phrase.code for phrase in busy} == {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED}
    for phrase in busy:
        error = status_error(Failure(phrase.code, f"in model 'x': {phrase.text}!"), address="host:1", timeout_s=1)
        assert isinstance(error, BusyError)
        assert str(error) == (
            f"the server takes no requests now: got in model 'x': {phrase.text}! (host:1); try again later"
        )
    plain = {grpc.StatusCode.RESOURCE_EXHAUSTED: TooLargeError, grpc.StatusCode.UNAVAILABLE: UnavailableError}
    for code, kind in plain.items():
        assert type(status_error(Failure(code, "too much"), address="host:1", timeout_s=1)) is kind


def test_texts_are_read_only_where_the_code_says_too_little() -> None:
    """With another code the same words mean nothing."""
    for phrase in PHRASES:
        plain = status_error(Failure(grpc.StatusCode.INTERNAL, phrase.text), address="host:1", timeout_s=1)
        assert type(plain) is ServerError


def test_only_absence_may_be_tried_again() -> None:
    """Of all codes UNAVAILABLE alone: late and cancelled calls are told apart from it."""
    retried = [
        code
        for code in grpc.StatusCode
        if isinstance(error := status_error(Failure(code, ""), address="host:1", timeout_s=1), UnavailableError)
        and not isinstance(error, UnansweredError)
    ]
    assert retried == [grpc.StatusCode.UNAVAILABLE]
