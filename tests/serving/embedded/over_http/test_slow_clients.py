"""Clients of the REST front that are slow, too many, or gone; and a server that stops while they are there."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from serving.embedded.over_http.connections import Connection
from serving.embedded.server import Server
from tests.shared.held_server import Held, num_waiting
from tests.shared.raw_http import LIVE, RawConnection, infer_request
from tests.shared.tiny_artifact import publish_tiny
from tests.shared.waiting import eventually


@pytest.fixture(scope="module")
def server(repository: Path) -> Iterator[Server]:
    with Server(repository, grpc_port=0, http_port=0) as running:
        yield running


def test_slow_heads_are_given_up(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte now and then keeps no connection; nor does silence, nor empty lines."""
    monkeypatch.setattr(Connection, "head_s", 0.2)
    for begin in (b"", b"\r\n\r\n", b"GET /v2 HT", b"GET /v2 HTTP/1.1\r\nx: y\r\n"):
        with RawConnection(str(server.http_url)) as connection:
            connection.send(begin)
            assert connection.ends()


def test_slow_bodies_are_given_up(repository: Path) -> None:
    """408 in one line, and the end."""
    with (
        Server(repository, grpc_port=0, http_port=0, read_s=0.2) as server,
        RawConnection(str(server.http_url)) as connection,
    ):
        connection.send(infer_request()[:-10])
        answer = connection.response()
        assert (answer.status, answer.json) == (408, {"error": "nothing came for 0.2 s"})
        assert connection.ends()


def test_unwanted_bodies_are_given_up(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the refusal the rest is forgotten for a while only."""
    monkeypatch.setattr(Connection, "head_s", 0.2)
    with RawConnection(str(server.http_url)) as connection:
        connection.send(b"POST /nope HTTP/1.1\r\nContent-Length: 100000\r\n\r\n" + bytes(50_000))
        assert connection.response().status == 404
        connection.send(bytes(1000))
        assert connection.ends()


def test_answers_that_nobody_takes_are_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Megabytes of vectors in JSON, asked for and not read; who reads gets them whole."""
    monkeypatch.setattr(Connection, "untaken_s", 0.1)
    publish_tiny(tmp_path / "repository", dim=4096)
    rows = {"name": "image", "datatype": "UINT8", "shape": [64, 8, 8, 3], "data": [1] * 64 * 192}
    wanted = json.dumps({"inputs": [rows]}).encode()
    request = infer_request(body=wanted).replace(b"Inference-Header-Content-Length: 0\r\n", b"")
    with Server(tmp_path / "repository", grpc_port=0, http_port=0) as server:
        url = str(server.http_url)
        with RawConnection(url) as reads:
            reads.send(request)
            assert len(reads.response().json["outputs"][0]["data"]) == 64 * 4096
        connections = server._http._server.server_state.connections  # type: ignore[union-attr]
        with RawConnection(url, receive_bytes=4096) as connection:
            connection.send(request)
            eventually(lambda: len(connections) == 1, "the request")
            eventually(lambda: not connections, "the answer is given up")


def test_too_many_connections_are_refused(repository: Path) -> None:
    """In one line; who is connected goes on, and when one leaves another may come."""
    most = 19
    with Server(repository, grpc_port=0, http_port=0, max_connections=most) as server, ExitStack() as stack:
        url = str(server.http_url)
        connections = [stack.enter_context(RawConnection(url)) for _ in range(most)]
        assert all(connection.get().status == 200 for connection in connections)
        with RawConnection(url) as another:
            assert another.response().json == {"error": "too many connections"}
            assert another.ends()
        assert connections[0].get().status == 200
        connections[0].close()

        def is_let_in() -> bool:
            with RawConnection(url) as another, ThreadPoolExecutor(1):
                another.send(LIVE)
                return another.response().status == 200

        eventually(is_let_in, "room for another connection")


def test_client_that_goes_away_leaves_the_queue(repository: Path) -> None:
    """Its request is not run; those of others are."""
    with Server(repository, grpc_port=0, http_port=0) as server:
        url, held = str(server.http_url), Held(server)
        with RawConnection(url) as first, RawConnection(url) as stays:
            with RawConnection(url) as leaves:
                first.send(infer_request())
                eventually(lambda: held.num_rows == [1], "the first run")
                leaves.send(infer_request())
                eventually(lambda: num_waiting(server) == 1, "the second waits")
                stays.send(infer_request())
                eventually(lambda: num_waiting(server) == 2, "the third waits")
            eventually(lambda: num_waiting(server) == 1, "the second is gone")
            held.release()
            assert first.response().status == stays.response().status == 200
        assert held.num_rows == [1, 1]


def test_client_that_goes_away_within_a_body_is_forgotten(server: Server) -> None:
    """Nothing of it is kept."""
    room = server._http._config.app._app._room  # type: ignore[union-attr]
    with RawConnection(str(server.http_url)) as connection:
        connection.send(infer_request(body=bytes(100_000))[:-10])
        eventually(lambda: room.held > 0, "the body comes")
    eventually(lambda: room.held == 0, "the body is forgotten")


def test_requests_in_flight_are_answered_when_the_server_stops(repository: Path) -> None:
    """With Connection: close; late ones are refused in Triton's words, and idle connections end."""
    server = Server(repository, grpc_port=0, http_port=0).start()
    url, held = str(server.http_url), Held(server)
    with RawConnection(url) as running, RawConnection(url) as late, RawConnection(url) as idle:
        assert idle.get().status == late.get().status == 200
        running.send(infer_request())
        eventually(lambda: held.num_rows == [1], "the run")
        with ThreadPoolExecutor(1) as pool:
            stopped = pool.submit(server.stop)
            eventually(lambda: not server._store.is_ready, "the server stops")
            late.send(infer_request())
            answer = late.response()
            assert answer.status == 503
            assert answer.json["error"].startswith("Server is stopping, scheduler for model has stopped accepting")
            assert late.ends()
            with RawConnection(url) as probe:
                assert probe.get("/v2/health/ready").status == 400
            held.release()
            assert running.response().status == 200
            assert idle.ends()
            stopped.result()
    with pytest.raises(ConnectionRefusedError), socket.create_connection(url.split(":"), 1):  # type: ignore[arg-type]
        pass
