"""The servers that tests of the client run against, by name; each is started on ports of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from triton_server import TritonServer, unavailable

SERVERS = [] if unavailable() else ["triton"]


@contextmanager
def serve(name: str, repository: Path) -> Iterator[str]:
    """HOST:PORT of a server's gRPC port while it serves the repository."""
    with TritonServer(repository) as server:
        yield server.grpc_url
