"""A full graph around a branch that is a graph already: the streams joined on the batch axis, one branch, distances.

For other precisions than fp32 the full graph is made of the very nodes of the branch graph, so that both give the same
vectors: exported and quantised apart, each would round for itself, and they would not be of one space.
"""

from __future__ import annotations

import onnx
from onnx import compose, helper

from artifact.kinds import BRANCH_INPUT, BRANCH_OUTPUT, input_names, output_widths
from export.graph import export_heads

_INNER = "branch_"


def join_streams(
    branch: onnx.ModelProto, *, kind: str, mode: str, distance: str, embedding_dim: int
) -> onnx.ModelProto:
    """The full graph of a kind with this branch inside.

    Args:
        branch: uint8 `image` [N, H, W, 3] -> float32 `embedding` [N, embedding_dim].
        mode: `full`; the names of its inputs and outputs follow from it.
    """
    heads = export_heads(kind=kind, distance=distance, embedding_dim=embedding_dim)
    inner = compose.add_prefix(branch, _INNER)
    image, vectors = _INNER + BRANCH_INPUT, _INNER + BRANCH_OUTPUT
    opsets = {entry.domain: entry for model in (branch, heads) for entry in model.opset_import}
    streams = list(input_names(kind, mode))
    shape = [dim.dim_value or "N" for dim in branch.graph.input[0].type.tensor_type.shape.dim]
    graph = helper.make_graph(
        [
            helper.make_node("Concat", streams, [image], name="streams", axis=0),
            *inner.graph.node,
            helper.make_node("Identity", [vectors], [heads.graph.input[0].name], name="vectors"),
            *heads.graph.node,
        ],
        branch.graph.name,
        [helper.make_tensor_value_info(name, onnx.TensorProto.UINT8, shape) for name in streams],
        [
            helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["N", width])
            for name, width in output_widths(kind, mode, embedding_dim).items()
        ],
        [*inner.graph.initializer, *heads.graph.initializer],
    )
    model = helper.make_model(graph, ir_version=branch.ir_version, opset_imports=list(opsets.values()))
    model.producer_name, model.producer_version = branch.producer_name, branch.producer_version
    model.functions.extend([*branch.functions, *heads.functions])
    onnx.checker.check_model(model)
    return model
