"""int8: static QDQ with uint8 activations and 7-bit weights per channel, as nodes of the graph.

Decisions a reader would question:
- The pass is our own, not onnxruntime's `quantize_static`: that one moves the weights of the model it is given to a
  file, and keeps every activation of every calibration image in memory for any method but min-max.
- Only convolutions and dense layers with constant weights are quantised, and max pooling between them. Additions of a
  residual network stay float: onnxruntime is not slower for it, and the residual stream keeps its digits. Layers behind
  an average over the whole image (squeeze-and-excite) stay float, as does the last layer, whose output is the vector:
  they are a thousandth of the work, converting costs more than it saves, and their errors reach every value.
- Weights take 7 of their 8 bits, so that every processor computes the same sums (artifact/model/int8_scheme.py). With
  all 8 bits onnxruntime is as fast, and other on AVX2; U8U8 and S8S8 are slower (docs/decisions/0013).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from artifact.errors import ArtifactError
from artifact.model.int8_scheme import LARGEST_WEIGHT, weights_of_8_bits
from export.calibration import Range
from export.layers import drop_unused_constants, last_layers

_WEIGHT_AXIS = {"Conv": 0, "Gemm": 0, "MatMul": 1}
"""Ops that are quantised, and the axis of output channels of their weights (Gemm with transB)."""

_ACTIVATIONS = ("Relu", "Clip")
"""What onnxruntime folds into the output of a quantised convolution."""

_INT32_ROOM = 2.0**30


@dataclass(frozen=True)
class Plan:
    """The parts of a graph that will be quantised.

    Attributes:
        nodes: indices of the convolutions and dense layers.
        tensors: names of the activations that become uint8, in graph order.
        pools: {output: input} of max poolings between them, which take their input's scale.
        skipped: names of layers that stay float, with the reason.
    """

    nodes: tuple[int, ...]
    tensors: tuple[str, ...]
    pools: Mapping[str, str]
    skipped: Mapping[str, str]


def plan_quantization(model: onnx.ModelProto) -> Plan:
    """Choose what becomes int8; raises ArtifactError where nothing can."""
    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    consumers = _consumers(graph)
    last, averaged = last_layers(graph), _averaged(graph, constants)
    made = {name for node in graph.node for name in node.output}
    nodes, skipped, wanted = [], {}, set()
    for index, node in enumerate(graph.node):
        if node.op_type not in _WEIGHT_AXIS:
            continue
        reason = "last layer" if index in last else ""
        reason = reason or ("works on averages" if node.input[0] in averaged else "")
        reason = reason or ("its input is not made in the graph" if node.input[0] not in made else "")
        if reason := reason or _reason_against(node, constants):
            skipped[node.name] = reason
            continue
        nodes.append(index)
        wanted.add(node.input[0])
        if node.op_type == "Conv":  # fused only where its output is quantised too
            wanted.add(_after_activation(graph, node.output[0], consumers))
    if not nodes:
        raise ArtifactError(
            "int8", expected="a convolution or dense layer besides the last one", got="none", mend="export as fp32"
        )
    pools: dict[str, str] = {}
    for node in graph.node:
        if node.op_type == "MaxPool" and node.input[0] in wanted and len(node.output) == 1:
            wanted.add(node.output[0])
            pools[node.output[0]] = pools.get(node.input[0], node.input[0])
    produced = [name for node in graph.node for name in node.output]
    return Plan(tuple(nodes), tuple(name for name in produced if name in wanted), pools, skipped)


def quantize(
    model: onnx.ModelProto, plan: Plan, ranges: Mapping[str, Range], *, largest_weight: int = LARGEST_WEIGHT
) -> onnx.ModelProto:
    """A copy of the model with its plan carried out.

    Args:
        model: float32, opset 13 or later.
        ranges: the range of every tensor of the plan.
        largest_weight: integer that the largest |weight| of each channel becomes; above the default the graph is one
            to compare with, and `require_exact_sums` refuses it.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    writer = _Writer(result.graph, largest_weight)
    scales = {name: _activation_scale(ranges[plan.pools.get(name, name)]) for name in plan.tensors}
    chosen = set(plan.nodes)
    nodes = list(result.graph.node)
    result.graph.ClearField("node")
    renamed: dict[str, str] = {}
    fused = _fused_tensors(nodes, plan)
    for index, node in enumerate(nodes):
        takes_int8 = index in chosen or any(name in plan.pools for name in node.output)
        source = node.input[0] if node.input else ""
        for position, name in enumerate(node.input):
            if name in renamed and (takes_int8 or name in fused):
                node.input[position] = renamed[name]
        if index in chosen:
            writer.quantize_weights(node, scales[source][0])
        writer.nodes.append(node)
        for name in node.output:
            if name in scales:  # never an output of the graph: what gives those is a last layer
                renamed[name] = writer.quantize_activation(name, *scales[name])
    result.graph.node.extend(writer.nodes)
    drop_unused_constants(result.graph)
    return result


def require_exact_sums(model: onnx.ModelProto) -> None:
    """Raise ArtifactError unless no two products of an activation and a weight can leave 16 bits.

    That is where some processors add them: 2 x 255 x |weight| must be at most 32,767 for every 8-bit weight.
    """
    for name, weights in weights_of_8_bits(model.graph):
        largest = int(np.abs(weights.astype(np.int32)).max(initial=0))
        if weights.dtype != np.int8 or largest > LARGEST_WEIGHT:
            raise ArtifactError(
                f"int8 weights {name!r}",
                expected=f"int8 from -{LARGEST_WEIGHT} to {LARGEST_WEIGHT}, whose products fit in 16 bits on every "
                "processor",
                got=f"{weights.dtype} up to {largest}",
                mend="nothing was published; please report the base network",
            )


_DEQUANTIZED = "_dequantized"


class _Writer:
    """The nodes of the new graph in order, and its new constants."""

    def __init__(self, graph: onnx.GraphProto, largest_weight: int) -> None:
        self.graph = graph
        self.nodes: list[onnx.NodeProto] = []
        self._largest_weight = largest_weight
        self._constants = {tensor.name: tensor for tensor in graph.initializer}

    def quantize_activation(self, name: str, scale: np.float32, zero: np.uint8) -> str:
        """Add Q and DQ behind a tensor; returns the name of the dequantised one."""
        parameters = [f"{name}_scale", f"{name}_zero"]
        self._add(parameters[0], np.array(scale, np.float32))
        self._add(parameters[1], np.array(zero, np.uint8))
        quantized, back = f"{name}_quantized", name + _DEQUANTIZED
        self.nodes.append(
            helper.make_node("QuantizeLinear", [name, *parameters], [quantized], name=f"{name}_QuantizeLinear")
        )
        self.nodes.append(
            helper.make_node("DequantizeLinear", [quantized, *parameters], [back], name=f"{name}_DequantizeLinear")
        )
        return back

    def quantize_weights(self, node: onnx.NodeProto, input_scale: np.float32) -> None:
        """Replace a layer's weights by int8 and its bias by int32, each behind a DQ.

        A bias is an int32 in units of input scale x weight scale, so a channel whose weights are nearly 0 takes a
        larger scale where its bias would not fit.
        """
        axis = _WEIGHT_AXIS[node.op_type]
        weights = numpy_helper.to_array(self._constants[node.input[1]])
        bias = numpy_helper.to_array(self._constants[node.input[2]]) if len(node.input) > 2 and node.input[2] else None
        others = tuple(each for each in range(weights.ndim) if each != axis)
        limit = self._largest_weight
        scale = np.maximum(np.abs(weights).max(axis=others).astype(np.float64) / limit, 1e-30)
        if bias is not None:
            scale = np.maximum(scale, np.abs(bias).astype(np.float64) / (float(input_scale) * _INT32_ROOM))
        scale = scale.astype(np.float32)
        name = f"{node.name}_weight"
        shape = [-1 if each == axis else 1 for each in range(weights.ndim)]
        values = np.rint(weights / scale.reshape(shape)).clip(-limit, limit).astype(np.int8)
        node.input[1] = self._dequantized(name, values, scale, axis)
        if bias is not None:
            unit = (np.float32(input_scale) * scale).astype(np.float32)
            integers = np.rint(bias.astype(np.float64) / unit).astype(np.int32)
            node.input[2] = self._dequantized(f"{node.name}_bias", integers, unit, 0)

    def _dequantized(
        self, name: str, values: npt.NDArray[np.integer], scale: npt.NDArray[np.float32], axis: int
    ) -> str:
        for suffix, array in (("", values), ("_scale", scale), ("_zero", np.zeros(scale.shape, values.dtype))):
            self._add(name + suffix, array)
        inputs = [name, f"{name}_scale", f"{name}_zero"]
        output = name + _DEQUANTIZED
        self.nodes.append(
            helper.make_node("DequantizeLinear", inputs, [output], name=f"{name}_DequantizeLinear", axis=axis)
        )
        return output

    def _add(self, name: str, array: npt.NDArray[np.generic]) -> None:
        self.graph.initializer.append(numpy_helper.from_array(array, name))


def _activation_scale(seen: Range) -> tuple[np.float32, np.uint8]:
    """Scale and zero point of uint8 for a range."""
    scale = np.float32(max(seen.high - seen.low, 1e-12) / 255)
    return scale, np.uint8(np.clip(np.rint(-seen.low / float(scale)), 0, 255))


def _reason_against(node: onnx.NodeProto, constants: Mapping[str, onnx.TensorProto]) -> str:
    """Why a layer's weights cannot be quantised, or nothing."""
    if node.input[1] not in constants or constants[node.input[1]].data_type != onnx.TensorProto.FLOAT:
        return "its weights are not constant"
    if len(node.input) > 2 and node.input[2] and node.input[2] not in constants:
        return "its bias is not constant"
    values = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    if node.op_type == "Gemm" and (
        values.get("transB", 0) != 1
        or values.get("transA", 0)
        or values.get("alpha", 1.0) != 1.0
        or values.get("beta", 1.0) != 1.0
    ):
        return "a Gemm of another form"
    if node.op_type == "MatMul" and len(constants[node.input[1]].dims) != 2:
        return "weights that are no matrix"
    return ""


def _consumers(graph: onnx.GraphProto) -> dict[str, list[onnx.NodeProto]]:
    found: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            found.setdefault(name, []).append(node)
    return found


def _after_activation(graph: onnx.GraphProto, name: str, consumers: Mapping[str, list[onnx.NodeProto]]) -> str:
    """The tensor at which a convolution's output is quantised: behind an activation that is its only reader."""
    readers = consumers.get(name, [])
    if len(readers) == 1 and readers[0].op_type in _ACTIVATIONS and name not in {out.name for out in graph.output}:
        return str(readers[0].output[0])
    return name


def _averaged(graph: onnx.GraphProto, constants: Mapping[str, onnx.TensorProto]) -> set[str]:
    """Tensors that follow from averages over the whole image alone."""
    found: set[str] = set()
    for node in graph.node:
        values = [name for name in node.input if name and name not in constants]
        if node.op_type in ("ReduceMean", "GlobalAveragePool") or (values and all(name in found for name in values)):
            found.update(node.output)
    return found


def _fused_tensors(nodes: Iterable[onnx.NodeProto], plan: Plan) -> set[str]:
    """Tensors that exist as uint8 only, since a convolution or pooling writes them so: every reader takes those."""
    nodes = list(nodes)
    chosen = {nodes[index].output[0] for index in plan.nodes if nodes[index].op_type == "Conv"}
    for node in nodes:
        if node.op_type in _ACTIVATIONS and node.input[0] in chosen and node.input[0] not in plan.tensors:
            chosen.add(node.output[0])
    return chosen | set(plan.pools)
