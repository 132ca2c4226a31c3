"""Compute, once, what does not depend on the image: old exporters leave whole chains of nodes that make a constant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from serving.foreign_graph import read_by

if TYPE_CHECKING:
    import onnx


def fold_constants(model: onnx.ModelProto, image: str) -> None:
    """Replace, in place, every node that the image has no say in by the value that onnxruntime gives for it."""
    import onnx
    import onnxruntime
    from onnx import numpy_helper

    of_image, fixed = {image}, []
    for node in model.graph.node:
        if of_image.isdisjoint(read_by(node)):
            fixed.append(node)
        else:
            of_image.update(node.output)
    rest = [node for node in model.graph.node if not of_image.isdisjoint(node.output)]
    read = set().union(*(read_by(node) for node in rest)) if rest else set()
    wanted = sorted(read & {value for node in fixed for value in node.output})
    if not wanted:
        return
    maker = onnx.ModelProto()
    maker.CopyFrom(model)
    del maker.graph.node[:], maker.graph.input[:], maker.graph.output[:]
    maker.graph.node.extend(fixed)
    maker.graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(maker.SerializeToString(), options, providers=["CPUExecutionProvider"])
    values = session.run(wanted, {})
    own = [onnx.NodeProto.FromString(node.SerializeToString()) for node in rest]
    used = set().union(*(read_by(node) for node in own))
    weights = [onnx.TensorProto.FromString(each.SerializeToString()) for each in model.graph.initializer]
    del model.graph.node[:], model.graph.initializer[:]
    model.graph.node.extend(own)
    model.graph.initializer.extend(tensor for tensor in weights if tensor.name in used)
    model.graph.initializer.extend(
        numpy_helper.from_array(value, name) for name, value in zip(wanted, values, strict=True)
    )
