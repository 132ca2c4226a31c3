"""Constants of a graph, folded: what does not depend on the images is computed once, here.

Exporters leave whole chains of nodes that make a constant. Such chains fix the batch of a foreign transformer (its
class token), and hide weights that a network standardises each time it runs (NFNet) from whatever fuses or quantises
them. Our own export and adoption both use it; no torch here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx

GROWTH = 2**20
"""In bytes: a graph whose constants would be larger than what they are made from by more than this stays as it is."""


def fold_constants(model: onnx.ModelProto, inputs: Iterable[str]) -> None:
    """Replace, in place, every node that the inputs have no say in by the value that onnxruntime gives for it."""
    import onnx
    import onnxruntime
    from onnx import numpy_helper

    varying, fixed, rest = set(inputs), [], []
    for node in model.graph.node:
        if varying.isdisjoint(read_by(node)):
            fixed.append(node)
        else:
            varying.update(node.output)
            rest.append(node)
    read = {value.name for value in model.graph.output}.union(*(read_by(node) for node in rest))
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
    options.intra_op_num_threads = 1  # one order of summation, so the same bytes on every machine of a kind
    session = onnxruntime.InferenceSession(maker.SerializeToString(), options, providers=["CPUExecutionProvider"])
    made = [numpy_helper.from_array(value, name) for name, value in zip(wanted, session.run(wanted, {}), strict=True)]
    dropped = [tensor.ByteSize() for tensor in model.graph.initializer if tensor.name not in read]
    dropped += [node.ByteSize() for node in fixed]
    if sum(tensor.ByteSize() for tensor in made) > sum(dropped) + GROWTH:
        return
    own = [onnx.NodeProto.FromString(node.SerializeToString()) for node in rest]
    kept = [
        onnx.TensorProto.FromString(each.SerializeToString()) for each in model.graph.initializer if each.name in read
    ]
    del model.graph.node[:], model.graph.initializer[:]
    model.graph.node.extend(own)
    model.graph.initializer.extend([*kept, *made])


def read_by(node: onnx.NodeProto) -> set[str]:
    """Values that a node reads, those included that its subgraphs read from outside of them."""
    found = set(node.input)
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            inner = {value.name for value in graph.output}.union(*(read_by(each) for each in graph.node))
            own = {each.name for each in (*graph.input, *graph.initializer)}
            found |= inner - own.union(*(each.output for each in graph.node))
    return found - {""}
