"""Layers of an ONNX graph, the nodes that have weights, and the constants that nodes read."""

from __future__ import annotations

import onnx

LAYERS = frozenset(("Conv", "ConvTranspose", "Gemm", "MatMul"))


def last_layers(graph: onnx.GraphProto) -> set[int]:
    """Indices of the layers with no other layer between them and an output of the graph.

    All that lies behind them then stays float32, for whatever enters there comes from one of them.
    """
    reaches = {value.name for value in graph.output}
    found = set()
    for index in range(len(graph.node) - 1, -1, -1):
        node = graph.node[index]
        if not reaches.intersection(node.output):
            continue
        if node.op_type in LAYERS:
            found.add(index)
        else:
            reaches.update(node.input)
    return found


def drop_unused_constants(graph: onnx.GraphProto) -> None:
    """Forget constants that no node reads any more."""
    used = {name for node in graph.node for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    graph.ClearField("initializer")
    graph.initializer.extend(kept)
