"""Full graph: a branch's graph with every stream in front of it and one vector a stream and the distances behind it.

The streams are concatenated on the batch axis, the branch runs once, and its vectors are reshaped to [streams, N, n]
and taken apart by number. The graph holds the very nodes of the branch graph, at any precision, so both give the same
vectors: exported or quantised apart, each would round for itself, and they would not be of one space.
"""

from __future__ import annotations

import onnx
from onnx import compose, helper

from artifact.distances import DISTANCES
from artifact.kinds import BRANCH_INPUT, BRANCH_OUTPUT, KINDS, distance_name, embedding_name
from artifact.modes import FULL, MODES, TOWER_STREAMS, TOWERS, Widths
from export.graph_values import VALUES, Nodes, Value

_INNER, _HEADS = "branch_", "heads_"


def join_streams(branch: onnx.ModelProto, *, kind: str, distance: str, embedding_dim: int) -> onnx.ModelProto:
    """The full graph of a kind with this branch inside.

    Args:
        branch: uint8 `image` [N, H, W, 3] -> float32 `embedding` [N, embedding_dim].
        kind: a key of artifact.kinds.KINDS; the names of inputs and outputs follow from it.
        distance: a key of artifact.distances.DISTANCES.
    """
    inner = compose.add_prefix(branch, _INNER)
    heads = _heads(_INNER + BRANCH_OUTPUT, kind=kind, distance=distance, embedding_dim=embedding_dim)
    streams, widths = list(KINDS[kind].streams), Widths(kind=kind, embedding_dim=embedding_dim)
    shape = [dim.dim_value or "N" for dim in branch.graph.input[0].type.tensor_type.shape.dim]
    graph = helper.make_graph(
        [
            helper.make_node("Concat", streams, [_INNER + BRANCH_INPUT], name="streams", axis=0),
            *inner.graph.node,
            *heads.nodes,
        ],
        branch.graph.name,
        [helper.make_tensor_value_info(name, onnx.TensorProto.UINT8, shape) for name in streams],
        [
            helper.make_tensor_value_info(output.name, onnx.TensorProto.FLOAT, ["N", *output.row_shape])
            for output in MODES[FULL].outputs(widths)
        ],
        [*inner.graph.initializer, *heads.constants],
    )
    model = helper.make_model(graph, ir_version=branch.ir_version, opset_imports=list(branch.opset_import))
    model.producer_name, model.producer_version = branch.producer_name, branch.producer_version
    model.functions.extend(branch.functions)
    onnx.checker.check_model(model)
    return model


def join_towers(image: onnx.ModelProto, attributes: onnx.ModelProto, *, distance: str) -> onnx.ModelProto:
    """The graph of both towers, one stream of each: their vectors and the distance of these.

    Args:
        image: uint8 `image` [N, H, W, 3] -> float32 `embedding` [N, n].
        attributes: float32 `attributes` [N, A] -> float32 `embedding` [N, n].
        distance: a key of artifact.distances.DISTANCES.
    """
    inner = [
        compose.add_prefix(graph, f"{stream}_", rename_inputs=False, rename_outputs=False)
        for graph, stream in zip((image, attributes), TOWER_STREAMS, strict=True)
    ]
    names = [embedding_name(stream) for stream in TOWER_STREAMS]
    for graph, name in zip(inner, names, strict=True):
        for node in graph.graph.node:
            node.output[:] = [name if each == BRANCH_OUTPUT else each for each in node.output]
            node.input[:] = [name if each == BRANCH_OUTPUT else each for each in node.input]
    nodes = Nodes(_HEADS)
    apart = DISTANCES[distance].between(VALUES, *(Value(nodes, name) for name in names))
    nodes.add("Unsqueeze", apart.name, nodes.integers([-1]), output=distance_name(TOWER_STREAMS))
    dim = image.graph.output[0].type.tensor_type.shape.dim[1].dim_value
    graph = helper.make_graph(
        [*inner[0].graph.node, *inner[1].graph.node, *nodes.nodes],
        image.graph.name,
        [each.graph.input[0] for each in inner],
        [
            helper.make_tensor_value_info(output.name, onnx.TensorProto.FLOAT, ["N", *output.row_shape])
            for output in MODES[TOWERS].outputs(Widths(kind="triplet", embedding_dim=dim))
        ],
        [*inner[0].graph.initializer, *inner[1].graph.initializer, *nodes.constants],
    )
    model = helper.make_model(graph, ir_version=image.ir_version, opset_imports=list(image.opset_import))
    model.producer_name, model.producer_version = image.producer_name, image.producer_version
    model.functions.extend(image.functions)
    onnx.checker.check_model(model)
    return model


def _heads(vectors: str, *, kind: str, distance: str, embedding_dim: int) -> Nodes:
    """Vectors of all streams, [streams * N, n], to one output [N, n] a stream and one [N, 1] a pair."""
    nodes, facts = Nodes(_HEADS), KINDS[kind]
    stacked = nodes.add("Reshape", vectors, nodes.integers([len(facts.streams), -1, embedding_dim]))
    of_stream = {
        stream: nodes.add("Gather", stacked.name, nodes.integers(number), output=embedding_name(stream), axis=0)
        for number, stream in enumerate(facts.streams)
    }
    for pair in facts.pairs:
        apart = DISTANCES[distance].between(VALUES, *(of_stream[stream] for stream in pair))
        nodes.add("Unsqueeze", apart.name, nodes.integers([-1]), output=distance_name(pair))
    return nodes
