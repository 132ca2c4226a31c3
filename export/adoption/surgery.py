"""Surgery on a foreign graph: raise its opset, put the pixels in front and the vector behind.

The values of the foreign graph keep their names, so that what Netron shows can still be found; only those that would
clash with ours are renamed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from artifact.errors import ArtifactError
from artifact.images.preprocessing import Preprocessing
from artifact.kinds import BRANCH_INPUT, BRANCH_OUTPUT
from artifact.model.manifest import OPSET
from export.adoption.foreign import ForeignInput, ForeignNetwork
from export.adoption.reasons import first_line

if TYPE_CHECKING:
    import onnx

_IR_VERSION = 9
"""The first that knows opset 20."""
OURS = "lookalike/"


def raise_opset(foreign: ForeignNetwork) -> onnx.ModelProto:
    """A copy of the network in opset 20, or as it is where that is later; raises ArtifactError with the reason."""
    import onnx

    model = onnx.ModelProto()
    model.CopyFrom(foreign.model)
    model.ir_version = max(model.ir_version, _IR_VERSION)
    if foreign.opset >= OPSET:
        return model
    kind = model.graph.input[0].type.tensor_type.elem_type
    for output in model.graph.output:
        output.CopyFrom(onnx.helper.make_tensor_value_info(output.name, kind, None))
    try:
        converted = onnx.version_converter.convert_version(model, OPSET)
    except Exception as error:  # the C++ converter's exceptions share no base class
        raise ArtifactError(
            f"opset {foreign.opset} cannot be converted to {OPSET}",
            got=first_line(error),
            where=foreign.path,
            mend=f"export it again with opset {OPSET} or later",
        ) from None
    converted.ir_version = max(converted.ir_version, _IR_VERSION)
    return converted


def set_image_shape(model: onnx.ModelProto, image: ForeignInput, batch: int | str, height: int, width: int) -> None:
    """Give the network's own input a shape; a batch that is a word is dynamic. Shapes of inner values are forgotten."""
    from onnx import helper

    spatial = [3, height, width] if image.layout == "nchw" else [height, width, 3]
    value = model.graph.input[0]
    value.CopyFrom(helper.make_tensor_value_info(value.name, value.type.tensor_type.elem_type, [batch, *spatial]))
    model.graph.ClearField("value_info")
    output = model.graph.output[0].name
    model.graph.output[0].Clear()
    model.graph.output[0].name = output


def with_pixels(
    model: onnx.ModelProto, image: ForeignInput, preprocessing: Preprocessing, *, bgr: bool, embedding_dim: int
) -> onnx.ModelProto:
    """Put uint8 [N, H, W, 3] in front of a network, and float32 [N, n] behind it.

    Args:
        model: a network of one input and one output whose batch is dynamic.
        preprocessing: whose mean and std become a multiply and an add.
        bgr: the network wants blue first.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    whole = onnx.ModelProto()
    whole.CopyFrom(model)
    graph = whole.graph
    rename(graph, {name: f"network/{name}" for name in (BRANCH_INPUT, BRANCH_OUTPUT)})
    inner_input, inner_output = graph.input[0].name, graph.output[0].name
    std = 255.0 * np.asarray(preprocessing.std, np.float64)
    order = [2, 1, 0] if bgr else [0, 1, 2]
    scale = (1.0 / std).astype(np.float32)[order]
    shift = (-np.asarray(preprocessing.mean, np.float64) * 255.0 / std).astype(np.float32)[order]
    is_planes = image.layout == "nchw"
    # One number a plane, or a whole row of them: three numbers at a time take onnxruntime ten times as long.
    shape = (3, 1, 1) if is_planes else (preprocessing.width, 3)
    constants = {
        name: np.broadcast_to(value[:, None, None] if is_planes else value, shape).copy()
        for name, value in (("scale", scale), ("shift", shift))
    }
    steps: list[tuple[str, list[str], dict[str, Any]]] = []
    if is_planes:
        steps.append(("Transpose", [], {"perm": [0, 3, 1, 2]}))
    if bgr:
        constants["bgr"] = np.array(order, np.int64)
        steps.append(("Gather", ["bgr"], {"axis": 1 if is_planes else 3}))
    steps += [("Cast", [], {"to": TensorProto.FLOAT}), ("Mul", ["scale"], {}), ("Add", ["shift"], {})]
    if image.dtype == "float16":
        steps.append(("Cast", [], {"to": TensorProto.FLOAT16}))
    front, value = [], BRANCH_INPUT
    for number, (operator, operands, attributes) in enumerate(steps):
        result = inner_input if number == len(steps) - 1 else f"{OURS}pixels_{number}"
        inputs = [value, *(OURS + operand for operand in operands)]
        front.append(helper.make_node(operator, inputs, [result], name=f"{OURS}{operator}_{number}", **attributes))
        value = result
    flat = BRANCH_OUTPUT
    if image.dtype == "float16":
        taken = {tensor.name for tensor in graph.initializer}  # a Scan's constant has the first name
        flat = next(name for name in (f"{OURS}flat", f"{OURS}flat_half") if name not in taken)
    back = [helper.make_node("Flatten", [inner_output], [flat], name=f"{OURS}Flatten", axis=1)]
    if flat != BRANCH_OUTPUT:
        back.append(helper.make_node("Cast", [flat], [BRANCH_OUTPUT], name=f"{OURS}Cast", to=TensorProto.FLOAT))
    nodes = [*front, *graph.node, *back]
    del graph.node[:], graph.input[:], graph.output[:]
    graph.node.extend(nodes)
    graph.initializer.extend(numpy_helper.from_array(array, OURS + name) for name, array in constants.items())
    size = [preprocessing.height, preprocessing.width, 3]
    graph.input.append(helper.make_tensor_value_info(BRANCH_INPUT, TensorProto.UINT8, ["N", *size]))
    graph.output.append(helper.make_tensor_value_info(BRANCH_OUTPUT, TensorProto.FLOAT, ["N", embedding_dim]))
    return whole


def rename(graph: onnx.GraphProto, names: Mapping[str, str]) -> None:
    """Rename values everywhere in a graph, its subgraphs included."""
    for node in graph.node:
        for side in (node.input, node.output):
            for i, name in enumerate(side):
                side[i] = names.get(name, name)
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                rename(inner, names)
    for value in (*graph.input, *graph.output, *graph.initializer):
        value.name = names.get(value.name, value.name)
    for tensor in graph.sparse_initializer:
        tensor.values.name = names.get(tensor.values.name, tensor.values.name)
