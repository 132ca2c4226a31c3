"""Other people's plain models behind real tritonserver and behind ours: the same answers, refusals and metadata.

Real Triton runs them by the onnxruntime backend of tests/shared/real_triton; its core, which checks requests, reshapes
and classifies, is NVIDIA's. That backend completes no configs: every config here is whole, some by our server.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton
from onnx import TensorProto, helper, numpy_helper

from serving.embedded.server import Server
from tests.shared.plain_models import TYPES, ask, identity, model, put, values
from tests.shared.triton_server import TritonServer, unavailable

pytestmark = pytest.mark.skipif(unavailable() is not None, reason=str(unavailable()))

WHOLE = """backend: "onnxruntime" max_batch_size: {rows}
input {{ name: "x" data_type: TYPE_{type} {x} }} output {{ name: "y" data_type: TYPE_{type} {y} }}
instance_group {{ count: 1 kind: KIND_CPU }}
"""
DATATYPES = [datatype for datatype in TYPES if datatype != "BF16"]  # which Python in Triton has not


def write(root: Path) -> None:
    """Models of every kind that a config can describe."""

    def whole(
        name: str, shape: tuple[int | str, ...], x: str, *, rows: int = 4, kind: str = "FP32", y: str = ""
    ) -> None:
        config = WHOLE.format(rows=rows, type="STRING" if kind == "BYTES" else kind, x=x, y=y or x)
        put(root, name, identity(kind, shape), config)

    for datatype in DATATYPES:
        whole(datatype, ("N", 2), "dims: [2]", kind=datatype)
    whole("free", ("a", "b"), "dims: [-1, -1]", rows=0)
    whole("open", ("N", "k"), "dims: [-1]")
    whole("rows", ("N",), "dims: [1] reshape {}")
    whole("moved", ("N", 2, "k", 2, 3), "dims: [2, -1, 6] reshape { shape: [2, -1, 2, 3] }")
    whole("named", ("N", 3), "dims: [3]", y='dims: [3] label_filename: "labels.txt"')
    (root / "named" / "labels.txt").write_text("cat\ndog\n")
    whole("single", (3,), "dims: [3]", rows=0)
    biased = model(
        [helper.make_node("Add", ["x", "bias"], ["y"])],
        {"x": (TensorProto.FLOAT, (2,)), "bias": (TensorProto.FLOAT, (2,))},
        {"y": (TensorProto.FLOAT, (2,))},
        [numpy_helper.from_array(np.array([1, 2], np.float32), "bias")],
    )
    optional = 'input { name: "bias" data_type: TYPE_FP32 dims: [2] optional: true }'
    put(root, "biased", biased, WHOLE.format(rows=0, type="FP32", x="dims: [2]", y="dims: [2]") + optional)


def complete(root: Path) -> None:
    """Models whose configs our server completed from their files, for real Triton to take or refuse."""
    sums = model(
        [helper.make_node("ReduceSum", ["x", "axes"], ["y"], keepdims=0)],
        {"x": (TensorProto.FLOAT, ("N", "any"))},
        {"y": (TensorProto.FLOAT, ("N",))},
        [numpy_helper.from_array(np.array([1], np.int64), "axes")],
    )
    graphs = {"sums": sums, "strings": identity("BYTES", ("N", "k")), "fixed": identity("FP32", (2, 3))}
    for name, graph in graphs.items():
        put(root / "bare", name, graph)
    with Server(root / "bare", grpc_port=0) as server, triton.InferenceServerClient(server.url) as client:
        for name, graph in graphs.items():
            put(root / "whole", name, graph, str(client.get_model_config(name).config))


REFUSED = {
    "negative": WHOLE.format(rows=-1, type="FP32", x="dims: [2]", y="dims: [2]"),
    "preferred": WHOLE.format(rows=4, type="FP32", x="dims: [2]", y="dims: [2]")
    + "dynamic_batching { preferred_batch_size: [8] }",
    "gpus": WHOLE.format(rows=4, type="FP32", x="dims: [2]", y="dims: [2]").replace("KIND_CPU", "KIND_CPU gpus: [0]"),
    "reshape": WHOLE.format(rows=4, type="FP32", x="dims: [2] reshape { shape: [3] }", y="dims: [2]"),
    "scalar": WHOLE.format(rows=0, type="FP32", x="dims: [1] reshape {}", y="dims: [1]"),
    "zero": WHOLE.format(rows=4, type="FP32", x="dims: [0]", y="dims: [2]"),
    "no dims": WHOLE.format(rows=4, type="FP32", x="", y="dims: [2]"),
    "another name": 'name: "another"' + WHOLE.format(rows=4, type="FP32", x="dims: [2]", y="dims: [2]"),
    "no version": WHOLE.format(rows=4, type="FP32", x="dims: [2]", y="dims: [2]")
    + "version_policy { specific { versions: [7] } }",
    "no config": "x {",
    "no backend": 'platform: "foo"',
    "pair": 'platform: "tensorrt_plan"' + WHOLE.format(rows=4, type="FP32", x="dims: [2]", y="dims: [2]"),
}
"""Configs that Triton's core refuses; they are loaded while both serve."""


Clients = tuple[triton.InferenceServerClient, triton.InferenceServerClient]


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    """Clients of our server and of real Triton, over the same repository."""
    folder = tmp_path_factory.mktemp("plain")
    complete(folder)
    root = folder / "whole"
    write(root)
    with (
        Server(root, grpc_port=0) as server,
        TritonServer(root) as real,
        triton.InferenceServerClient(server.url) as ours,
        triton.InferenceServerClient(real.grpc_url) as theirs,
    ):
        for index, config in enumerate(REFUSED.values()):
            put(root, f"refused{index}", identity(), config)
        yield ours, theirs


FLOATS = values("FP32", (2, 3))
ASKED: dict[str, Callable[[triton.InferenceServerClient], Any]] = {
    **{
        f"type {datatype}": lambda client, datatype=datatype: ask(client, datatype, {"x": values(datatype, (3, 2))})
        for datatype in DATATYPES
    },
    "no batch": lambda client: ask(client, "free", {"x": FLOATS}),
    "no batch, empty": lambda client: ask(client, "free", {"x": np.zeros((0, 3), np.float32)}),
    "no batch, rank": lambda client: ask(client, "free", {"x": FLOATS[0]}),
    "open length": lambda client: ask(client, "open", {"x": FLOATS}),
    "open length of 0": lambda client: ask(client, "open", {"x": np.zeros((2, 0), np.float32)}),
    "scalar a row": lambda client: ask(client, "rows", {"x": FLOATS[:, :1]}),
    "scalar a row, flat": lambda client: ask(client, "rows", {"x": FLOATS[:, 0]}),
    "reshaped": lambda client: ask(client, "moved", {"x": values("FP32", (3, 2, 5, 6))}),
    "reshaped, wrong": lambda client: ask(client, "moved", {"x": values("FP32", (3, 2, 5, 5))}),
    "labels": lambda client: ask(client, "named", {"x": FLOATS}, classes=2, outputs=["y"]),
    "all labels": lambda client: ask(client, "named", {"x": FLOATS}, classes=9, outputs=["y"]),
    "labels of one row": lambda client: ask(client, "single", {"x": FLOATS[0]}, classes=2, outputs=["y"]),
    "classes of FP16": lambda client: ask(client, "FP16", {"x": values("FP16", (1, 2))}, classes=1, outputs=["y"]),
    "classes of BOOL": lambda client: ask(client, "BOOL", {"x": values("BOOL", (1, 2))}, classes=1, outputs=["y"]),
    "classes of UINT64": lambda client: ask(
        client, "UINT64", {"x": np.array([[2**63, 2**63 + 1]], np.uint64)}, classes=2, outputs=["y"]
    ),
    "optional left out": lambda client: ask(client, "biased", {"x": FLOATS[0, :2]}),
    "optional given": lambda client: ask(client, "biased", {"x": FLOATS[0, :2], "bias": FLOATS[0, :2]}),
    "none given": lambda client: ask(client, "biased", {}),
    "too many given": lambda client: ask(
        client, "biased", {"x": FLOATS[0, :2], "bias": FLOATS[0, :2], "more": FLOATS[0, :2]}
    ),
    "completed, a scalar a row": lambda client: ask(client, "sums", {"x": FLOATS}),
    "completed, texts": lambda client: ask(client, "strings", {"x": values("BYTES", (4, 3))}),
    "completed, over the largest": lambda client: ask(client, "strings", {"x": values("BYTES", (5, 3))}),
    "completed, no batch": lambda client: ask(client, "fixed", {"x": FLOATS}),
    "completed, metadata": lambda client: [client.get_model_metadata(name) for name in ("sums", "strings", "fixed")],
    "another type": lambda client: ask(client, "open", {"x": values("INT32", (1, 2))}),
    "batch over the largest": lambda client: ask(client, "open", {"x": np.zeros((5, 2), np.float32)}),
    "absent version": lambda client: ask(client, "open", {"x": FLOATS}, version="2"),
    "metadata": lambda client: [client.get_model_metadata(name) for name in ("free", "rows", "moved", "biased")],
    "ready": lambda client: [client.is_model_ready(name) for name in ("free", "absent")],
}


def told(call: Callable[[], Any]) -> Any:
    """An answer in plain Python, or the status and text of its refusal."""
    try:
        answer = call()
    except triton.InferenceServerException as error:
        return error.status(), error.message().strip()
    except grpc.RpcError as error:
        return error.code(), error.details()
    if not isinstance(answer, triton.InferResult):
        return answer
    response = answer.get_response()
    outputs = [(one.name, one.datatype, list(one.shape)) for one in response.outputs]
    return response.model_version, outputs, list(response.raw_output_contents)


@pytest.mark.parametrize("asked", ASKED)
def test_both_servers_say_the_same(clients: Clients, asked: str) -> None:
    """Names, types, shapes and every byte; or the same status and text."""
    ours, theirs = (told(lambda client=client: ASKED[asked](client)) for client in clients)
    assert ours == theirs


@pytest.mark.parametrize("refused", REFUSED)
def test_both_servers_refuse_to_load_with_the_same_words(clients: Clients, refused: str) -> None:
    """What Triton's core finds wrong with a config, it says of it."""
    name = f"refused{list(REFUSED).index(refused)}"
    ours, theirs = (told(lambda client=client: client.load_model(name)) for client in clients)
    assert ours is not None
    assert ours == theirs
