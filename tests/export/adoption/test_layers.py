"""Layers of ONNX files: every value that the image has a say in, with its shape for one image."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from artifact.errors import ArtifactError, UsageError
from export.adoption.layers import graph_layers
from tests.shared.region_artifact import DIM, write_region_artifact


def _write(path: Path, *, side: int | str = "S", batch: int | str = "N", nodes: Any = None, extra: Any = ()) -> Path:
    """A convolution, what `nodes` say, and a mean over positions; the constant chain is no layer."""
    weight = np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype(np.float32)
    made = [
        helper.make_node("Constant", [], ["three"], value_int=3),
        helper.make_node("Cast", ["three"], ["scale"], to=TensorProto.FLOAT),
        helper.make_node("Conv", ["image", "w"], ["maps"], pads=[1, 1, 1, 1]),
        *(nodes or [helper.make_node("Mul", ["maps", "scale"], ["scaled"])]),
        helper.make_node("GlobalAveragePool", ["scaled"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["vector"]),
    ]
    graph = helper.make_graph(
        made,
        "g",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [batch, 3, side, side])],
        [helper.make_tensor_value_info("vector", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(weight, "w"), *extra],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    path.write_bytes(model.SerializeToString())
    return path


def test_values_are_listed_with_shapes_of_one_image(tmp_path: Path) -> None:
    """At the size that is asked for; constants are none of them."""
    found = graph_layers(_write(tmp_path / "n.onnx"), size=8)
    assert (found.height, found.width, found.num_parameters) == (8, 8, 108)
    assert [(each.number, each.name, each.kind, each.shape, each.num_parameters) for each in found.layers] == [
        (1, "maps", "Conv", (1, 4, 8, 8), 108),
        (2, "scaled", "Mul", (1, 4, 8, 8), 0),
        (3, "pooled", "GlobalAveragePool", (1, 4, 1, 1), 0),
        (4, "vector", "Flatten", (1, 4), 0),
    ]


def test_shape_that_depends_on_the_size_stays_open_without_one(tmp_path: Path) -> None:
    """And what does not is told."""
    found = graph_layers(_write(tmp_path / "n.onnx"))
    assert (found.height, [each.shape for each in found.layers]) == (None, [None, None, (1, 4, 1, 1), (1, 4)])


def test_other_inputs_are_taken_as_one_of_each(tmp_path: Path) -> None:
    """What comes of a picture and a box has the shape for one box."""
    write_region_artifact(tmp_path / "regions.onnx")
    found = graph_layers(tmp_path / "regions.onnx")
    shapes = {each.name: each.shape for each in found.layers}
    assert None not in shapes.values()
    assert shapes["embedding"] == (1, 1, DIM)


def test_shapes_that_inference_cannot_tell_come_of_one_run(tmp_path: Path) -> None:
    """How many values are above 0 is known to nobody before."""
    nodes = [
        helper.make_node("NonZero", ["maps"], ["where"]),
        helper.make_node("ReduceMean", ["maps"], ["scaled"], keepdims=1, noop_with_empty_axes=1),
    ]
    found = graph_layers(_write(tmp_path / "n.onnx", side=6, nodes=nodes))
    assert {each.name: each.shape for each in found.layers}["where"] == (4, 0)


def test_fixed_size_is_kept(tmp_path: Path) -> None:
    """Another one is refused in one line; a fixed batch is no obstacle."""
    path = _write(tmp_path / "n.onnx", side=6)
    assert graph_layers(path, size=6).height == 6
    with pytest.raises(UsageError, match=r"^size: expected 6 x 6 px, which the graph fixes, got 8 \("):
        graph_layers(path, size=8)


def test_what_is_no_network_is_one_line(tmp_path: Path) -> None:
    """No file, text, a file that is cut short, a graph without nodes."""
    path = _write(tmp_path / "n.onnx")
    path.write_bytes(path.read_bytes()[:-40])
    (tmp_path / "text.onnx").write_text("layers")
    empty = helper.make_model(helper.make_graph([], "g", [], []))
    onnx.save(empty, tmp_path / "empty.onnx")
    for name, message in {
        "n.onnx": "not an ONNX file, or cut off",
        "text.onnx": "not an ONNX file, or cut off",
        "empty.onnx": "not an ONNX network: there is no node in it",
        "none.onnx": "no such file",
    }.items():
        with pytest.raises(ArtifactError, match=f"^{message}"):
            graph_layers(tmp_path / name)
