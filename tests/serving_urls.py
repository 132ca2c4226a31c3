"""The servers that tests of the client run against, by name; each is started on ports of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from triton_server import TritonServer, unavailable

from serving.server import Server

SERVERS = ["embedded"] if unavailable() else ["embedded", "triton"]


@contextmanager
def serve(name: str, repository: Path) -> Iterator[str]:
    """HOST:PORT of a server's gRPC port while it serves the repository."""
    if name == "triton":
        with TritonServer(repository) as triton:
            yield triton.grpc_url
    else:
        with Server(repository, grpc_port=0) as server:
            yield server.url
