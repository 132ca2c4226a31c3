"""The nodes that take regions out of feature maps, against plain loops."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from export.graph_values import Nodes
from export.region_reference import regions_of
from export.regions import USUAL, Alignment, align_regions, alignment_for, pool_regions, put_into_rows
from tests.shared.plain_regions import plain_regions

NAN = float("nan")
BOXES = np.array(
    [
        [[0, 0, 1, 1], [0.1, 0.2, 0.75, 0.6], [NAN, NAN, NAN, NAN], [0.31, 0.32, 0.36, 0.33]],
        [[-0.4, 0.5, 0.3, 1.7], [0.2, 0.2, NAN, 0.9], [0.6, 0.1, 0.4, 0.9], [1.1, 0.0, 1.4, 0.5]],
    ],
    np.float32,
)
"""Whole, inside, padding, within a cell; over the border, half missing, turned round, outside."""
NO_BOX = np.array([[0, 0, 1, 0], [0, 1, 1, 1]], bool)


def session_of(channels: int, pooling: str, alignment: Alignment) -> onnxruntime.InferenceSession:
    """Maps and boxes in, pooled vectors [N, R, C] out."""
    nodes = Nodes("regions_")
    aligned = align_regions(nodes, "maps", "boxes", alignment)
    vectors = pool_regions(nodes, aligned.features, pooling)
    put_into_rows(nodes, vectors, "boxes", aligned.is_box, embedding_dim=channels, output="embedding")
    graph = helper.make_graph(
        nodes.nodes,
        "regions",
        [
            helper.make_tensor_value_info("maps", TensorProto.FLOAT, ["N", channels, "h", "w"]),
            helper.make_tensor_value_info("boxes", TensorProto.FLOAT, ["N", "R", 4]),
        ],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["N", "R", channels])],
        nodes.constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def drawn_maps(num_images: int = 2, channels: int = 3, height: int = 6, width: int = 9) -> np.ndarray:
    """Maps of full noise, so that a sample in the wrong place shows."""
    return np.random.default_rng(0).normal(size=(num_images, channels, height, width)).astype(np.float32)


@pytest.mark.parametrize("pooling", ["avg", "max"])
@pytest.mark.parametrize(
    "alignment",
    [
        USUAL,
        Alignment(sides=(4, 3), samples=2),
        Alignment(sides=(6, 9), samples=1, inset=0.25),
        Alignment(sides=(1, 1), samples=5, inset=0.1),
    ],
)
def test_regions_equal_plain_bilinear_loops(alignment: Alignment, pooling: str) -> None:
    """Every box, on every border, has the mean or maximum of the samples that a plain loop takes one by one."""
    maps = drawn_maps()
    (got,) = session_of(3, pooling, alignment).run(None, {"maps": maps, "boxes": BOXES})
    features = plain_regions(maps, BOXES, alignment.sides, alignment.samples, alignment.inset)
    want = features.mean(axis=(3, 4)) if pooling == "avg" else features.max(axis=(3, 4))
    np.testing.assert_allclose(got, want, atol=2e-6)
    assert np.abs(want[~NO_BOX]).min() > 1e-4  # or the comparison would say nothing


def test_what_is_no_box_answers_zeros_and_leaves_its_neighbours() -> None:
    """NaN, turned round and outside give zeros to the bit; the others have what they have alone."""
    maps, session = drawn_maps(), session_of(3, "avg", USUAL)
    (got,) = session.run(None, {"maps": maps, "boxes": BOXES})
    assert not got[NO_BOX].any()
    assert np.isfinite(got).all()
    for image, row in zip(*np.nonzero(~NO_BOX), strict=True):
        feeds = {"maps": maps[image : image + 1], "boxes": BOXES[image : image + 1, row : row + 1]}
        np.testing.assert_allclose(session.run(None, feeds)[0][0, 0], got[image, row], rtol=1e-6)


@pytest.mark.parametrize("sides", [(6, 4), (7, 7), (14, 14)])
def test_a_box_of_the_whole_map_gives_what_pooling_the_map_gives(sides: tuple[int, int]) -> None:
    """Half-pixel samples fall on the centres of the cells of a small map, and of one of twice USUAL's sides."""
    maps = drawn_maps(height=sides[0], width=sides[1])
    whole = np.tile(np.array([0, 0, 1, 1], np.float32), (2, 1, 1))
    (got,) = session_of(3, "avg", alignment_for(sides, inset=0.25)).run(None, {"maps": maps, "boxes": whole})
    np.testing.assert_allclose(got[:, 0], maps.mean(axis=(2, 3)), atol=1e-6)


def test_regions_take_no_boxes_at_all() -> None:
    """R = 0 is an empty answer of the right shape."""
    (got,) = session_of(3, "avg", USUAL).run(None, {"maps": drawn_maps(), "boxes": np.zeros((2, 0, 4), np.float32)})
    assert got.shape == (2, 0, 3)


@pytest.mark.parametrize(
    "alignment", [USUAL, Alignment(sides=(4, 3), samples=1, inset=0.25), Alignment(sides=(1, 1), samples=3)]
)
def test_the_reference_equals_plain_loops(alignment: Alignment) -> None:
    """The two matrices of a box give what samples one by one give, on the borders too."""
    maps = drawn_maps()
    got, is_box = regions_of(maps, BOXES, alignment)
    want = plain_regions(maps, BOXES, alignment.sides, alignment.samples, alignment.inset)
    np.testing.assert_allclose(got.reshape(want.shape), want, atol=1e-6)
    np.testing.assert_array_equal(is_box, ~NO_BOX)


def test_an_inset_does_not_jump_at_the_border_of_the_picture() -> None:
    """A side that comes to the border is moved less and less."""
    maps, session = drawn_maps(1), session_of(3, "avg", Alignment(inset=0.25))
    sides = np.linspace(0.8, 1.0, 201)
    boxes = np.stack([np.full_like(sides, 0.3), np.full_like(sides, 0.2), sides, np.full_like(sides, 0.9)], axis=1)
    (got,) = session.run(None, {"maps": maps, "boxes": boxes[None].astype(np.float32)})
    steps = np.abs(np.diff(got[0], axis=0))
    assert steps.max() < 0.03
    assert steps[-20:].max() > 1e-4  # it does move
