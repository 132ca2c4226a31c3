"""A detector without torch: red cells of 8x8 px are objects, by NonMaxSuppression; plain loops say what it finds.

An object's score is how much more red than green its cell is, its vector the colour of the cell, its box the cell or,
where `spread` says so, larger than that, so that neighbours overlap and the less red of them is dropped.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.shared.foreign_networks import save

HEIGHT, WIDTH, CELL = 32, 48, 8
ROWS, COLUMNS = HEIGHT // CELL, WIDTH // CELL
LEAST, OVERLAP = 0.25, 0.2
OPTIONS: dict[str, Any] = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}


def spots(*colours_at: tuple[int, int, tuple[int, int, int]], seed: int = 0) -> np.ndarray:
    """uint8 [32, 48, 3]: a dim grey ground with cells (row, column) of these colours."""
    pixels = np.random.default_rng(seed).integers(90, 110, (HEIGHT, WIDTH, 1)).repeat(3, axis=2).astype(np.uint8)
    for row, column, colour in colours_at:
        pixels[row * CELL : (row + 1) * CELL, column * CELL : (column + 1) * CELL] = colour
    return pixels


def several(count: int, seed: int = 1) -> np.ndarray:
    """uint8 [count, 32, 48, 3]: up to five spots in each; none in the first."""
    random = np.random.default_rng(seed)
    pictures = [spots(seed=seed)]
    for number in range(1, count):
        places = random.permutation(ROWS * COLUMNS)[: 1 + number % 5].tolist()
        colours = [(int(random.integers(190, 256)), *random.integers(0, 80, 2).tolist()) for _ in places]
        marked = [(place // COLUMNS, place % COLUMNS, each) for place, each in zip(places, colours, strict=True)]
        pictures.append(spots(*marked, seed=seed + number))
    return np.stack(pictures)


def cell_boxes(spread: float = 0.0) -> np.ndarray:
    """float32 [cells, 4], x1, y1, x2, y2 in pixels."""
    rows, columns = np.meshgrid(np.arange(ROWS), np.arange(COLUMNS), indexing="ij")
    corner = np.stack([columns, rows], -1).reshape(-1, 2) * CELL
    return np.concatenate([corner - spread, corner + CELL + spread], 1).astype(np.float32)


def found_by_loops(pixels: np.ndarray, *, spread: float = 0.0) -> list[tuple[np.ndarray, float, np.ndarray]]:
    """(box in shares, score, colour) of each object of uint8 [32, 48, 3], the reddest first."""
    cells = []
    for number, box in enumerate(cell_boxes(spread).tolist()):
        row, column = divmod(number, COLUMNS)
        part = pixels[row * CELL : (row + 1) * CELL, column * CELL : (column + 1) * CELL].astype(np.float64) / 255
        colour = part.mean(axis=(0, 1))
        if colour[0] - colour[1] > LEAST:
            cells.append((np.array(box), float(colour[0] - colour[1]), colour))
    cells.sort(key=lambda each: -each[1])
    kept: list[tuple[np.ndarray, float, np.ndarray]] = []
    for box, score, colour in cells:
        if all(_overlap(box, other) <= OVERLAP for other, _, _ in kept):
            kept.append((box, score, colour))
    size = np.array([WIDTH, HEIGHT] * 2)
    return [(np.clip(box / size, 0, 1), score, colour) for box, score, colour in kept]


def _overlap(a: np.ndarray, b: np.ndarray) -> float:
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    inside = float(np.prod(np.maximum(sides, 0)))
    return inside / (float(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2])) - inside)


def spot_detector(
    *, unit: str = "px", box_format: str = "xyxy", spread: float = 0.0, features: str = "colours"
) -> onnx.ModelProto:
    """Values `boxes` [D, 4], `scores` [D], `colours` [D, 3] and `cells` [1, 3, 4, 6], a map; D is what is found.

    Args:
        features: another name for `colours`.
    """
    stored = cell_boxes(spread)
    constants = {
        "corners": stored[None],
        "shown": _formatted(stored, unit, box_format),
        "flat": np.array([1, 3, -1], np.int64),
        "row": np.array([1, 1, -1], np.int64),
        "any": np.array([-1], np.int64),
        "most": np.array([50], np.int64),
        "overlap": np.array([OVERLAP], np.float32),
        "least": np.array([LEAST], np.float32),
        **{f"i{number}": np.array([number], np.int64) for number in range(4)},
    }
    steps: list[tuple[str, list[str], str, dict[str, Any]]] = [
        ("AveragePool", ["image"], "cells", {"kernel_shape": [CELL, CELL], "strides": [CELL, CELL]}),
        ("Reshape", ["cells", "flat"], "by_cell", {}),
        ("Slice", ["by_cell", "i0", "i1", "i1"], "red", {}),
        ("Slice", ["by_cell", "i1", "i2", "i1"], "green", {}),
        ("Sub", ["red", "green"], "redness", {}),
        ("NonMaxSuppression", ["corners", "redness", "most", "overlap", "least"], "kept", {}),
        ("Slice", ["kept", "i2", "i3", "i1"], "last", {}),
        ("Reshape", ["last", "any"], "places", {}),
        ("Gather", ["shown", "places"], "boxes", {}),
        ("Reshape", ["redness", "any"], "all_scores", {}),
        ("Gather", ["all_scores", "places"], "scores", {}),
        ("Transpose", ["by_cell"], "turned", {"perm": [0, 2, 1]}),
        ("Squeeze", ["turned", "i0"], "all_colours", {}),
        ("Gather", ["all_colours", "places"], features, {}),
    ]
    outputs: dict[str, list[Any]] = {"boxes": ["D", 4], "scores": ["D"], features: ["D", 3]}
    outputs |= {"cells": [1, 3, ROWS, COLUMNS], "places": ["D"]}
    return _model(steps, constants, outputs, 1)


def batched_detector() -> onnx.ModelProto:
    """Values of any batch, for every cell: `boxes` [N, 24, 4] in shares, `scores` [N, 24, 1], `colours` [N, 24, 3]."""
    constants = {
        "shown": _formatted(cell_boxes(), "share", "xyxy")[None],
        "flat": np.array([0, 3, -1], np.int64),
        "zero": np.array(0, np.float32),
        **{f"i{number}": np.array([number], np.int64) for number in range(3)},
    }
    steps: list[tuple[str, list[str], str, dict[str, Any]]] = [
        ("AveragePool", ["image"], "cells", {"kernel_shape": [CELL, CELL], "strides": [CELL, CELL]}),
        ("Reshape", ["cells", "flat"], "by_cell", {}),
        ("Transpose", ["by_cell"], "colours", {"perm": [0, 2, 1]}),
        ("Slice", ["colours", "i0", "i1", "i2"], "red", {}),
        ("Slice", ["colours", "i1", "i2", "i2"], "green", {}),
        ("Sub", ["red", "green"], "scores", {}),
        ("Mul", ["scores", "zero"], "nothing", {}),
        ("Add", ["nothing", "shown"], "boxes", {}),
    ]
    outputs: dict[str, list[Any]] = {"boxes": ["N", 24, 4], "scores": ["N", 24, 1], "colours": ["N", 24, 3]}
    return _model(steps, constants, outputs, "N")


def write_examples(folder: Path, count: int = 4) -> Path:
    """Pictures with spots, as PNG files."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    for number, pixels in enumerate(several(count + 1)[1:]):
        Image.fromarray(pixels).save(folder / f"spots {number}.png")
    return folder


def write_spot_detector(path: Path, **options: Any) -> Path:
    """The detector as a file."""
    return save(spot_detector(**options), path)


def _formatted(boxes: np.ndarray, unit: str, box_format: str) -> np.ndarray:
    first, second = boxes[:, :2], boxes[:, 2:]
    if box_format == "xywh":
        second = second - first
    elif box_format == "cxcywh":
        first, second = (first + second) / 2, second - first
    shown = np.concatenate([first, second], axis=1)
    return (shown / np.array([WIDTH, HEIGHT] * 2) if unit == "share" else shown).astype(np.float32)


def _model(
    steps: list[tuple[str, list[str], str, dict[str, Any]]],
    constants: dict[str, np.ndarray],
    outputs: dict[str, list[Any]],
    batch: object,
) -> onnx.ModelProto:
    kinds = {"places": TensorProto.INT64}
    graph = helper.make_graph(
        [helper.make_node(operator, inputs, [output], **more) for operator, inputs, output, more in steps],
        "spots",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [batch, 3, HEIGHT, WIDTH])],
        [
            helper.make_tensor_value_info(name, kinds.get(name, TensorProto.FLOAT), shape)
            for name, shape in outputs.items()
        ],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model
