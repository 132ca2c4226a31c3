"""The servers that tests of the client run against, by name or as a process; each listens on ports of its own."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

from serving.client.scorer import Scorer
from serving.embedded.server import Server
from tests.shared.triton_server import TritonServer, unavailable

_TRITON = pytest.param(
    "triton", marks=[pytest.mark.slow, pytest.mark.skipif(bool(unavailable()), reason=unavailable() or "")]
)
SERVERS = ["embedded", _TRITON]
"""Parameters of tests; each module that takes them starts a tritonserver of its own, hence slow."""
SCORING_PLACES = ["local", *SERVERS]

_PROGRAM = """
import sys
from serving.embedded.server import Server
with Server(sys.argv[1], grpc_port=int(sys.argv[2])) as server:
    print(server.url, flush=True)
    sys.stdin.read()
"""


@contextmanager
def serve(name: str, repository: Path) -> Iterator[str]:
    """HOST:PORT of a server's gRPC port while it serves the repository."""
    if name == "triton":
        with TritonServer(repository) as triton:
            yield triton.grpc_url
    else:
        with Server(repository, grpc_port=0) as server:
            yield server.url


class Place:
    """A place where the models of a repository are scored: in this process or on a server.

    Args:
        repository: the folder.
        url: HOST:PORT of a server; None for this process.
    """

    def __init__(self, repository: Path, url: str | None) -> None:
        self.repository, self.url = repository, url

    def scorer(self, model: str, **options: Any) -> Scorer:
        """A Scorer of a model there."""
        if self.url is None:
            return Scorer(model, repository=self.repository, **options)
        return Scorer(model, url=self.url, **options)


@contextmanager
def scoring_place(name: str, repository: Path) -> Iterator[Place]:
    """A place by its name, one of SCORING_PLACES."""
    if name == "local":
        yield Place(repository, None)
        return
    with serve(name, repository) as url:
        yield Place(repository, url)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class ServerProcess:
    """An embedded server in a process of its own, which can be killed and started again on the same port."""

    def __init__(self, repository: Path) -> None:
        self.repository = repository
        self._port = 0

    def start(self) -> str:
        """HOST:PORT, as soon as it answers."""
        command = [sys.executable, "-c", _PROGRAM, str(self.repository), str(self._port)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        url = self.process.stdout.readline().strip()
        self._port = int(url.rpartition(":")[2])
        return url

    def kill(self) -> None:
        """End it without a word, if it runs."""
        self.process.kill()
        self.process.communicate()

    def __enter__(self) -> ServerProcess:
        self.url = self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
