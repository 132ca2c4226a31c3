"""Regions of feature maps in an ONNX graph: boxes in, the features of each box out, by one RoiAlign node.

Pure onnx, for a run's own map and for any adopted network's. Decisions a reader would question:
- Boxes are shares of the picture, so of the map as well, whatever its sides: the graph asks the map for them.
- Half-pixel coordinates (`half_pixel`, opset 16): the centre of a map's cell is the sample of that cell, so a box of
  the whole picture, sampled once a cell, gives the map itself and not a shifted one.
- `mode` is always `avg`: in `max` onnxruntime takes the largest of the weighted corners of a sample, which is no
  bilinear value at all. A maximum is taken behind the node instead, over the bins.
- Samples are so many for every box. "As many as cells" (sampling_ratio 0) is a ceil, and a box that ends on a cell's
  border to the last bit has one sample more on one processor than on another: its vector would jump.
- An `inset` leaves out a share of each side of a box: the cells at its border saw as much of what stands around the
  object as of itself. Nothing stands beyond the picture, so a side on its border is not moved, and one near it by no
  more than the distance: a box of the whole picture stays whole, and vectors do not jump.
- What is no box (a NaN in it, nothing left of it inside the picture, no width or height) is an empty box at 0 inside
  and zeros outside: NaN never enters RoiAlign, whose C++ would make an index of it.

He et al. 2017, "Mask R-CNN", section 3 (RoIAlign).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from export.graph_values import Nodes


@dataclass(frozen=True, kw_only=True)
class Alignment:
    """How a box is sampled.

    Attributes:
        sides: height and width in bins.
        samples: each way in a bin, which is the mean of samples x samples bilinear values.
        inset: share of a box's width and height that is left out at each of its sides, below 0.5.
    """

    sides: tuple[int, int] = (7, 7)
    samples: int = 2
    inset: float = 0.0


USUAL = Alignment()
"""That of Mask R-CNN; for maps of any size."""


def alignment_for(sides: tuple[int, int], *, inset: float = 0.0) -> Alignment:
    """A bin and a sample for each cell of a small map, so that a box of all of it gives the map itself."""
    is_small = all(side <= usual for side, usual in zip(sides, USUAL.sides, strict=True))
    return Alignment(sides=sides, samples=1, inset=inset) if is_small else Alignment(inset=inset)


class Aligned(NamedTuple):
    """Names of values: `features` float32 [N * R, C, height, width]; `is_box` bool [N, R, 1]."""

    features: str
    is_box: str


def align_regions(nodes: Nodes, maps: str, boxes: str, alignment: Alignment = USUAL) -> Aligned:
    """The features of each box.

    Args:
        nodes: the graph in the making; opset 16 or later.
        maps: value float32 [N, C, h, w], of any sides.
        boxes: value float32 [N, R, 4]: x1, y1, x2, y2 as shares of the picture, cut at its border here. R may be 0.
        alignment: bins and samples.
    """
    found = _boxes_inside(nodes, boxes, alignment.inset)
    sides = nodes.add("Shape", maps, start=2, end=4).name  # h, w
    turned = nodes.add("Gather", sides, nodes.integers([1, 0, 1, 0]), axis=0).name
    cells = nodes.add("Cast", turned, to=_FLOAT).name
    rois = nodes.add("Mul", found.boxes, cells).name
    flat = nodes.add("Reshape", rois, nodes.integers([-1, 4])).name
    features = nodes.add(
        "RoiAlign",
        maps,
        flat,
        _image_numbers(nodes, boxes),
        mode="avg",
        coordinate_transformation_mode="half_pixel",
        output_height=alignment.sides[0],
        output_width=alignment.sides[1],
        sampling_ratio=alignment.samples,
        spatial_scale=1.0,
    )
    return Aligned(features.name, found.is_box)


def pool_regions(nodes: Nodes, features: str, pooling: str) -> str:
    """Pool the bins of each box, float32 [K, C, height, width] to [K, C]; `pooling` is a name in REGION_POOLINGS."""
    return nodes.add(REGION_POOLINGS[pooling], features, nodes.integers([2, 3]), keepdims=0).name


REGION_POOLINGS = {"avg": "ReduceMean", "max": "ReduceMax"}
"""The node of each pooling."""


def put_into_rows(
    nodes: Nodes, vectors: str, boxes: str, is_box: str, *, embedding_dim: int, output: str | None = None
) -> str:
    """Vectors [N * R, n] of all boxes as [N, R, n], zeros for what is no box; gives the name of the value.

    Args:
        boxes: as `align_regions`: says N and R.
        output: its name; None: one that follows from its number.
    """
    rows = nodes.add("Shape", boxes, start=0, end=2).name
    shape = nodes.add("Concat", rows, nodes.integers([embedding_dim]), axis=0).name
    in_rows = nodes.add("Reshape", vectors, shape, allowzero=1).name
    return nodes.add("Where", is_box, in_rows, nodes.number(0.0), output=output).name


class _Inside(NamedTuple):
    boxes: str
    is_box: str


def _boxes_inside(nodes: Nodes, boxes: str, inset: float) -> _Inside:
    """The boxes cut at the picture's border and inset, zeros in the place of what is none, and which are boxes."""
    zero, one, last = nodes.number(0.0), nodes.number(1.0), nodes.integers([2])
    is_missing = nodes.add("Cast", nodes.add("IsNaN", boxes).name, to=_FLOAT).name
    any_missing = nodes.add("ReduceMax", is_missing, last, keepdims=1).name
    known = nodes.add("Where", nodes.add("Greater", any_missing, zero).name, zero, boxes).name
    cut = nodes.add("Clip", known, zero, one).name
    starts = nodes.add("Slice", cut, nodes.integers([0]), nodes.integers([2]), last).name
    ends = nodes.add("Slice", cut, nodes.integers([2]), nodes.integers([4]), last).name
    lengths = nodes.add("Sub", ends, starts).name
    shorter = nodes.add("ReduceMin", lengths, last, keepdims=1).name
    is_box = nodes.add("Greater", shorter, zero).name
    if inset:
        left_out = nodes.add("Mul", lengths, nodes.number(inset)).name
        first = nodes.add("Add", starts, nodes.add("Min", left_out, starts).name).name
        room = nodes.add("Sub", one, ends).name
        end = nodes.add("Sub", ends, nodes.add("Min", left_out, room).name).name
        cut = nodes.add("Concat", first, end, axis=2).name
    return _Inside(nodes.add("Where", is_box, cut, zero).name, is_box)


def _image_numbers(nodes: Nodes, boxes: str) -> str:
    """Which of the N images each of the N * R boxes lies in: int64 [N * R]."""
    num_images = nodes.add("Squeeze", nodes.add("Shape", boxes, start=0, end=1).name).name
    numbers = nodes.add("Range", nodes.integers(0), num_images, nodes.integers(1)).name
    column = nodes.add("Unsqueeze", numbers, nodes.integers([1])).name
    rows = nodes.add("Expand", column, nodes.add("Shape", boxes, start=0, end=2).name).name
    return nodes.add("Reshape", rows, nodes.integers([-1])).name


_FLOAT = 1
"""onnx.TensorProto.FLOAT."""
