"""Connections of the REST front, over bare sockets: what is slow, endless, too much or no HTTP is refused in bounds."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.embedded.server import Server
from tests.shared.raw_http import INFER, LIVE, PIXELS, RawConnection, infer_request


@pytest.fixture(scope="module")
def server(repository: Path) -> Iterator[Server]:
    with Server(repository, grpc_port=0, http_port=0, max_message_bytes=1_000_000) as running:
        yield running


@pytest.fixture
def connection(server: Server) -> Iterator[RawConnection]:
    with RawConnection(str(server.http_url)) as connection:
        yield connection


def test_connection_is_kept_for_many_requests(connection: RawConnection) -> None:
    """One after the other, right and wrong ones."""
    for _ in range(3):
        assert connection.get().status == 200
        assert connection.get("/nope").status == 404
        connection.send(infer_request())
        assert connection.response().status == 200
        connection.send(infer_request(body=b"short"))
        assert connection.response().status == 400


def test_requests_sent_ahead_are_answered_in_order(connection: RawConnection) -> None:
    """Pipelining: slow ones first."""
    connection.send(infer_request() + LIVE + infer_request(body=b"short") + LIVE)
    answers = [connection.response() for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 200, 400, 200]
    assert len(answers[0].body) > len(answers[1].body) == 0


def test_requests_far_ahead_end_the_connection(connection: RawConnection) -> None:
    """Those that were taken are answered, if the client is quick to hear it; no memory grows."""
    num_answers = 0
    with contextlib.suppress(ConnectionError):
        connection.send(LIVE * 5000)
        while not connection.ends(look=True):
            assert connection.response().status == 200
            num_answers += 1
    assert num_answers < 200


def test_old_clients_get_an_answer_and_the_end(connection: RawConnection) -> None:
    """HTTP/1.0."""
    answer = connection.get("/v2/models/tiny/ready", version="1.0")
    assert (answer.status, answer.headers["connection"]) == (200, "close")
    assert connection.ends()


def test_connection_ends_when_it_is_asked_to(connection: RawConnection) -> None:
    """Connection: close."""
    assert connection.get(headers="Connection: close\r\n").headers["connection"] == "close"
    assert connection.ends()


@pytest.mark.parametrize(
    "sent",
    [
        b"hello\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS to a port that has none
        b"GET /v2 HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET /v2 HTTP/1.1\r\na b: c\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\n\r\n",
        b"GET /v2 HTTP/9.9\r\n\r\n",
        b"POST /v2 HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /v2 HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"POST /v2 HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
        b"POST /v2 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_what_is_no_http_is_refused_in_one_line(connection: RawConnection, sent: bytes) -> None:
    """Two lengths of one body among them, by which requests are smuggled past a proxy; JSON, and the end."""
    connection.send(sent)
    answer = connection.response()
    assert answer.status == 400
    assert list(answer.json) == ["error"]
    assert connection.ends()


def test_headers_without_end_are_refused(connection: RawConnection) -> None:
    """One that never ends: at the latest with what comes after the part that it begins in."""
    connection.send(b"GET /v2 HTTP/1.1\r\nx: " + b"y" * 400_000)
    answer = connection.response()
    assert (answer.status, answer.json) == (431, {"error": "the headers are larger than 65536 bytes"})
    assert connection.ends()


@pytest.mark.parametrize("part", [b"GET /v2 HTTP/1.1\r\n" + b"x: y\r\n" * 30_000, b"GET /" + b"v" * 70_000])
def test_large_heads_are_refused_whole_too(connection: RawConnection, part: bytes) -> None:
    """Though they come at once; the request's line counts."""
    connection.send(part + (b" HTTP/1.1\r\n\r\n" if b"HTTP" not in part else b"\r\n"))
    assert connection.response().status == 431
    assert connection.ends()


def test_trailers_are_no_headers(connection: RawConnection) -> None:
    """What comes after a body was not there when the headers were checked."""
    head = f"POST {INFER} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    connection.send(head + b"c0\r\n" + PIXELS + b"\r\n0\r\nInference-Header-Content-Length: 0\r\n\r\n")
    assert "failed to parse the request JSON buffer" in connection.response().json["error"]
    assert connection.get().status == 200


def test_trailers_without_end_are_refused(connection: RawConnection) -> None:
    """Nor are they kept."""
    head = f"POST {INFER} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n".encode()
    connection.send(head + b"x: " + b"y" * 16_000_000)
    assert connection.response().status == 431
    assert connection.ends()


def test_chunks_are_one_body(connection: RawConnection) -> None:
    """Of any size; 65,536 of them at most, as in Triton."""
    head = infer_request(body=b"").replace(b"Content-Length: 0\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n")
    head = head.replace(b"Inference-Header-Transfer", b"Inference-Header-Content-Length: 0\r\nTransfer")
    chunks = b"".join(b"1\r\n%c\r\n" % value for value in PIXELS)
    connection.send(head + chunks + b"0\r\n\r\n")
    whole = connection.response()
    connection.send(infer_request())
    assert (whole.status, whole.body) == (200, connection.response().body)
    connection.send(head + b"1\r\nx\r\n" * 65_537 + b"0\r\n\r\n")
    answer = connection.response()
    assert answer.status == 400
    assert answer.json["error"].startswith("Chunked request body exceeds maximum of 65536 non-empty chunks.")
    assert connection.ends()


def test_body_larger_than_told_is_no_part_of_it(connection: RawConnection) -> None:
    """What is behind the length that was told is the next request, and no HTTP here: the first is answered, then the
    connection ends."""
    connection.send(infer_request() + b"more of it\r\n\r\n")
    assert connection.response().status == 200
    assert connection.ends()


def test_body_over_the_limit_is_refused_before_it_comes(connection: RawConnection) -> None:
    """By its length; and what comes all the same is forgotten, so that clients that listen late hear the refusal."""
    head = infer_request(body=b"").replace(b"Content-Length: 0\r\n\r\n", b"Content-Length: 1000001\r\n\r\n", 2)
    head = head.replace(b"Inference-Header-Content-Length: 1000001", b"Inference-Header-Content-Length: 0")
    connection.send(head)
    answer = connection.response()
    assert answer.status == 413
    assert "larger than 1000000 bytes" in answer.json["error"]
    connection.send(bytes(1_000_001))
    assert connection.get().status == 200


def test_client_that_asks_first_is_told_before_it_sends(connection: RawConnection) -> None:
    """Expect: 100-continue: what is too large is refused instead, what is not is waited for."""
    expect = "Expect: 100-continue\r\n"
    connection.send(infer_request(headers=expect)[: -len(PIXELS)])
    assert connection.response(has_body=False).status == 100
    connection.send(PIXELS)
    assert connection.response().status == 200
    connection.send(f"POST {INFER} HTTP/1.1\r\n{expect}Content-Length: 99999999\r\n\r\n".encode())
    answer = connection.response()
    assert (answer.status, answer.headers["connection"]) == (413, "close")
    assert connection.ends()


@pytest.mark.parametrize("protocol", ["h2c", "websocket"])
def test_upgrade_is_no_reason_to_change(connection: RawConnection, protocol: str) -> None:
    """curl --http2 and WebSockets: answered in HTTP/1.1."""
    headers = f"Connection: Upgrade\r\nUpgrade: {protocol}\r\n"
    assert connection.get("/v2/models/tiny/ready", headers=headers).status == 200


def test_answer_names_its_artifact(connection: RawConnection, repository: Path) -> None:
    """Every answer to an inference carries the digest, binary and JSON alike."""
    connection.send(infer_request(headers="Accept: application/json\r\n"))
    told = connection.response().json
    connection.send(infer_request())
    answer = connection.response()
    length = int(answer.headers["inference-header-content-length"])
    binary = json.loads(answer.body[:length])
    assert told["parameters"] == binary["parameters"]
    assert len(told["parameters"]["lookalike.digest"]) == 64
