"""The scheme of int8 graphs: how large a weight may be, and the note on artifacts whose weights may be larger.

Decision a reader would question: weights use 7 of their 8 bits. An x86 processor without VNNI adds two products of a
uint8 activation and an int8 weight in 16 bits and cuts off what is over, so weights up to 127 gave other vectors there.
With |weight| <= 64 no pair of products leaves 16 bits: 2 x 255 x 64 = 32,640 <= 32,767. See docs/decisions/0013.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from artifact.model.manifest import Manifest

if TYPE_CHECKING:
    import onnx

LARGEST_WEIGHT = 64
SCHEME = "u8s7"
"""Activations of 8 bits without a sign, weights of 7 bits with one; what `quantization` of a manifest calls it."""
LARGEST_WEIGHT_KEY = "largest_weight"
"""Of `quantization` of an adopted network: its largest |int8 weight|."""

_WEIGHTS = {
    "DequantizeLinear": (0,),
    "QLinearConv": (3,),
    "QLinearMatMul": (0, 3),
    "ConvInteger": (1,),
    "MatMulInteger": (0, 1),
    "MatMulIntegerToFloat": (0, 1),
    "DynamicQuantizeMatMul": (1,),
    "DynamicQuantizeLSTM": (1, 2),
    "QGemm": (0, 3),
    "QAttention": (1,),
}
"""{operator: inputs that may be constants of 8 bits and are multiplied}; ONNX's own and onnxruntime's."""

_OLDER = (
    "int8 of an older scheme: x86 processors without VNNI may give other vectors; export the run again with "
    "--precision int8"
)
_ADOPTED = (
    "int8 weights up to {largest}, above {limit}: on x86 processors without VNNI it may give other vectors; quantise "
    "the network with reduced range (reduce_range=True) and adopt it again"
)


def older_scheme_note(manifest: Manifest) -> str | None:
    """What to tell of an int8 artifact whose weights may be too large for some processors; None of any other.

    A network that was adopted before its weights were looked at has no facts of quantisation, and no note.
    """
    facts = manifest.quantization
    if manifest.precision != "int8" or facts is None:
        return None
    if LARGEST_WEIGHT_KEY in facts:
        largest = int(facts[LARGEST_WEIGHT_KEY])
        return _ADOPTED.format(largest=largest, limit=LARGEST_WEIGHT) if largest > LARGEST_WEIGHT else None
    return None if "scheme" in facts else _OLDER


def largest_int8_weight(model: onnx.ModelProto) -> int:
    """The largest |weight| of int8 type, 0 where there is none; uint8 weights are added up in 32 bits everywhere."""
    signed = (values for _, values in weights_of_8_bits(model.graph) if values.dtype == np.int8)
    return max((int(np.abs(values.astype(np.int32)).max(initial=0)) for values in signed), default=0)


def weights_of_8_bits(
    graph: onnx.GraphProto, outer: Mapping[str, onnx.TensorProto] | None = None
) -> Iterator[tuple[str, np.ndarray]]:
    """Name and values, int8 or uint8, of each constant that a quantised node multiplies; of subgraphs too.

    Args:
        outer: constants that the graph sees from outside.
    """
    from onnx import TensorProto, numpy_helper  # 0.1 s: only where a graph is looked at

    constants = dict(outer or {}) | {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        for attribute in node.attribute:
            if node.op_type == "Constant" and attribute.name == "value":
                constants[node.output[0]] = attribute.t
            for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from weights_of_8_bits(inner, constants)
        for position in _WEIGHTS.get(node.op_type, ()):
            tensor = constants.get(node.input[position]) if position < len(node.input) else None
            if tensor is not None and tensor.data_type in (TensorProto.INT8, TensorProto.UINT8):
                yield tensor.name or node.input[position], numpy_helper.to_array(tensor)
