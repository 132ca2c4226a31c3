"""A published repository, pictures, requests, and a server held still, for tests of the embedded server."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import tritonclient.grpc as triton
from PIL import Image

from artifact.repository.publishing import publish
from serving.embedded.server import Server
from tests.shared.tiny_artifact import write_tiny_artifact

WAIT_S = 20.0


def publish_tiny(repository: Path, **options: Any) -> Any:
    """Publish a tiny artifact, by default `tiny`, a branch of triplet kind; gives its manifest."""
    file = repository.with_name("artifact.onnx")
    manifest = write_tiny_artifact(file, **options)
    publish(file, repository)
    return manifest


def noise(num_rows: int, size: int = 8, *, seed: int = 0) -> np.ndarray:
    """uint8 [num_rows, size, size, 3]."""
    return np.random.default_rng(seed).integers(0, 256, (num_rows, size, size, 3), np.uint8)


def png(pixels: np.ndarray) -> bytes:
    """uint8 [h, w, 3] as a PNG file, which loses nothing."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def infer(
    client: triton.InferenceServerClient, model: str, tensors: Mapping[str, np.ndarray | list[bytes]], **options: Any
) -> triton.InferResult:
    """Infer with NVIDIA's client: arrays travel as UINT8, lists of bytes as BYTES [N, 1]."""
    inputs = []
    for name, value in tensors.items():
        array = np.array(value, dtype=object)[:, None] if isinstance(value, list) else value
        inputs.append(triton.InferInput(name, array.shape, "BYTES" if array.dtype == object else "UINT8"))
        inputs[-1].set_data_from_numpy(array)
    return client.infer(model, inputs, client_timeout=WAIT_S, **options)


def refusal(call: Callable[[], object]) -> tuple[str, str]:
    """Status and text of a call that must be refused."""
    try:
        answer = call()
    except triton.InferenceServerException as error:
        return str(error.status()).removeprefix("StatusCode."), error.message()
    except grpc.RpcError as error:
        return error.code().name, error.details()
    raise AssertionError(f"expected a refusal, got {answer}")


def eventually(is_so: Callable[[], bool], what: str) -> None:
    """Wait until something is so; fails after WAIT_S."""
    deadline, pause = time.monotonic() + WAIT_S, threading.Event()
    while not is_so():
        assert time.monotonic() < deadline, f"never came: {what}"
        pause.wait(0.002)


@contextmanager
def client_of(server: Server) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(server.url) as client:
        yield client


def index_of(client: triton.InferenceServerClient) -> dict[tuple[str, str], tuple[str, str]]:
    """{(name, version): (state, reason)} of the repository index."""
    models = client.get_model_repository_index().models
    return {(model.name, model.version): (model.state, model.reason) for model in models}


class Held:
    """A served network whose runs wait for `release`; then the real run goes on. `num_rows` lists the runs begun."""

    def __init__(self, server: Server, name: str = "tiny") -> None:
        network = server._store.find(name)
        self.batcher = network._batcher  # type: ignore[attr-defined]
        self.num_rows: list[int] = []
        self._released = threading.Event()
        self._run, self.batcher._run = self.batcher._run, self._wait_and_run

    def _wait_and_run(self, feeds: Mapping[str, np.ndarray]) -> Any:
        self.num_rows.append(len(next(iter(feeds.values()))))
        assert self._released.wait(WAIT_S)
        return self._run(feeds)

    def release(self) -> None:
        self._released.set()


@contextmanager
def together(server: Server, *calls: Callable[[], Any], name: str = "tiny") -> Iterator[list[Future[Any]]]:
    """Make calls that all wait in one network's queue behind another request; they go on when the context ends."""
    held = Held(server, name)
    network = server._store.find(name)
    first = {spec.name: np.zeros((1, *spec.dims), np.uint8) for spec in network.signature.inputs}
    with ThreadPoolExecutor(len(calls) + 1) as pool:
        try:
            pool.submit(network.infer, first, 1, is_active=lambda: True)
            eventually(lambda: held.num_rows == [1], "the first run")
            futures = [pool.submit(call) for call in calls]
            yield futures
        finally:
            held.release()
