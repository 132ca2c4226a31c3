"""Addresses where no model server answers."""

from __future__ import annotations

import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from artifact.errors import (
    UnavailableError,
)
from serving.client.connections.grpc_connection import GrpcConnection
from serving.client.options import ScorerOptions
from serving.client.scorer import Scorer


def test_no_server_is_said_with_how_to_start_one() -> None:
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(UnavailableError) as error:
            Scorer("triplet_branch", url=url)
    assert str(error.value) == (
        f"no server answers: expected a model server's gRPC port, got connection refused ({url}); "
        "start one with `lookalike serve REPOSITORY`"
    )


def test_a_port_that_never_answers_is_given_up(tmp_path: Path) -> None:
    """Something listens and says nothing: the first call's deadline ends it."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(UnavailableError) as error:
            GrpcConnection("triplet_branch", ScorerOptions(url=url), connect_timeout_s=0.2)
    assert str(error.value) == (
        f"no server answers: expected a model server's gRPC port, got no answer within 0.2 s ({url}); "
        "start one with `lookalike serve REPOSITORY`"
    )


def test_an_http_port_is_recognised() -> None:
    """The neighbouring port of the same server is the usual mistake."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            """Quiet."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        url = f"127.0.0.1:{server.server_address[1]}"
        try:
            with pytest.raises(UnavailableError) as error:
                Scorer("triplet_branch", url=url)
        finally:
            server.shutdown()
            thread.join()
    assert str(error.value) == (
        "no server answers: expected a model server's gRPC port, got another protocol, is this the HTTP port? "
        f"({url}); start one with `lookalike serve REPOSITORY`"
    )
