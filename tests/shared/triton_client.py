"""NVIDIA's client of the Open Inference Protocol: requests, refusals and the index of a repository."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import grpc
import numpy as np
import tritonclient.grpc as triton

from serving.embedded.server import Server
from tests.shared.waiting import WAIT_S


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


@contextmanager
def client_of(server: Server) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(server.url) as client:
        yield client


def index_of(client: triton.InferenceServerClient) -> dict[tuple[str, str], tuple[str, str]]:
    """{(name, version): (state, reason)} of the repository index."""
    models = client.get_model_repository_index().models
    return {(model.name, model.version): (model.state, model.reason) for model in models}
