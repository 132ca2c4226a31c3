"""Networks whose vectors depend on the other images of their batch, by hand: each in another way, much or a little."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.shared.foreign_networks import small_graph

Value = int | float | list[int] | list[float]


def node(operator: str, inputs: str, outputs: str, **attributes: object) -> onnx.NodeProto:
    """A node, its inputs and outputs named with blanks between them."""
    return helper.make_node(operator, inputs.split(), outputs.split(), name=outputs.split()[0], **attributes)


def behind(
    *nodes: onnx.NodeProto, constants: Mapping[str, np.ndarray] | None = None, batch: object = "N", opset: int = 20
) -> onnx.ModelProto:
    """`vector` [N, 4] of a picture, and nodes behind it that make `out`."""
    model = small_graph(shape=(batch, 3, 8, 8), extra=nodes, output="out", opset=opset)
    made = {
        "zero_axis": np.array([0]),
        "one_axis": np.array([1]),
        "little": np.float32(0.003),
        "tiny": np.float32(1e-6),
    }
    for name, value in (made | dict(constants or {})).items():
        model.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
    return model


def softmax_over_the_batch(batch: object = "N") -> onnx.ModelProto:
    return behind(node("Softmax", "vector", "soft", axis=0), node("Mul", "vector soft", "out"), batch=batch)


def length_over_the_batch(batch: object = "N") -> onnx.ModelProto:
    return behind(node("ReduceL2", "vector", "length", keepdims=1), node("Div", "vector length", "out"), batch=batch)


def largest_of_all(batch: object = "N") -> onnx.ModelProto:
    nodes = (
        node("Abs", "flat", "sizes"),
        node("ReduceMax", "sizes", "most", keepdims=0),
        node("Div", "vector most", "out"),
    )
    return behind(*nodes, batch=batch)


def spread_of_the_batch(batch: object = "N") -> onnx.ModelProto:
    """What BatchNorm in training does, spelled out."""
    return behind(
        node("ReduceMean", "vector zero_axis", "mean", keepdims=1),
        node("Sub", "vector mean", "centred"),
        node("Mul", "centred centred", "squares"),
        node("ReduceMean", "squares zero_axis", "variance", keepdims=1),
        node("Add", "variance one", "safe"),
        node("Sqrt", "safe", "spread"),
        node("Div", "centred spread", "normal"),
        node("Add", "normal vector", "out"),
        constants={"one": np.float32(1)},
        batch=batch,
    )


def instance_norm_over_the_batch(batch: object = "N") -> onnx.ModelProto:
    return behind(
        node("Transpose", "vector", "turned", perm=[1, 0]),
        node("Unsqueeze", "turned zero_axis", "batch_as_place"),
        node("InstanceNormalization", "batch_as_place gamma beta", "normal"),
        node("Squeeze", "normal zero_axis", "back"),
        node("Transpose", "back", "level", perm=[1, 0]),
        node("Add", "level vector", "out"),
        constants={"gamma": np.ones(4, np.float32), "beta": np.zeros(4, np.float32)},
        batch=batch,
    )


def best_of_the_batch(batch: object = "N") -> onnx.ModelProto:
    nodes = node("TopK", "vector count", "best place", axis=0), node("Add", "vector best", "out")
    return behind(*nodes, constants={"count": np.array([1])}, batch=batch)


def attention_over_the_batch(batch: object = "N") -> onnx.ModelProto:
    return behind(
        node("Transpose", "vector", "turned", perm=[1, 0]),
        node("MatMul", "vector turned", "scores"),
        node("Softmax", "scores", "weights_of_others", axis=1),
        node("MatMul", "weights_of_others vector", "attended"),
        node("Add", "attended vector", "out"),
        batch=batch,
    )


def running_sum(batch: object = "N") -> onnx.ModelProto:
    nodes = node("CumSum", "vector zero", "sum"), node("Mul", "sum little", "share"), node("Add", "share vector", "out")
    return behind(*nodes, constants={"zero": np.array(0)}, batch=batch)


def a_little_of_the_mean(batch: object = "N") -> onnx.ModelProto:
    return behind(
        node("ReduceMean", "vector zero_axis", "mean", keepdims=1),
        node("Mul", "mean little", "share"),
        node("Add", "vector share", "out"),
        batch=batch,
    )


def a_little_of_the_next(batch: object = "N") -> onnx.ModelProto:
    """The last picture of a batch, for all before it."""
    return behind(
        node("Gather", "vector last", "next", axis=0),
        node("Mul", "next little", "share"),
        node("Add", "vector share", "out"),
        constants={"last": np.array([-1])},
        batch=batch,
    )


COUPLED: dict[str, Callable[..., onnx.ModelProto]] = {
    "softmax": softmax_over_the_batch,
    "length": length_over_the_batch,
    "largest": largest_of_all,
    "batch statistics": spread_of_the_batch,
    "instance norm": instance_norm_over_the_batch,
    "top k": best_of_the_batch,
    "attention": attention_over_the_batch,
    "running sum": running_sum,
    "0.3 % of the mean": a_little_of_the_mean,
    "0.3 % of the last": a_little_of_the_next,
}


def dynamically_quantised(batch: object = "N") -> onnx.ModelProto:
    """As onnxruntime's quantize_dynamic writes a dense layer: the range is that of the whole batch."""
    return behind(
        node("DynamicQuantizeLinear", "vector", "coarse step middle"),
        node("MatMulInteger", "coarse whole middle", "sums"),
        node("Cast", "sums", "float_sums", to=TensorProto.FLOAT),
        node("Mul", "step whole_step", "both_steps"),
        node("Mul", "float_sums both_steps", "out"),
        constants=_whole(),
        batch=batch,
    )


def dynamically_quantised_by_hand(batch: object = "N") -> onnx.ModelProto:
    """The same spelled out: a step from the largest value of the batch, for QuantizeLinear."""
    return behind(
        node("Abs", "vector", "sizes"),
        node("ReduceMax", "sizes", "most", keepdims=0),
        node("Div", "most levels", "step"),
        node("QuantizeLinear", "vector step none", "coarse"),
        node("DequantizeLinear", "coarse step none", "rounded"),
        node("DequantizeLinear", "whole whole_step none", "grid"),
        node("MatMul", "rounded grid", "out"),
        constants=_whole() | {"levels": np.float32(127), "none": np.int8(0)},
        batch=batch,
    )


def _whole() -> dict[str, np.ndarray]:
    weights = np.random.default_rng(2).integers(-60, 61, (4, 5)).astype(np.int8)
    return {"whole": weights, "whole_step": np.asarray(np.float32(0.01))}


QUANTISED: dict[str, Callable[..., onnx.ModelProto]] = {
    "quantize_dynamic": dynamically_quantised,
    "by hand": dynamically_quantised_by_hand,
}
