"""Conformance of a server over a published repository: the same checks for real Triton and the embedded server.

Checks are functions of one `Served`; tests/serving/test_triton_grpc.py runs each against both servers. They
lie in conformance/answers.py (right requests), conformance/refusals.py (wrong ones) and conformance/versions.py
(publishing while it serves). This file holds what they share: the repository, the connection and the requests.

The texts of refusals are what tritonserver 2.51 answered: whoever moves from one server to the other sees no change.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from tritonclient.grpc import service_pb2 as messages
from tritonclient.grpc import service_pb2_grpc as services

from artifact.distances.euclidean import EUCLIDEAN
from artifact.images.preprocessing import Preprocessing, load_pixels
from artifact.kinds import KINDS, distance_name, embedding_name
from artifact.repository.publishing import publish
from tests.shared.tiny_artifact import linear_vectors, write_tiny_artifact

TIMEOUT_S = 30.0
TOLERANCE = 1e-4
NO_LIMIT = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]

Array = np.ndarray[Any, Any]
Refusal = tuple[str, str]  # name of the gRPC status, its text


@dataclass(frozen=True)
class Model:
    """One model of the repository; every one differs in what its NAME_decode does."""

    name: str
    kind: str
    mode: str
    size: int
    dim: int
    fit: str
    seed: int

    @property
    def streams(self) -> tuple[str, ...]:
        return ("image",) if self.mode == "branch" else KINDS[self.kind].streams

    @property
    def preprocessing(self) -> Preprocessing:
        mean = (0.5, 0.5, 0.5)
        return Preprocessing(height=self.size, width=self.size, fit=self.fit, mean=mean, std=mean)

    def write(self, path: Path, *, seed: int | None = None) -> Any:
        """Write the model's artifact, of its own weights or of another seed's, and give its manifest."""
        return write_tiny_artifact(
            path,
            name=self.name,
            kind=self.kind,
            mode=self.mode,
            size=self.size,
            dim=self.dim,
            fit=self.fit,
            seed=self.seed if seed is None else seed,
        )

    def pixels(self, images: Sequence[bytes]) -> Array:
        """uint8 [N, size, size, 3]: the one preprocessing function, in this process."""
        return np.stack([load_pixels(image, self.preprocessing) for image in images])

    def outputs(self, pixels: Mapping[str, Array], *, seed: int | None = None) -> dict[str, Array]:
        """{output: float32 [N, width]} by numpy, of uint8 [N, size, size, 3] a stream."""
        seed = self.seed if seed is None else seed
        vectors = {stream: linear_vectors(rows, seed=seed, dim=self.dim) for stream, rows in pixels.items()}
        if self.mode == "branch":
            return {"embedding": vectors["image"]}
        named = {embedding_name(stream): rows for stream, rows in vectors.items()}
        pairs = KINDS[self.kind].pairs
        return named | {distance_name(pair): EUCLIDEAN(*(vectors[one] for one in pair))[:, None] for pair in pairs}


BRANCH = Model("pets", "triplet", "branch", size=8, dim=4, fit="stretch", seed=0)
FULL = (
    Model("pairs", "siamese", "full", size=12, dim=3, fit="pad", seed=1),
    Model("triplets", "triplet", "full", size=10, dim=5, fit="crop", seed=2),
    Model("quartets", "quartet", "full", size=9, dim=4, fit="stretch", seed=3),
)
MOVING = Model("moving", "triplet", "branch", size=8, dim=4, fit="crop", seed=4)
"""The one that is published, rolled back and unloaded; the others stay as they are."""
MODELS = (BRANCH, *FULL, MOVING)


def publish_models(folder: Path) -> Path:
    """Publish version 1 of every model, as any user would; gives the repository."""
    for model in MODELS:
        model.write(folder / f"{model.name}.onnx")
        publish(folder / f"{model.name}.onnx", folder / "repository")
    return folder / "repository"


class Untold(Exception):  # noqa: N818 - nothing went wrong
    """A message that a transport has no words for."""


@dataclass(frozen=True)
class Served:
    """A repository of `publish_models` behind a server: its address, and the protocol's own stub, nothing of ours."""

    url: str
    repository: Path
    stub: services.GRPCInferenceServiceStub

    def infer(self, model: str, tensors: Mapping[str, Array], **options: Any) -> dict[str, Array]:
        """{output: array}, of uint8 arrays or arrays of bytes objects."""
        return read(self.stub.ModelInfer(request(model, tensors, **options), timeout=TIMEOUT_S))

    @property
    def is_grpc(self) -> bool:
        """Whether the connection is gRPC's own; else it says the same by REST."""
        return isinstance(self.stub, services.GRPCInferenceServiceStub)

    def call(self, method: str, /, **fields: Any) -> Any:
        """Call one of the other methods of the protocol by name."""
        return getattr(self.stub, method)(getattr(messages, f"{method}Request")(**fields), timeout=TIMEOUT_S)

    def refusal(self, call: Callable[[], object]) -> Refusal:
        """The status and text of a call that must be refused."""
        answer, refusal = self.answer_or_refusal(call)
        if refusal is None:
            raise AssertionError(f"expected a refusal, got {str(answer)[:300]}")
        return refusal

    def answer_or_refusal(self, call: Callable[[], Any]) -> tuple[Any, Refusal | None]:
        """A call's answer, or the status and text of its refusal."""
        try:
            return call(), None
        except grpc.RpcError as error:
            return None, (error.code().name, error.details())


@contextmanager
def connected(url: str, repository: Path) -> Iterator[Served]:
    """Connect to a server, without grpcio's limit of 4 MiB a message."""
    with grpc.insecure_channel(url, options=NO_LIMIT) as channel:
        yield Served(url, repository, services.GRPCInferenceServiceStub(channel))


def request(
    model: str,
    tensors: Mapping[str, Array],
    *,
    version: str = "",
    outputs: Sequence[str] = (),
    id: str = "",  # noqa: A002 - the protocol's name
) -> Any:
    """A ModelInferRequest with raw contents."""
    message = messages.ModelInferRequest(model_name=model, model_version=version, id=id)
    for name, array in tensors.items():
        datatype = {"O": "BYTES", "u": "UINT8", "f": "FP32"}[array.dtype.kind]
        message.inputs.add(name=name, datatype=datatype, shape=array.shape)
        message.raw_input_contents.append(frame(array.ravel()) if datatype == "BYTES" else array.tobytes())
    for name in outputs:
        message.outputs.add(name=name)
    return message


def read(response: Any) -> dict[str, Array]:
    """The outputs of a ModelInferResponse."""
    datatypes = {"FP32": "<f4", "UINT8": "u1"}
    return {
        output.name: np.frombuffer(raw, datatypes[output.datatype]).reshape(output.shape)
        for output, raw in zip(response.outputs, response.raw_output_contents, strict=True)
    }


def frame(elements: Sequence[bytes]) -> bytes:
    """BYTES on the wire: before each element its length, in four bytes."""
    return b"".join(len(element).to_bytes(4, "little") + element for element in elements)


def column(images: Sequence[bytes]) -> Array:
    """An array of bytes objects [N, 1]."""
    array = np.empty((len(images), 1), object)
    array[:, 0] = images
    return array


def require_close(got: Mapping[str, Array], expected: Mapping[str, Array]) -> None:
    """Every expected output is there, no other is, and each value is within the tolerance."""
    assert sorted(got) == sorted(expected)
    for name, values in expected.items():
        assert got[name].dtype == np.float32
        assert got[name].shape == values.shape
        np.testing.assert_allclose(got[name], values, rtol=0, atol=TOLERANCE, err_msg=name)


def require_unchanged(repository: Path, fresh: Path) -> None:
    """Every file of a freshly published repository is in the served one, byte for byte, but for those of `moving`."""
    names = sorted(path.relative_to(fresh) for path in fresh.rglob("*") if path.is_file() and "moving" not in str(path))
    assert len(names) > 30
    for name in names:
        assert (repository / name).read_bytes() == (fresh / name).read_bytes(), name


def eventually(holds: Callable[[], bool], what: str) -> None:
    """Wait for what a server does behind its answer: unloading a version, counting a request."""
    deadline = time.monotonic() + TIMEOUT_S
    while not holds():
        assert time.monotonic() < deadline, f"not within {TIMEOUT_S:.0f} s: {what}"
        time.sleep(0.02)
