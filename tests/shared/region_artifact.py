"""A real region artifact without torch: means of 2x2 pixels are its map, and a drawn matrix makes vectors of colours.

`region_vectors` computes by plain loops what it must give.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from artifact.images.preprocessing import Preprocessing, load_pixels
from artifact.kinds import KINDS
from artifact.model.file import append_manifest, content_hash
from artifact.model.golden import golden_boxes, golden_images, make_golden
from artifact.model.manifest import Manifest
from artifact.model.parts import Content
from artifact.repository.publishing import publish
from export.graph_values import Nodes
from export.regions import USUAL, align_regions, pool_regions, put_into_rows
from tests.shared.plain_regions import plain_regions

NAME = "parts_regions"
HEIGHT, WIDTH, DIM = 16, 24, 5
SPEC = Preprocessing(height=HEIGHT, width=WIDTH, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))


def weights() -> np.ndarray:
    """float32 [3, DIM]."""
    return np.random.default_rng(7).standard_normal((3, DIM)).astype(np.float32)


def region_vectors(pixels: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """What the artifact gives for uint8 [N, height, width, 3] and shares [N, R, 4]: float32 [N, R, DIM]."""
    planes = pixels.astype(np.float32).transpose(0, 3, 1, 2) / 255
    maps = planes.reshape(len(pixels), 3, pixels.shape[1] // 2, 2, pixels.shape[2] // 2, 2).mean(axis=(3, 5))
    colours = plain_regions(maps, boxes, USUAL.sides, USUAL.samples).mean(axis=(3, 4))
    return (colours @ weights()).astype(np.float32)


def region_model(sides: tuple[int, int] = (HEIGHT, WIDTH)) -> onnx.ModelProto:
    """Its graph, for pictures of some height and width, even numbers."""
    nodes = Nodes("regions_")
    aligned = align_regions(nodes, "maps", "boxes", USUAL)
    colours = pool_regions(nodes, aligned.features, "avg")
    vectors = nodes.add("MatMul", colours, "weights").name
    put_into_rows(nodes, vectors, "boxes", aligned.is_box, embedding_dim=DIM, output="embedding")
    front = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["float", "scale"], ["scaled"]),
        helper.make_node("Transpose", ["scaled"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("AveragePool", ["planes"], ["maps"], kernel_shape=[2, 2], strides=[2, 2]),
    ]
    graph = helper.make_graph(
        [*front, *nodes.nodes],
        "parts",
        [
            helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", *sides, 3]),
            helper.make_tensor_value_info("boxes", TensorProto.FLOAT, ["N", "R", 4]),
        ],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["N", "R", DIM])],
        [
            numpy_helper.from_array(np.float32(255), "scale"),
            numpy_helper.from_array(weights(), "weights"),
            *nodes.constants,
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model)
    return model


def write_region_artifact(path: Path, *, name: str = NAME, sides: tuple[int, int] = (HEIGHT, WIDTH)) -> Manifest:
    """Write the artifact and give its manifest."""
    spec = replace(SPEC, height=sides[0], width=sides[1])
    model = region_model(sides).SerializeToString(deterministic=True)
    images = golden_images()
    boxes = golden_boxes(len(images))
    vectors = region_vectors(np.stack([load_pixels(image, spec) for image in images]), boxes)
    manifest = Manifest(
        name=name,
        kind="siamese",
        mode="regions",
        streams=list(KINDS["siamese"].streams),
        embedding_dim=DIM,
        distance="euclidean",
        normalized=False,
        margin=None,
        preprocessing=spec.to_dict(),
        threshold=None,
        base={"name": "colours", "source": "tests", "pretrained": False, "licence": None},
        training={"end_time": "2026-01-01T00:00:00Z"},
        precision="fp32",
        opset=20,
        space=hashlib.sha256(b"colours of parts").hexdigest(),
        content=Content(sha256=content_hash(model), size=len(model)),
        golden=make_golden(images, vectors, boxes),
    )
    return append_manifest(path, model, manifest)


def publish_regions(repository: Path, *, sides: tuple[int, int] = (HEIGHT, WIDTH)) -> Path:
    """Publish it as `parts_regions`; gives the repository."""
    file = repository.with_name("regions.onnx")
    write_region_artifact(file, sides=sides)
    publish(file, repository)
    return repository
