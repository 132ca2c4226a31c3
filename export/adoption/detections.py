"""The graph of detections: behind a foreign detector, its boxes as shares, the surest first, a vector of each.

Decisions a reader would question:
- Each picture has the same number of detections, K, made up with none: only rows of one shape make a batch. Inside,
  they are one packed value [N, K, n + 6], so the batch of a detector is made dynamic and proved as any network's
  (batch.py); behind, it is taken apart into embedding, boxes and scores, with NaN for the boxes of none.
- Boxes become shares here, of the picture that the network is given: that is the original, for the fit is `stretch`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from artifact.kinds import BRANCH_OUTPUT
from artifact.modes import BOXES, SCORES
from export.adoption.detected import BESIDES, DetectorOutputs, DetectorShapes
from export.adoption.pooling import MEAN
from export.adoption.surgery import OURS, rename
from export.graph_values import Nodes
from export.regions import align_regions, pool_regions, put_into_rows

if TYPE_CHECKING:
    import onnx

_NONE = -1e30
"""The score of what is no detection, while they are put in order."""
_FLOAT = 1
"""onnx.TensorProto.FLOAT."""


def with_detections(
    model: onnx.ModelProto, asked: DetectorOutputs, shapes: DetectorShapes, most: int, size: tuple[int, int]
) -> onnx.ModelProto:
    """A copy of a detector whose only output is packed: float32 [N, most x (n + BESIDES)]."""
    import onnx
    from onnx import TensorProto, helper

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    nodes = Nodes(f"{OURS}detections/")
    last = nodes.integers([2])
    given = [nodes.add("Cast", name, to=_FLOAT).name for name in (asked.boxes, asked.scores, asked.features)]
    front = 0 if shapes.is_batched else 1
    boxes = nodes.add("Reshape", given[0], nodes.integers([front, -1, 4])).name
    scores = nodes.add("Reshape", given[1], nodes.integers([front, -1])).name
    shares, is_box = _as_shares(nodes, boxes, asked, size, last)
    above = nodes.add("Less", nodes.add("Abs", scores).name, nodes.number(float("inf"))).name
    is_one = nodes.add("And", is_box, above).name
    known = nodes.add("Where", is_one, scores, nodes.number(_NONE)).name
    count, axis = nodes.integers([0, most]), nodes.integers([1])
    padded = nodes.add("Pad", known, count, nodes.number(_NONE), axis).name
    best, places = f"{OURS}detections/best", f"{OURS}detections/places"
    nodes.nodes.append(
        helper.make_node("TopK", [padded, nodes.integers([most])], [best, places], name=f"{OURS}TopK", axis=1)
    )
    at = nodes.add("Unsqueeze", places, nodes.integers([2])).name
    there = nodes.add("Greater", best, nodes.number(_NONE / 10)).name
    column = nodes.add("Unsqueeze", there, nodes.integers([2])).name

    def chosen(values: str) -> str:
        more = nodes.add("Pad", values, count, nodes.number(0.0), axis).name
        rows = nodes.add("GatherND", more, at, batch_dims=1).name
        return nodes.add("Where", column, rows, nodes.number(0.0)).name

    kept = chosen(shares)
    if shapes.is_map:
        aligned = align_regions(nodes, given[2], kept, shapes.alignment)
        pooled = pool_regions(nodes, aligned.features, (asked.pooling or MEAN).kind)
        vectors = put_into_rows(nodes, pooled, kept, aligned.is_box, embedding_dim=shapes.width)
    else:
        vectors = chosen(nodes.add("Reshape", given[2], nodes.integers([front, -1, shapes.width])).name)
    as_number = nodes.add("Cast", column, to=_FLOAT).name
    sure = nodes.add("Where", column, nodes.add("Unsqueeze", best, nodes.integers([2])).name, nodes.number(0.0)).name
    packed = nodes.add("Concat", vectors, kept, sure, as_number, axis=2).name
    flat = nodes.add("Flatten", packed, axis=1).name
    copy.graph.node.extend(nodes.nodes)
    copy.graph.initializer.extend(nodes.constants)
    del copy.graph.output[:]
    copy.graph.output.append(helper.make_tensor_value_info(flat, TensorProto.FLOAT, None))
    return copy


def unpacked(model: onnx.ModelProto, width: int, most: int) -> onnx.ModelProto:
    """A copy of an adopted graph, its packed output taken apart: embedding [N, K, n], boxes [N, K, 4], scores [N, K].

    Args:
        width: n.
        most: K.
    """
    import onnx
    from onnx import TensorProto, helper

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    graph, flat = copy.graph, f"{OURS}packed"
    rename(graph, {name: f"network/{name}" for name in (BOXES, SCORES)})
    for node in graph.node:
        for place, name in enumerate(node.output):
            if name == BRANCH_OUTPUT:
                node.output[place] = flat
    nodes = Nodes(f"{OURS}unpacked/")
    packed = nodes.add("Reshape", flat, nodes.integers([0, most, width + BESIDES])).name
    last = nodes.integers([2])

    def columns(start: int, end: int, output: str | None = None) -> str:
        return nodes.add("Slice", packed, nodes.integers([start]), nodes.integers([end]), last, output=output).name

    columns(0, width, BRANCH_OUTPUT)
    there = nodes.add("Greater", columns(width + 5, width + 6), nodes.number(0.5)).name
    nodes.add("Where", there, columns(width, width + 4), nodes.number(float("nan")), output=BOXES)
    nodes.add("Squeeze", columns(width + 4, width + 5), last, output=SCORES)
    graph.node.extend(nodes.nodes)
    graph.initializer.extend(nodes.constants)
    del graph.output[:]
    shapes: dict[str, list[str | int | None]] = {
        BRANCH_OUTPUT: ["N", most, width],
        BOXES: ["N", most, 4],
        SCORES: ["N", most],
    }
    graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items())
    return copy


def as_outputs(packed: np.ndarray, width: int, most: int) -> dict[str, np.ndarray]:
    """What `unpacked` gives, by numpy, of packed vectors [N, K x (n + BESIDES)]."""
    rows = packed.reshape(len(packed), most, width + BESIDES)
    boxes = np.where(rows[..., -1:] > 0.5, rows[..., -6:-2], np.float32(np.nan))
    return {BRANCH_OUTPUT: rows[..., :width], BOXES: boxes, SCORES: rows[..., -2]}


def _as_shares(nodes: Nodes, boxes: str, asked: DetectorOutputs, size: tuple[int, int], last: str) -> tuple[str, str]:
    """Corners in shares, cut at the border, zeros for NaN: [N, A, 4]; and which are boxes: bool [N, A]."""
    first, second = _halves(nodes, boxes, last)
    if asked.box_format == "xywh":
        second = nodes.add("Add", first, second).name
    elif asked.box_format == "cxcywh":
        half = nodes.add("Mul", second, nodes.number(0.5)).name
        first, second = nodes.add("Sub", first, half).name, nodes.add("Add", first, half).name
    corners = nodes.add("Concat", first, second, axis=2).name
    if asked.unit == "px":
        sides = nodes.add("Cast", nodes.integers([size[1], size[0]] * 2), to=_FLOAT).name
        corners = nodes.add("Div", corners, sides).name
    zero = nodes.number(0.0)
    is_missing = nodes.add("IsNaN", corners).name  # Clip would make a number of it
    shares = nodes.add("Clip", nodes.add("Where", is_missing, zero, corners).name, zero, nodes.number(1.0)).name
    start, end = _halves(nodes, shares, last)
    is_long = nodes.add("Cast", nodes.add("Greater", end, start).name, to=_FLOAT).name
    both = nodes.add("ReduceMin", is_long, last, keepdims=0).name
    any_missing = nodes.add("ReduceMax", nodes.add("Cast", is_missing, to=_FLOAT).name, last, keepdims=0).name
    is_box = nodes.add("Greater", both, any_missing).name
    return shares, is_box


def _halves(nodes: Nodes, boxes: str, last: str) -> tuple[str, str]:
    """The first two and the last two numbers of boxes [N, A, 4]."""
    starts = ((0, 2), (2, 4))
    first, second = (
        nodes.add("Slice", boxes, nodes.integers([start]), nodes.integers([end]), last).name for start, end in starts
    )
    return first, second
