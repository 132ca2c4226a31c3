"""Properties of the REST front: any request gets an answer or a refusal of a known status, any bytes an end."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings

from serving.embedded.server import Server
from tests.shared.any_http import HTTP_BYTES, RIGHT_REQUEST, http_requests
from tests.shared.conformance.over_rest.answers import Vectors
from tests.shared.conformance.over_rest.requests import RestRequest, inference, post
from tests.shared.conformance.rest import exchange
from tests.shared.conformance.served import publish_models

KNOWN = {200, 400, 404, 405, 411, 413, 415, 417, 431, 501, 503}
FAILED_LOAD = "failed to poll from model repository"
TIMEOUT_S = 10.0
some = settings(max_examples=60, deadline=None, derandomize=True)


@pytest.fixture(scope="module")
def reports() -> list[str]:
    """What the server told its operator; a fault of its own would be there."""
    return []


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, reports: list[str]) -> Iterator[str]:
    """HOST:PORT of the REST front over the models of the conformance tests."""
    repository = publish_models(tmp_path_factory.mktemp("models"))
    with Server(repository, grpc_port=0, http_port=0, report=reports.append) as server:
        yield str(server.http_url)


@some
@given(sent=http_requests())
def test_any_request_is_answered_or_refused(url: str, reports: list[str], sent: RestRequest) -> None:
    """Any path, headers and body: a known status, and an error in JSON where there is one."""
    require_known(url, reports, sent)


@pytest.mark.slow
@settings(max_examples=2000, deadline=None)
@given(sent=http_requests())
def test_any_of_many_requests_is_answered_or_refused(url: str, reports: list[str], sent: RestRequest) -> None:
    """The same with other requests each time."""
    require_known(url, reports, sent)


@some
@given(sent=HTTP_BYTES)
@example(sent=b"")
@example(sent=RIGHT_REQUEST)
@example(sent=RIGHT_REQUEST * 3)
def test_any_bytes_have_an_end(url: str, reports: list[str], sent: bytes) -> None:
    """A client that sends anything and says that it has no more: the server answers or not, and closes."""
    host, _, port = url.partition(":")
    with socket.create_connection((host, int(port)), timeout=TIMEOUT_S) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while part := connection.recv(65536):
            received += part
    assert received == b"" or received.startswith(b"HTTP/1.1 ")
    assert reports == []


def test_the_server_still_answers(url: str) -> None:
    """After all of the above."""
    sent = post(inference())
    Vectors().require(*exchange(url, sent.method, sent.path, sent.body, sent.headers))


def require_known(url: str, reports: list[str], sent: RestRequest) -> None:
    """One request on a connection of its own."""
    reports.clear()
    status, headers, body = _exchange(url, sent)
    if status == 500:
        assert FAILED_LOAD in json.loads(body)["error"]  # as Triton says it of a load that failed
        return
    assert status in KNOWN, (status, body)
    if status != 200 and body and headers.get("content-type", "").startswith("application/json"):
        text = json.loads(body)["error"]
        assert len(text.splitlines()) == 1, text
    assert not any("internal error" in line for line in reports), reports


def _exchange(url: str, sent: RestRequest) -> tuple[int, dict[str, str], bytes]:
    """As written, whatever a client would say to it."""
    connection = http.client.HTTPConnection(url, timeout=TIMEOUT_S)
    connection._validate_path = lambda url: None  # type: ignore[attr-defined]  # odd paths are the point
    try:
        connection.putrequest(sent.method, sent.path, skip_accept_encoding=True)
        for name, value in sent.headers.items():
            connection.putheader(name, value)
        if sent.body or sent.method == "POST":
            connection.putheader("Content-Length", str(len(sent.body)))
        connection.endheaders(sent.body or None)
        response = connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
    finally:
        connection.close()
