"""An artifact that gives the first pixel of an image: the least that the server can be asked to run."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from artifact.images.preprocessing import Preprocessing, load_pixels
from artifact.kinds import KINDS
from artifact.model.file import append_manifest, content_hash
from artifact.model.golden import golden_images, make_golden
from artifact.model.manifest import Manifest
from artifact.model.parts import Content
from artifact.repository.publishing import publish
from benchmarks.fronts.constant_model import DIM, SIZES, model_name
from tests.shared.tiny_artifact import THRESHOLD


def publish_identities(home: Path) -> Path:
    """A repository of one artifact a size, under the names of the constant model's."""
    for size in SIZES:
        _publish(home, model_name(size), SIZES[size])
    return home / "models"


def _publish(home: Path, name: str, side: int) -> None:
    spec = Preprocessing(height=side, width=side, fit="stretch", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    model = _first_pixel(side).SerializeToString(deterministic=True)
    images = golden_images()
    pixels = np.stack([load_pixels(image, spec) for image in images])
    manifest = Manifest(
        name=name,
        kind="triplet",
        mode="branch",
        streams=list(KINDS["triplet"].streams),
        embedding_dim=DIM,
        distance="euclidean",
        normalized=False,
        margin=0.2,
        loss="triplet",
        preprocessing=spec.to_dict(),
        threshold=THRESHOLD,
        base={"name": "first pixel", "source": "benchmarks", "pretrained": False, "licence": None},
        training={"end_time": "2026-01-01T00:00:00Z", "seed": 0},
        precision="fp32",
        opset=20,
        space=hashlib.sha256(name.encode()).hexdigest(),
        content=Content(sha256=content_hash(model), size=len(model)),
        golden=make_golden(images, pixels[:, 0, 0].astype(np.float32)),
    )
    file = home / f"{name}.onnx"
    append_manifest(file, model, manifest)
    publish(file, home / "models")


def _first_pixel(side: int) -> onnx.ModelProto:
    constants = {"start": [0, 0], "end": [1, 1], "axes": [1, 2], "flat": [-1, DIM]}
    graph = helper.make_graph(
        [
            helper.make_node("Slice", ["image", "start", "end", "axes"], ["pixel"]),
            helper.make_node("Cast", ["pixel"], ["floats"], to=TensorProto.FLOAT),
            helper.make_node("Reshape", ["floats", "flat"], ["embedding"]),
        ],
        "first_pixel",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", side, side, 3])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["N", DIM])],
        [numpy_helper.from_array(np.array(value, np.int64), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
