"""Starting and stopping the embedded server: ports, requests in flight, signals, and what it leaves on the machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton

from artifact.errors import ServerError, UsageError
from serving.embedded.server import Server
from serving.embedded.signals import stop_signals
from serving.protocol import STOPPING
from tests.shared.child_process import start_child
from tests.shared.held_server import num_waiting, together
from tests.shared.pictures import noise, png
from tests.shared.tiny_artifact import linear_vectors, publish_tiny
from tests.shared.triton_client import client_of, infer, refusal
from tests.shared.waiting import WAIT_S, eventually

SERVE = """
import os, sys

def watch(event, arguments):
    if event == "import" and arguments[0] == "onnxruntime":
        print("telemetry off:", os.environ.get("ORT_DISABLE_TELEMETRY"), flush=True)

sys.addaudithook(watch)
from serving.embedded.server import Server, serve
serve(Server(sys.argv[1], grpc_port=0, grace_s=20, report=lambda line: print(line, flush=True)))
print("torch" in sys.modules, flush=True)
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    publish_tiny(tmp_path / "repository")
    return tmp_path / "repository"


def test_stop_lets_requests_in_flight_finish(repository: Path) -> None:
    """While a request is in flight: not ready, late requests refused in Triton's words, the one in flight answered."""
    server = Server(repository, grpc_port=0).start()
    stopping = threading.Thread(target=server.stop)
    with client_of(server) as client:
        with together(server, lambda: infer(client, "tiny", {"image": noise(2)})) as answers:
            eventually(lambda: num_waiting(server) == 1, "one waiting")
            stopping.start()
            eventually(lambda: not client.is_server_ready(), "stopping")
            late = refusal(lambda: infer(client, "tiny", {"image": noise(1)}))
            assert late == ("UNAVAILABLE", STOPPING)
            assert not answers[0].done()
            assert not server.wait(0)
        got = answers[0].result(WAIT_S).as_numpy("embedding")
        stopping.join(WAIT_S)
        assert server.wait(WAIT_S)
        np.testing.assert_allclose(got, linear_vectors(noise(2)), atol=1e-5)
        assert refusal(client.is_server_live)[0] == "UNAVAILABLE"
    server.stop()  # twice is once


def test_stop_cancels_what_outlasts_its_grace(repository: Path) -> None:
    """A request that is still running at the end of the grace is cut off, and the report says so."""
    reports: list[str] = []
    server = Server(repository, grpc_port=0, report=reports.append).start()
    stopping = threading.Thread(target=server.stop, args=(0.05,))
    with client_of(server) as client, together(server, lambda: infer(client, "tiny", {"image": noise(2)})) as answers:
        eventually(lambda: num_waiting(server) == 1, "one waiting")
        stopping.start()
        assert refusal(lambda: answers[0].result(WAIT_S))[0] in ("UNAVAILABLE", "CANCELLED")
    stopping.join(WAIT_S)
    assert server.wait(WAIT_S)
    assert reports[-1] == "requests were still running after 0.05 s; they are cancelled"


def test_stopped_server_leaves_no_thread(repository: Path) -> None:
    """Every thread that a server started has ended once it is stopped, and its port is free."""
    before = set(threading.enumerate())
    with Server(repository, grpc_port=0) as server:
        port = server.port
        with client_of(server) as client:
            infer(client, "tiny_encoded", {"image": [png(noise(1)[0])]})
        assert {thread.name for thread in set(threading.enumerate()) - before} >= {"lookalike-tiny-1"}
    left = [thread.name for thread in set(threading.enumerate()) - before if thread.name.startswith("lookalike")]
    assert left == []
    with Server(repository, grpc_port=port) as again:
        assert again.port == port


def test_port_in_use_is_an_error(repository: Path) -> None:
    """Two servers never share a port: the second one fails with a line that says what to do."""
    with Server(repository, grpc_port=0) as first:
        with pytest.raises(ServerError) as refused:
            Server(repository, grpc_port=first.port).start()
        assert str(refused.value) == (
            "the server cannot listen: expected a free port on an address of this machine, got a port in use, or no "
            f"such address (127.0.0.1:{first.port}); stop what listens there, or choose another port (0 takes a free "
            "one)"
        )
        with client_of(first) as client:
            assert client.is_server_ready()


def test_server_listens_on_this_machine_only(repository: Path) -> None:
    """By default the address is the loopback one."""
    with Server(repository, grpc_port=0) as server:
        assert server.url == f"127.0.0.1:{server.port}"
        with grpc.insecure_channel(f"127.0.0.2:{server.port}") as other, pytest.raises(grpc.FutureTimeoutError):
            grpc.channel_ready_future(other).result(timeout=0.3)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"grpc_port": 65536}, "grpc_port: expected 0 to 65535, got 65536"),
        ({"host": ""}, "host: expected an address, got nothing; 127.0.0.1 is this machine only"),
        ({"threads": 0}, "threads: expected at least 1, got 0"),
        ({"max_queue": 0}, "max_queue: expected at least 1, got 0"),
        ({"max_message_bytes": 0}, "max_message_bytes: expected at least 1, got 0"),
        ({"device": "abacus"}, "device 'abacus': expected one of cpu, cuda, tensorrt"),
    ],
)
def test_options_that_make_no_sense_are_refused(repository: Path, options: dict[str, object], text: str) -> None:
    """Each is named with what it should have been."""
    with pytest.raises(UsageError) as refused:
        Server(repository, **options)  # type: ignore[arg-type]
    assert str(refused.value) == text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_stops_on_a_signal_and_leaves_nothing(repository: Path, tmp_path: Path, number: signal.Signals) -> None:
    """`serve` in a process of its own: telemetry off before onnxruntime, nothing written, a signal ends it well."""
    home = tmp_path / "home"
    (home / "cache").mkdir(parents=True)
    with _process(repository, home) as process:
        lines = []
        while not (lines and lines[-1].startswith("serving ")):
            assert process.stdout is not None
            lines.append(process.stdout.readline())
            assert lines[-1], f"it ended: {lines}"
        url = lines[-1].split(" on ")[1].split()[0]
        assert lines[-1] == f"serving tiny, tiny_decode, tiny_encoded on {url} (gRPC)\n"
        assert "telemetry off: 1\n" in lines
        with triton.InferenceServerClient(url) as client:
            answer = infer(client, "tiny_encoded", {"image": [png(noise(1)[0])]})
            np.testing.assert_allclose(answer.as_numpy("embedding"), linear_vectors(noise(1)), atol=1e-5)
        process.send_signal(number)
        rest, errors = process.communicate(timeout=WAIT_S)
    assert process.returncode == 0, errors
    assert rest.splitlines() == [
        "stopping: requests in flight may take 20 s more; a second signal ends it at once",
        "False",
    ]
    assert errors == ""
    assert sorted(path for path in home.rglob("*") if path.is_file()) == []


def test_signal_just_before_the_wait_is_not_slept_over() -> None:
    """A signal before or while it is waited for ends the wait; what was done with signals before is restored."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    for number in handlers:
        with stop_signals() as signals:
            signal.raise_signal(number)
            signals.wait()
        with stop_signals() as signals:
            sender = threading.Timer(0.05, os.kill, (os.getpid(), number))
            sender.start()
            signals.wait()
            sender.join()
    assert {number: signal.getsignal(number) for number in handlers} == handlers
    assert signal.set_wakeup_fd(-1) == -1


@contextmanager
def _process(repository: Path, home: Path) -> Iterator[subprocess.Popen[str]]:
    """A server in a process of its own with an empty home; ended at the latest with the context."""
    variables = {key: value for key, value in os.environ.items() if not key.startswith(("ORT_", "XDG_"))}
    variables |= {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"), "PYTHONWARNINGS": "error"}
    process = start_child(
        [sys.executable, "-c", SERVE, str(repository)],
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()
