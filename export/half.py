"""fp16: float16 weights and arithmetic inside; uint8 pixels in and float32 vectors out stay as they are.

Decisions a reader would question:
- Our own pass, not onnxruntime's converter: that one halves the scaling of the pixels too (its factor of 1/58 loses
  three digits there), leaves nodes out of order, and needs every op that must not be halved to be named. Here it is the
  other way round: only what is named below is halved, all else stays float32.
- Sums over many values (means, softmax, normalisation, distances) stay float32, as does the last layer: float16 ends
  at 65,504 and has three digits.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from artifact.errors import ArtifactError
from export.layers import LAYERS, drop_unused_constants, last_layers

_FOLLOWERS = frozenset(
    (
        "Relu",
        "LeakyRelu",
        "PRelu",
        "Clip",
        "HardSwish",
        "HardSigmoid",
        "Sigmoid",
        "Tanh",
        "Gelu",
        "Erf",
        "Add",
        "Sub",
        "Mul",
        "MaxPool",
        "Concat",
        "Reshape",
        "Transpose",
        "Flatten",
        "Squeeze",
        "Unsqueeze",
        "Slice",
        "Split",
        "Identity",
        "Pad",
        "Gather",
        "Expand",
        "DepthToSpace",
        "SpaceToDepth",
        "Max",
        "Min",
        "Neg",
        "Abs",
        "Where",
    )
)
"""Halved where a value that comes in is halved already; layers are halved wherever they stand, but for the last."""


def to_half(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of a float32 model that computes in float16 where that is safe; raises ArtifactError if nowhere."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    types = _float_tensors(model)
    graph, last = result.graph, last_layers(model.graph)
    rewriter = _Rewriter(graph)
    halved = 0
    nodes = list(graph.node)
    graph.ClearField("node")
    for index, node in enumerate(nodes):
        floats = [name for name in (*node.input, *node.output) if name in types]
        is_half = (node.op_type in LAYERS and index not in last) or (
            node.op_type in _FOLLOWERS and any(name in rewriter.half for name in node.input)
        )
        if is_half and node.domain in ("", "ai.onnx") and all(types[name] == TensorProto.FLOAT for name in floats):
            rewriter.add_half(node, types)
            halved += node.op_type in LAYERS
        else:
            rewriter.add_full(node)
    if not halved:
        raise ArtifactError(
            "fp16", expected="a convolution or dense layer besides the last one", got="none", mend="export as fp32"
        )
    graph.node.extend(rewriter.nodes)
    drop_unused_constants(graph)
    return result


class _Rewriter:
    """The nodes of the new graph in order; casts each tensor once each way, where it is first needed."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.graph = graph
        self.nodes: list[onnx.NodeProto] = []
        self.half: set[str] = set()
        """Tensors whose name now holds float16."""
        self._constants = {tensor.name: tensor for tensor in graph.initializer}
        self._cast: dict[tuple[str, int], str] = {}

    def add_half(self, node: onnx.NodeProto, types: dict[str, int]) -> None:
        for position, name in enumerate(node.input):
            if name in types and name not in self.half:
                node.input[position] = self._as(name, TensorProto.FLOAT16)
        self.nodes.append(node)
        self.half.update(name for name in node.output if name in types)

    def add_full(self, node: onnx.NodeProto) -> None:
        for position, name in enumerate(node.input):
            if name in self.half:
                node.input[position] = self._as(name, TensorProto.FLOAT)
        self.nodes.append(node)

    def _as(self, name: str, kind: int) -> str:
        if (name, kind) not in self._cast:
            suffix = "half" if kind == TensorProto.FLOAT16 else "float"
            other = self._cast[name, kind] = f"{name}_as_{suffix}"
            if name in self._constants:
                self.graph.initializer.append(_half_constant(self._constants[name], other))
            else:
                self.nodes.append(helper.make_node("Cast", [name], [other], name=f"{name}_to_{suffix}", to=kind))
        return self._cast[name, kind]


def _half_constant(tensor: onnx.TensorProto, name: str) -> onnx.TensorProto:
    """A constant in float16; what is beyond its end becomes the end: the limits of a Clip are such."""
    values = numpy_helper.to_array(tensor).clip(-65504, 65504)
    return numpy_helper.from_array(values.astype(np.float16), name)


def _float_tensors(model: onnx.ModelProto) -> dict[str, int]:
    """Element type of every tensor of floating-point numbers, by name."""
    inferred = onnx.shape_inference.infer_shapes(model).graph
    types = {tensor.name: tensor.data_type for tensor in inferred.initializer}
    for value in (*inferred.value_info, *inferred.input, *inferred.output):
        types[value.name] = value.type.tensor_type.elem_type
    floats = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16)
    return {name: kind for name, kind in types.items() if kind in floats}
