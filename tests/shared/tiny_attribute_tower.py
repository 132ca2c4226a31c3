"""A real attribute artifact without torch: a linear tower drawn from a seed, alone or beside the tiny image network.

Its vectors can be computed by hand (`linear_rows`), and it shares the space of `write_tiny_artifact` of the same seed.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from artifact.attributes import CATEGORY, FLAG, NUMBER, Attribute, Attributes
from artifact.images.preprocessing import Preprocessing, load_pixels
from artifact.kinds import KINDS
from artifact.model.file import append_manifest, content_hash
from artifact.model.golden import (
    golden_attribute_rows,
    golden_images,
    make_golden,
    make_golden_rows,
    with_golden_rows,
)
from artifact.model.manifest import Manifest
from artifact.model.parts import Content
from artifact.repository.publishing import publish
from tests.shared.tiny_artifact import THRESHOLD, linear_vectors, weights

TINY_ATTRIBUTES = Attributes(
    (
        Attribute(name="color", type=CATEGORY, categories=("blue", "green", "red")),
        Attribute(name="striped", type=FLAG, missing=0.25),
        Attribute(name="size", type=NUMBER, mean=3.0, scale=2.0),
    )
)


def row_weights(seed: int, width: int, dim: int) -> np.ndarray:
    """float32 [A, dim]."""
    return np.random.default_rng(seed + 1).standard_normal((width, dim)).astype(np.float32)


def linear_rows(rows: np.ndarray, *, seed: int = 0, dim: int = 4) -> np.ndarray:
    """What the artifact gives for float32 [N, A]: float32 [N, dim]."""
    return np.asarray(rows @ row_weights(seed, rows.shape[1], dim), np.float32)


def write_attribute_artifact(
    path: Path,
    *,
    name: str = "tiny_attributes",
    mode: str = "attributes",
    attributes: Attributes = TINY_ATTRIBUTES,
    size: int = 8,
    dim: int = 4,
    seed: int = 0,
    **training: Any,
) -> Manifest:
    """Write an artifact of mode `attributes`, or `towers` with the tiny image network as its other tower."""
    model = _model(mode=mode, width=attributes.width, size=size, dim=dim, seed=seed)
    content = model.SerializeToString(deterministic=True)
    preprocessing = Preprocessing(height=size, width=size, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    rows = golden_attribute_rows(attributes)
    golden = make_golden_rows(rows, linear_rows(rows, seed=seed, dim=dim))
    if mode == "towers":
        images = golden_images()
        pixels = np.stack([load_pixels(image, preprocessing) for image in images])
        golden = make_golden(images, linear_vectors(pixels, seed=seed, dim=dim))
        golden = with_golden_rows(golden, rows, linear_rows(rows, seed=seed, dim=dim))
    manifest = Manifest(
        name=name,
        kind="triplet",
        mode=mode,
        streams=list(KINDS["triplet"].streams),
        embedding_dim=dim,
        distance="euclidean",
        normalized=False,
        margin=0.2,
        loss="triplet",
        preprocessing=preprocessing.to_dict() if mode == "towers" else {},
        threshold=THRESHOLD,
        base={"name": "linear", "source": "tests", "pretrained": False, "licence": None},
        training={"end_time": "2026-01-01T00:00:00Z", "seed": seed, **training},
        precision="fp32",
        opset=20,
        space=hashlib.sha256(f"{seed} {size} {dim}".encode()).hexdigest(),
        content=Content(sha256=content_hash(content), size=len(content)),
        golden=golden,
        attributes=attributes.to_dict(),
    )
    return append_manifest(path, content, manifest)


def publish_attributes(repository: Path, **options: Any) -> Manifest:
    """Publish a tiny attribute artifact, by default `tiny_attributes`; gives its manifest."""
    file = repository.with_name("attributes.onnx")
    manifest = write_attribute_artifact(file, **options)
    publish(file, repository)
    return manifest


def _model(*, mode: str, width: int, size: int, dim: int, seed: int) -> onnx.ModelProto:
    is_alone = mode == "attributes"
    constants: dict[str, Any] = {"row_weights": row_weights(seed, width, dim)}
    nodes = [helper.make_node("MatMul", ["attributes", "row_weights"], ["embedding" if is_alone else "of_rows"])]
    inputs = [helper.make_tensor_value_info("attributes", TensorProto.FLOAT, ["N", width])]
    outputs = [("embedding", dim)]
    if not is_alone:
        constants |= {"scale": np.float32(255), "flat": np.array([-1, size * size * 3], np.int64)}
        constants |= {"weights": weights(seed, size, dim), "last": np.array([-1], np.int64)}
        nodes += [
            helper.make_node("Identity", ["of_rows"], ["embedding_attributes"]),
            helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
            helper.make_node("Div", ["float", "scale"], ["scaled"]),
            helper.make_node("Reshape", ["scaled", "flat"], ["flattened"]),
            helper.make_node("MatMul", ["flattened", "weights"], ["embedding_image"]),
            helper.make_node("Sub", ["embedding_image", "embedding_attributes"], ["apart"]),
            helper.make_node("ReduceL2", ["apart", "last"], ["distance_image_attributes"], keepdims=1),
        ]
        inputs.insert(0, helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", size, size, 3]))
        outputs = [("embedding_image", dim), ("embedding_attributes", dim), ("distance_image_attributes", 1)]
    graph = helper.make_graph(
        nodes,
        "tiny",
        inputs,
        [helper.make_tensor_value_info(each, TensorProto.FLOAT, ["N", columns]) for each, columns in outputs],
        [numpy_helper.from_array(np.asarray(value), key) for key, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model)
    return model
