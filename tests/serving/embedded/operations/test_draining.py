"""The end of a server while clients send over gRPC, streams and HTTP: nothing is lost, nothing is answered twice."""

from __future__ import annotations

import http.client
import queue
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from tritonclient.grpc import service_pb2 as messages
from tritonclient.grpc.service_pb2_grpc import GRPCInferenceServiceStub

from serving.embedded.server import Server
from tests.shared.child_process import start_child
from tests.shared.held_server import Held
from tests.shared.pictures import noise, png
from tests.shared.tiny_artifact import linear_vectors, publish_tiny
from tests.shared.triton_client import client_of, infer, refusal
from tests.shared.waiting import WAIT_S, eventually


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("draining") / "repository"
    publish_tiny(folder)
    return folder


def message(number: int) -> Any:
    """A request of its own pixels, with its number as its id."""
    request = messages.ModelInferRequest(model_name="tiny", id=str(number))
    request.inputs.add(name="image", datatype="UINT8", shape=(1, 8, 8, 3))
    request.raw_input_contents.append(pixels(number).tobytes())
    return request


def pixels(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (1, 8, 8, 3), np.uint8)


class Answers:
    """What clients got: every number once, and the right vector."""

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()
        self.failures: Counter[str] = Counter()
        self._lock = threading.Lock()

    def add(self, number: int, raw: bytes) -> None:
        np.testing.assert_allclose(np.frombuffer(raw, np.float32)[None], linear_vectors(pixels(number)), atol=1e-5)
        with self._lock:
            self.counts[number] += 1

    def failed(self, what: str) -> None:
        with self._lock:
            self.failures[what] += 1


def unary(urls: list[str], numbers: Iterator[int], answers: Answers, stop: threading.Event) -> None:
    """Send one request after the other to the servers by turns; what is UNAVAILABLE goes to the next."""
    channels = [grpc.insecure_channel(url, [("grpc.use_local_subchannel_pool", 1)]) for url in urls]
    stubs, turn = [GRPCInferenceServiceStub(channel) for channel in channels], 0
    while not stop.is_set():
        number = next(numbers)
        for _ in range(4):
            turn += 1
            try:
                answer = stubs[turn % len(stubs)].ModelInfer(message(number), timeout=WAIT_S)
            except grpc.RpcError as error:
                answers.failed(error.code().name)
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    break
            else:
                answers.add(number, answer.raw_output_contents[0])
                break
    for channel in channels:
        channel.close()


def streamed(urls: list[str], numbers: Iterator[int], answers: Answers, stop: threading.Event) -> None:
    """Send on long streams, a few requests ahead; what a stream that ended has not answered goes to the next server."""
    pending: list[int] = []
    turn = 0
    while pending or not stop.is_set():
        asked: queue.Queue[Any] = queue.Queue()
        with grpc.insecure_channel(urls[turn % len(urls)], [("grpc.use_local_subchannel_pool", 1)]) as channel:
            stream = GRPCInferenceServiceStub(channel).ModelStreamInfer(iter(asked.get, None), timeout=WAIT_S)
            waiting = list(pending)
            for number in waiting:
                asked.put(message(number))
            try:
                while waiting or not stop.is_set():
                    while len(waiting) < 3 and not stop.is_set():
                        waiting.append(next(numbers))
                        asked.put(message(waiting[-1]))
                    answer = next(stream)
                    assert not answer.error_message, answer.error_message
                    number = waiting.pop(0)
                    assert answer.infer_response.id == str(number)
                    answers.add(number, answer.infer_response.raw_output_contents[0])
            except grpc.RpcError as error:
                answers.failed(f"stream {error.code().name}")
                turn += 1
            asked.put(None)
            pending = waiting


def kept_alive(urls: list[str], numbers: Iterator[int], answers: Answers, stop: threading.Event) -> None:
    """Send over a connection that is kept while the server keeps it; to who is not ready no more are sent."""
    turn, connection = 0, http.client.HTTPConnection(urls[0], timeout=WAIT_S)
    headers = {"Inference-Header-Content-Length": "0"}
    while not stop.is_set():
        number = next(numbers)
        connection.request("POST", "/v2/models/tiny_encoded/infer", png(pixels(number)[0]), headers)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            answers.failed(f"http {answer.status}")
            return
        answers.add(number, body[int(answer.headers["Inference-Header-Content-Length"]) :])
        if answer.headers["Connection"] == "close":  # whoever balances the load looks at the health
            connection.close()
            turn += 1
            connection = http.client.HTTPConnection(urls[turn % len(urls)], timeout=WAIT_S)
    connection.close()


def test_requests_are_neither_lost_nor_answered_twice(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unary clients that take what is UNAVAILABLE elsewhere, long streams, HTTP clients that heed Connection: close,
    while one of two servers drains and stops: every request is answered once, and right."""
    monkeypatch.setenv("GRPC_VERBOSITY", "NONE")  # as `lookalike serve` has it
    numbers, answers, stop = _counting(), Answers(), threading.Event()
    options: dict[str, Any] = {"grpc_port": 0, "http_port": 0}
    with Server(repository, **options) as stays:
        leaves = Server(repository, drain_s=0.3, **options).start()
        grpc_urls = [leaves.url, stays.url]
        http_urls = [str(leaves.http_url), str(stays.http_url)]
        clients = [(unary, grpc_urls), (unary, grpc_urls), (streamed, grpc_urls), (kept_alive, http_urls)]
        errors = list[BaseException]()
        threads = [_client(errors, call, urls, numbers, answers, stop) for call, urls in clients]
        eventually(lambda: sum(answers.counts.values()) > 40, "a good load")
        before = sum(answers.counts.values())
        leaves.stop()
        eventually(lambda: sum(answers.counts.values()) > before + 40, "a good load on the other")
        stop.set()
        for thread in threads:
            thread.join(WAIT_S)
    assert not errors
    assert set(answers.failures) <= {"UNAVAILABLE", "stream UNAVAILABLE"}
    sent = next(numbers)
    assert answers.counts == Counter(range(sent))


def test_draining_server_is_not_ready_and_answers(repository: Path) -> None:
    """Over both fronts, also new connections; HTTP is asked to leave with every answer."""
    server = Server(repository, grpc_port=0, http_port=0, drain_s=WAIT_S).start()
    stopping = threading.Thread(target=server.stop)
    with client_of(server) as client:
        stopping.start()
        eventually(lambda: not client.is_server_ready(), "not ready")
        assert client.is_server_live()
        np.testing.assert_allclose(
            infer(client, "tiny", {"image": noise(2)}).as_numpy("embedding"), linear_vectors(noise(2)), atol=1e-5
        )
        connection = http.client.HTTPConnection(str(server.http_url), timeout=WAIT_S)
        for path, status in (("/v2/health/live", 200), ("/v2/health/ready", 400), ("/v2/models/tiny", 200)):
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            assert (answer.status, answer.headers["Connection"]) == (status, "close")
        connection.close()
        began = time.monotonic()
        server.stop(0)  # at once, whatever the other stop waits for
    stopping.join(WAIT_S)
    assert server.wait(0)
    assert time.monotonic() - began < WAIT_S / 2


def test_streams_end_between_two_answers(repository: Path) -> None:
    """The answer that a stream is at comes; what was sent behind it is not run, and the stream is UNAVAILABLE. A stream
    that nobody asks anything on ends at once."""
    server = Server(repository, grpc_port=0).start()
    held = Held(server)
    with grpc.insecure_channel(server.url) as channel:
        stub, asked, idle = GRPCInferenceServiceStub(channel), queue.Queue[Any](), queue.Queue[Any]()
        quiet = stub.ModelStreamInfer(iter(idle.get, None), timeout=WAIT_S)
        stream = stub.ModelStreamInfer(iter(asked.get, None), timeout=WAIT_S)
        asked.put(message(0))
        asked.put(message(1))
        eventually(lambda: held.num_rows == [1], "the run")
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        eventually(lambda: not server._store.is_ready, "stopping")
        held.release()
        assert next(stream).infer_response.id == "0"
        for one in (stream, quiet):
            assert refusal(lambda one=one: next(one))[0] == "UNAVAILABLE"  # type: ignore[misc]
        stopping.join(WAIT_S)
        asked.put(None)
        idle.put(None)
    assert held.num_rows == [1]
    assert server.wait(0)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_second_signal_ends_at_once(repository: Path, number: signal.Signals) -> None:
    """The first begins to drain, for minutes here; the second is not waited with. It is the command that runs."""
    command = [sys.executable, "-m", "lookalike.cli", "serve", repository, "--grpc-port", 0, "--http-port", 0]
    command += ["--metrics-port", 0, "--drain-s", 300, "--no-auto-tune"]
    process = start_child(
        [str(word) for word in command],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stderr is not None
        lines = [process.stderr.readline()]
        while not lines[-1].startswith("serving "):
            lines.append(process.stderr.readline())
            assert lines[-1], f"it ended: {lines}"
        assert ", metrics on 127.0.0.1:" in lines[-1]
        process.send_signal(number)
        assert process.stderr.readline().startswith("stopping: answering for 300 s more, then requests in flight")
        assert process.poll() is None
        process.send_signal(number)
        _, rest = process.communicate(timeout=WAIT_S)
        assert rest == "stopping at once\n"
        assert process.returncode == 0
    finally:
        process.kill()
        process.communicate()


def _counting() -> Iterator[int]:
    """0, 1, 2 ... to any number of threads."""
    lock, last = threading.Lock(), -1

    class Numbers:
        def __iter__(self) -> Any:
            return self

        def __next__(self) -> int:
            nonlocal last
            with lock:
                last += 1
                return last

    return Numbers()


def _client(errors: list[BaseException], call: Callable[..., None], *arguments: Any) -> threading.Thread:
    def run() -> None:
        try:
            call(*arguments)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread
