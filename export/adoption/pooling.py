"""Pooling of a foreign network's map into a vector: the nodes for the graph, and the same by numpy as the reference.

Decisions a reader would question:
- A grid is that of torch's AdaptiveAvgPool2d: bin i of K covers the cells from floor(i h / K) to ceil((i + 1) h / K),
  so any map takes any grid up to its own size. In the graph it is two small matrices; the reference adds up cells.
- Numbers stand channel after channel, in each row after row, as torch's flatten leaves them.
- There is a limit to a vector's numbers because a map has so many: 512 channels of 8x8 are 32,768 numbers a picture,
  half a gigabyte for 4,000 of them, and nearest neighbours among them say little.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from artifact.arrays import Vectors
from artifact.errors import UsageError
from export.adoption.surgery import OURS

if TYPE_CHECKING:
    import onnx

DEFAULT_LIMIT = 10_000
"""Numbers of a vector."""
POOLINGS = "avg, max or grid:KxK"
_GRID = re.compile(r"grid:([1-9]\d{0,3})x([1-9]\d{0,3})", re.ASCII)


@dataclass(frozen=True)
class Pooling:
    """How a map [N, C, h, w] becomes a vector: its mean, its largest values, or its means on a grid.

    Attributes:
        kind: `avg`, `max` or `grid`.
        rows, columns: of the grid; 1 and 1 of the others.
    """

    kind: str
    rows: int = 1
    columns: int = 1

    def __str__(self) -> str:
        return f"grid:{self.rows}x{self.columns}" if self.kind == "grid" else self.kind

    def of_map(self, value: npt.NDArray[np.float32]) -> Vectors:
        """float32 [N, C, h, w] -> [N, C x rows x columns], cell by cell."""
        if self.kind == "max":
            return np.asarray(value.max(axis=(2, 3)), np.float32)
        num_images, num_channels, height, width = value.shape
        pooled = np.empty((num_images, num_channels, self.rows, self.columns), np.float32)
        for row, down in enumerate(_bins(height, self.rows)):
            for column, across in enumerate(_bins(width, self.columns)):
                pooled[:, :, row, column] = value[:, :, down, across].mean(axis=(2, 3), dtype=np.float64)
        return pooled.reshape(num_images, self.length(num_channels))

    def length(self, num_channels: int) -> int:
        """Numbers of a vector."""
        return num_channels * self.rows * self.columns


MEAN = Pooling("avg")


def parse_pooling(text: str) -> Pooling:
    """`avg`, `max` or `grid:KxK`; raises UsageError."""
    if text in ("avg", "max"):
        return Pooling(text)
    found = _GRID.fullmatch(text)
    if found is None:
        raise UsageError("--pool", expected=f"{POOLINGS}, such as grid:2x2", got=repr(text))
    return Pooling("grid", int(found[1]), int(found[2]))


def require_poolable(pooling: Pooling, shape: tuple[int, ...], limit: int, *, output: str, where: object) -> None:
    """Raise UsageError unless a value of this shape is a map that makes a vector of at most `limit` numbers.

    Args:
        shape: of the value for a batch, as it was seen.
        output: name of the value.
    """
    named = f"--pool {pooling}"
    if len(shape) != 4:
        raise UsageError(
            named,
            expected=f"output {output!r} to be a map [N, channels, height, width]",
            got=str(list(shape)),
            where=where,
            mend="leave --pool out" if len(shape) == 2 else "name another value with --output",
        )
    _, num_channels, height, width = shape
    if pooling.rows > height or pooling.columns > width:
        most = f"grid:{min(pooling.rows, height)}x{min(pooling.columns, width)}"
        raise UsageError(
            named, expected=f"at most the map's own {height}x{width} cells", where=where, mend=f"try {most}"
        )
    require_within(pooling.length(num_channels), limit, named, where=where, mend=_what_fits(shape, limit))


def require_within(length: int, limit: int, what: str, *, where: object, mend: str) -> None:
    """Raise UsageError for vectors of more numbers than the limit."""
    if length > limit:
        raise UsageError(
            what, expected=f"vectors of at most {limit:,} numbers", got=f"{length:,}", where=where, mend=mend
        )


def pooled(model: onnx.ModelProto, pooling: Pooling, shape: tuple[int, ...], output: str) -> onnx.ModelProto:
    """A copy of a network whose output is its map, pooled.

    Args:
        model: one whose only output is the map.
        shape: [N, C, h, w] of the map.
        output: name of the map; the copy has a name of ours.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    graph = copy.graph
    names = {name: f"{OURS}pooling/{name}" for name in ("map", "axes", "down", "across", "rows", "pooled", "vector")}
    nodes = [helper.make_node("Cast", [output], [names["map"]], to=TensorProto.FLOAT)]
    if pooling.kind == "grid":
        constants = {"down": _matrix(shape[2], pooling.rows), "across": _matrix(shape[3], pooling.columns).T.copy()}
        nodes += [
            helper.make_node("MatMul", [names["down"], names["map"]], [names["rows"]]),
            helper.make_node("MatMul", [names["rows"], names["across"]], [names["pooled"]]),
        ]
    else:
        constants = {"axes": np.array([2, 3], np.int64)}
        reduce = "ReduceMax" if pooling.kind == "max" else "ReduceMean"
        nodes.append(helper.make_node(reduce, [names["map"], names["axes"]], [names["pooled"]], keepdims=1))
    nodes.append(helper.make_node("Flatten", [names["pooled"]], [names["vector"]], axis=1))
    for number, node in enumerate(nodes):
        node.name = f"{OURS}pooling/{node.op_type}_{number}"
    graph.node.extend(nodes)
    graph.initializer.extend(numpy_helper.from_array(array, names[name]) for name, array in constants.items())
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(names["vector"], TensorProto.FLOAT, None))
    return copy


def _bins(length: int, count: int) -> list[slice]:
    return [slice(number * length // count, -(-(number + 1) * length // count)) for number in range(count)]


def _matrix(length: int, count: int) -> npt.NDArray[np.float32]:
    """[count, length]: the weights of the cells in the mean of each bin."""
    weights = np.zeros((count, length), np.float32)
    for number, cells in enumerate(_bins(length, count)):
        weights[number, cells] = 1 / (cells.stop - cells.start)
    return weights


def _what_fits(shape: tuple[int, ...], limit: int) -> str:
    _, num_channels, height, width = shape
    side = min(math.isqrt(limit // num_channels), height, width)
    if side > 1:
        return f"grid:{side}x{side} gives {num_channels * side * side:,}"
    if side == 1:
        return f"avg gives {num_channels:,}"
    return f"name a layer of fewer channels than {num_channels:,}, or raise --limit"
