"""Other people's plain ONNX models for the tests of the server: graphs built by hand, and the folders they lie in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import tritonclient.grpc as triton
from onnx import TensorProto, helper, numpy_helper
from tritonclient.utils import np_to_triton_dtype

from tests.shared.waiting import WAIT_S

Shape = Sequence[int | str]
TYPES = {
    "BOOL": TensorProto.BOOL,
    "UINT8": TensorProto.UINT8,
    "UINT16": TensorProto.UINT16,
    "UINT32": TensorProto.UINT32,
    "UINT64": TensorProto.UINT64,
    "INT8": TensorProto.INT8,
    "INT16": TensorProto.INT16,
    "INT32": TensorProto.INT32,
    "INT64": TensorProto.INT64,
    "FP16": TensorProto.FLOAT16,
    "FP32": TensorProto.FLOAT,
    "FP64": TensorProto.DOUBLE,
    "BF16": TensorProto.BFLOAT16,
    "BYTES": TensorProto.STRING,
}
"""{data type of the protocol: that of ONNX}."""


def identity(datatype: str = "FP32", shape: Shape = ("N", 2)) -> onnx.ModelProto:
    """y = x."""
    kind = TYPES[datatype]
    return model([helper.make_node("Identity", ["x"], ["y"])], {"x": (kind, shape)}, {"y": (kind, shape)})


def scaled(factor: float, shape: Shape = ("N", 3)) -> onnx.ModelProto:
    """y = factor * x, float32."""
    constant = numpy_helper.from_array(np.array([factor], np.float32), "factor")
    return model(
        [helper.make_node("Mul", ["x", "factor"], ["y"])],
        {"x": (TensorProto.FLOAT, shape)},
        {"y": (TensorProto.FLOAT, shape)},
        [constant],
    )


def model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, tuple[int, Shape]],
    outputs: Mapping[str, tuple[int, Shape]],
    initializers: Sequence[onnx.TensorProto] = (),
    *,
    domains: Sequence[str] = (),
) -> onnx.ModelProto:
    """A model of so many nodes."""
    graph = helper.make_graph(
        list(nodes),
        "plain",
        [helper.make_tensor_value_info(name, *one) for name, one in inputs.items()],
        [helper.make_tensor_value_info(name, *one) for name, one in outputs.items()],
        list(initializers),
    )
    opsets = [helper.make_opsetid("", 18), *(helper.make_opsetid(domain, 1) for domain in domains)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def put(
    root: Path, name: str, onnx_model: onnx.ModelProto | bytes, config: str | None = None, *, version: int = 1
) -> Path:
    """Write a version of a plain model as other people do; gives its folder."""
    folder = root / name / str(version)
    folder.mkdir(parents=True, exist_ok=True)
    data = onnx_model if isinstance(onnx_model, bytes) else onnx_model.SerializeToString()
    (folder / "model.onnx").write_bytes(data)
    if config is not None:
        (root / name / "config.pbtxt").write_text(config)
    return folder


def tensors(arrays: Mapping[str, np.ndarray], datatypes: Mapping[str, str] | None = None) -> list[triton.InferInput]:
    """Inputs of a request of NVIDIA's client; the data types are those of the arrays, where none is given."""
    found = []
    for name, array in arrays.items():
        datatype = (datatypes or {}).get(name) or np_to_triton_dtype(array.dtype)
        found.append(triton.InferInput(name, array.shape, datatype))
        if datatype == "BF16":  # the client has no array of it: its 16 bits
            found[-1]._raw_content = array.tobytes()
        else:
            found[-1].set_data_from_numpy(array)
    return found


def ask(
    client: triton.InferenceServerClient,
    name: str,
    arrays: Mapping[str, np.ndarray],
    *,
    classes: int = 0,
    outputs: Sequence[str] = (),
    datatypes: Mapping[str, str] | None = None,
    version: str = "",
) -> triton.InferResult:
    """Infer with NVIDIA's client."""
    wanted = [triton.InferRequestedOutput(output, class_count=classes) for output in outputs]
    return client.infer(name, tensors(arrays, datatypes), version, outputs=wanted or None, client_timeout=WAIT_S)


def values(datatype: str, shape: tuple[int, ...]) -> np.ndarray:
    """Values of a data type, some of them extreme; elements of BYTES are bytes objects, those of BF16 its 16 bits."""
    count = int(np.prod(shape))
    if datatype == "BYTES":
        strings = np.empty(count, object)
        strings[:] = [(b"", "\u00e9t\u00e9".encode(), b"a\0b")[index % 3] for index in range(count)]
        return strings.reshape(shape)
    if datatype == "BOOL":
        return (np.arange(count) % 3 == 0).reshape(shape)
    if datatype == "BF16":
        return (np.arange(count) * 0x0101 % 0x7F00).astype(np.uint16).reshape(shape)
    dtype = np.dtype({"FP16": "f2", "FP32": "f4", "FP64": "f8"}.get(datatype, datatype.lower()))
    if dtype.kind == "f":
        return np.linspace(-1000, 1000, count).astype(dtype).reshape(shape)
    limits = np.iinfo(dtype)
    return np.resize(np.array([limits.min, limits.max, 0, 1], dtype), shape)
