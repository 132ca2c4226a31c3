"""Far more requests than a server can answer: refused at once, in bounded memory, and all is well right after."""

from __future__ import annotations

import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException

from serving.embedded.server import Server
from serving.protocol import QUEUE_FULL
from tests.shared.pictures import noise, png
from tests.shared.tiny_artifact import linear_vectors, publish_tiny
from tests.shared.triton_client import client_of, infer
from tests.shared.waiting import WAIT_S

NUM_CLIENTS, MB = 40, 2**20
SECONDS = 1.0


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("overload") / "repository"
    publish_tiny(folder)
    return folder


def flood(url: str, ask: Callable[[triton.InferenceServerClient], object]) -> Counter[str]:
    """What clients, as many as the server has places twenty times, were told in SECONDS, none of them waiting."""
    told, lock, stop = Counter[str](), threading.Lock(), threading.Event()

    def run() -> None:
        with triton.InferenceServerClient(url) as client:
            while not stop.is_set():
                try:
                    ask(client)
                    said = "OK"
                except InferenceServerException as error:
                    said = f"{str(error.status()).removeprefix('StatusCode.')} {error.message()}"
                with lock:
                    told[said.partition(":")[0]] += 1  # behind it the bound

    threads = [threading.Thread(target=run) for _ in range(NUM_CLIENTS)]
    for thread in threads:
        thread.start()
    stop.wait(SECONDS)
    stop.set()
    for thread in threads:
        thread.join(WAIT_S)
    return told


@pytest.mark.parametrize("kind", ["tiny", "tiny_encoded"])
def test_overload_is_refused_and_recovers(repository: Path, kind: str) -> None:
    """Pixels and encoded images, with a network that takes 20 ms a row: some are answered, all others are refused in
    Triton's words; the server is live and ready meanwhile; then a request is answered right, and nothing is left."""
    value: np.ndarray | list[bytes] = noise(1) if kind == "tiny" else [png(noise(1)[0])]
    with Server(repository, grpc_port=0, http_port=0, max_queue=2, threads=1) as server, client_of(server) as client:
        batcher = server._store.find("tiny")._batcher  # type: ignore[attr-defined]
        run = batcher._run

        def slowly(feeds: dict[str, np.ndarray]) -> object:
            threading.Event().wait(0.02 * len(feeds["image"]))
            return run(feeds)

        batcher._run = slowly
        infer(client, kind, {"image": value})
        before = psutil.Process().memory_info().rss
        health: list[int] = []

        def ask(one: triton.InferenceServerClient) -> None:
            infer(one, kind, {"image": value})

        def look() -> None:
            for path in ("live", "ready") * 5:
                with urllib.request.urlopen(f"http://{server.http_url}/v2/health/{path}", timeout=WAIT_S) as answer:
                    health.append(answer.status)

        looking = threading.Thread(target=look)
        looking.start()
        told = flood(server.url, ask)
        looking.join(WAIT_S)
        began = time.monotonic()
        answer = infer(client, kind, {"image": value}).as_numpy("embedding")
        assert time.monotonic() - began < WAIT_S / 4
        np.testing.assert_allclose(answer, linear_vectors(noise(1)), atol=1e-5)
        assert server._store.requests.now == (0, 0)
        assert psutil.Process().memory_info().rss - before < 200 * MB
    assert set(told) == {"OK", f"UNAVAILABLE {QUEUE_FULL}"}
    assert told[f"UNAVAILABLE {QUEUE_FULL}"] > told["OK"] > 0
    assert health == [200] * 10


def test_more_calls_than_threads_are_refused_in_tritons_words(repository: Path) -> None:
    """Hundreds of calls at a time on one connection, where there are places for three: none is told anything else."""
    told: Counter[str] = Counter()
    done = threading.Semaphore(0)

    def note(result: object, error: InferenceServerException | None) -> None:
        said = "OK" if error is None else f"{str(error.status()).removeprefix('StatusCode.')} {error.message()}"
        told[said.partition(":")[0]] += 1  # behind it the bound
        done.release()

    with Server(repository, grpc_port=0, max_queue=2, threads=1) as server, client_of(server) as client:
        batcher = server._store.find("tiny")._batcher  # type: ignore[attr-defined]
        run, release = batcher._run, threading.Event()
        batcher._run = lambda feeds: (release.wait(WAIT_S), run(feeds))[1]
        tensor = triton.InferInput("image", [1, 8, 8, 3], "UINT8")
        tensor.set_data_from_numpy(noise(1))
        for _ in range(600):
            client.async_infer("tiny", [tensor], note)
        for _ in range(590):
            assert done.acquire(timeout=WAIT_S)
        release.set()
        for _ in range(10):
            assert done.acquire(timeout=WAIT_S)
    assert set(told) == {"OK", f"UNAVAILABLE {QUEUE_FULL}"}
