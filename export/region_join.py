"""Region graph: a map's graph, the boxes cut out of it, and behind them what makes a vector of a map."""

from __future__ import annotations

import onnx
from onnx import compose, helper

from artifact.kinds import BRANCH_INPUT, BRANCH_OUTPUT
from artifact.modes import BOXES
from export.graph_values import Nodes
from export.regions import Alignment, align_regions, put_into_rows

MAPS, FEATURES, VECTORS = "maps", "features", "vectors"
"""Output of a map's graph; input and output of a tail's."""
_FRONT, _BOXES, _TAIL = "map_", "boxes_", "tail_"


def join_regions(
    front: onnx.ModelProto, tail: onnx.ModelProto, *, alignment: Alignment, embedding_dim: int
) -> onnx.ModelProto:
    """The region graph: uint8 `image` [N, H, W, 3] and float32 `boxes` [N, R, 4] -> float32 `embedding` [N, R, n].

    Args:
        front: uint8 `image` -> float32 `maps` [N, C, h, w].
        tail: float32 `features` [K, C, *alignment.sides] -> float32 `vectors` [K, n].
    """
    first, last = compose.add_prefix(front, _FRONT), compose.add_prefix(tail, _TAIL)
    nodes = Nodes(_BOXES)
    aligned = align_regions(nodes, _FRONT + MAPS, BOXES, alignment)
    into = helper.make_node("Identity", [aligned.features], [_TAIL + FEATURES], name="into_tail")
    behind = Nodes("rows_")
    put_into_rows(behind, _TAIL + VECTORS, BOXES, aligned.is_box, embedding_dim=embedding_dim, output=BRANCH_OUTPUT)
    pixels = onnx.ValueInfoProto.FromString(front.graph.input[0].SerializeToString())
    from_pixels = helper.make_node("Identity", [BRANCH_INPUT], [_FRONT + BRANCH_INPUT], name="pixels")
    graph = helper.make_graph(
        [from_pixels, *first.graph.node, *nodes.nodes, into, *last.graph.node, *behind.nodes],
        front.graph.name,
        [pixels, helper.make_tensor_value_info(BOXES, onnx.TensorProto.FLOAT, ["N", "R", 4])],
        [helper.make_tensor_value_info(BRANCH_OUTPUT, onnx.TensorProto.FLOAT, ["N", "R", embedding_dim])],
        [*first.graph.initializer, *nodes.constants, *last.graph.initializer, *behind.constants],
    )
    model = helper.make_model(graph, ir_version=front.ir_version, opset_imports=list(front.opset_import))
    model.producer_name, model.producer_version = front.producer_name, front.producer_version
    model.functions.extend([*first.functions, *last.functions])
    onnx.checker.check_model(model)
    return model
