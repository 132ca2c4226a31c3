"""A server in a process of its own that is attacked: its address space is bounded, its memory is measured, and after
each attack it must be as well as before.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from tritonclient.grpc import service_pb2 as messages
from tritonclient.grpc import service_pb2_grpc as services

from tests.shared.child_process import start_child
from tests.shared.tiny_artifact import linear_vectors
from tests.shared.waiting import WAIT_S

MB = 1024 * 1024
SERVICE = "/inference.GRPCInferenceService/"
PIXELS = np.arange(8 * 8 * 3, dtype=np.uint8).reshape(1, 8, 8, 3)
"""An image of the model `tiny`."""

_ADDRESS_SPACE = 6 * 1024 * MB
"""What runs away ends in MemoryError before the machine does; threads' stacks and arenas take most of it."""
_SERVE = """
import json, resource, sys
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]),) * 2)
from serving.embedded.server import Server
options = json.loads(sys.argv[3])
report = lambda line: print(line, file=sys.stderr)
with Server(sys.argv[2], grpc_port=0, http_port=0, report=report, **options) as server:
    print(server.url, server.http_url, flush=True)
    sys.stdin.read()
"""


class AttackedServer:
    """A running server of `tiny`; `url` and `http_url` are its fronts."""

    def __init__(self, process: Any, url: str, http_url: str) -> None:
        self.url, self.http_url, self._process = url, http_url, process
        self.channel = grpc.insecure_channel(url, [("grpc.max_send_message_length", -1)])
        self.stub = services.GRPCInferenceServiceStub(self.channel)
        self._lines: list[str] = []
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    @contextmanager
    def growth(self, most_mb: float) -> Iterator[None]:
        """Nothing in the context takes more memory than so much, not even for a moment, and the server stays well."""
        process = Path("/proc") / str(self._process.pid)
        (process / "clear_refs").write_text("5")
        before = _kilobytes(process, "VmHWM")
        yield
        grown = (_kilobytes(process, "VmHWM") - before) / 1024
        self.require_well()
        assert grown < most_mb, f"the server grew by {grown:.0f} MB"

    def require_well(self) -> None:
        """It runs, answers rightly, and has written no traceback."""
        assert self._process.poll() is None, f"the server ended: {self.said()}"
        answer = self.stub.ModelInfer(tiny_request(), timeout=WAIT_S)
        vectors = np.frombuffer(answer.raw_output_contents[0], np.float32)
        np.testing.assert_allclose(vectors, linear_vectors(PIXELS)[0], atol=1e-5)
        assert "Traceback" not in self.said(), self.said()

    def said(self) -> str:
        """All that it wrote to stderr."""
        return "".join(self._lines)

    def refusal(self, method: str, request: Any) -> tuple[str, str]:
        """Status and text of a call that must be refused; a request may be bytes that are no message."""
        data = request if isinstance(request, bytes) else request.SerializeToString()
        try:
            self.channel.unary_unary(SERVICE + method)(data, timeout=WAIT_S)
        except grpc.RpcError as error:
            return error.code().name, error.details() or ""
        raise AssertionError("it was answered")

    def close(self) -> None:
        """End it."""
        self.channel.close()
        self._process.stdin.close()
        try:
            self._process.wait(WAIT_S)
        finally:
            self._process.kill()
            self._process.wait()
            self._reading.join()
            self._process.stdout.close()
            self._process.stderr.close()

    def _read(self) -> None:
        for line in self._process.stderr:
            self._lines.append(line)


@contextmanager
def attacked_server(repository: Path, **options: Any) -> Iterator[AttackedServer]:
    """A server in a child process, with options that JSON can say."""
    command = [sys.executable, "-c", _SERVE, str(_ADDRESS_SPACE), repository, json.dumps(options)]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "MALLOC_ARENA_MAX": "2"}
    process = start_child(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env=environment,
    )
    urls = process.stdout.readline().split()
    if len(urls) != 2:
        process.kill()
        raise AssertionError(process.communicate()[1])
    server = AttackedServer(process, *urls)
    try:
        server.require_well()
        yield server
    finally:
        server.close()


def tiny_request(**fields: Any) -> Any:
    """A ModelInferRequest that `tiny` answers, or one with other fields."""
    request = messages.ModelInferRequest(model_name="tiny", **fields)
    request.inputs.add(name="image", datatype="UINT8", shape=PIXELS.shape)
    request.raw_input_contents.append(PIXELS.tobytes())
    return request


def _kilobytes(process: Path, name: str) -> int:
    return int((process / "status").read_text().partition(name + ":")[2].split()[0])
