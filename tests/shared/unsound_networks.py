"""Artifacts whose network gives no finite vector of some pictures: NaN of a grey one, or vectors too long."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from artifact.model.file import append_manifest, content_hash
from artifact.model.parts import Content
from artifact.modes import BRANCH, FULL
from artifact.repository.publishing import publish
from export.adoption.adopt import adopt
from export.join import join_streams

SIDE, DIM = 8, 4
NOT_FINITE = "the network gave a vector that is not finite"


def unit_vectors_of_contrast(*, loud: float = 1.0) -> onnx.ModelProto:
    """[N, 3, 8, 8] -> [N, 4]: weights on what differs from a picture's mean, over its length: 0 / 0 where it is grey.

    Args:
        loud: what the vectors of pictures of noise, the only ones with such a contrast, are multiplied by.
    """
    weights = np.random.default_rng(0).standard_normal((192, DIM)).astype(np.float32)
    constants = {
        "weights": weights,
        "axes": np.array([1]),
        "limit": np.float32(11.0),
        "loud": np.float32(loud),
        "one": np.float32(1),
    }
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"], axis=1),
        helper.make_node("ReduceMean", ["flat", "axes"], ["mean"], keepdims=1),
        helper.make_node("Sub", ["flat", "mean"], ["contrast"]),
        helper.make_node("ReduceL2", ["contrast", "axes"], ["length"], keepdims=1),
        helper.make_node("Div", ["contrast", "length"], ["unit"]),
        helper.make_node("MatMul", ["unit", "weights"], ["quiet"]),
        helper.make_node("Greater", ["length", "limit"], ["is_noise"]),
        helper.make_node("Where", ["is_noise", "loud", "one"], ["factor"]),
        helper.make_node("Mul", ["quiet", "factor"], ["vector"]),
    ]
    graph = helper.make_graph(
        nodes,
        "contrast",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("vector", TensorProto.FLOAT, ["N", DIM])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def publish_unsound(
    root: Path, *, kind: str = "triplet", distance: str = "euclidean", loud: float = 1.0, **facts: object
) -> None:
    """Publish `unsound`, a branch, and `unsound_full` of the same network; `facts` go into the manifest of both."""
    file = root.with_name("unsound.onnx")
    file.write_bytes(unit_vectors_of_contrast(loud=loud).SerializeToString())
    adopted = adopt(file, mean=(0.5,) * 3, std=(0.5,) * 3, kind=kind, distance=distance)
    branch = onnx.load_from_string(adopted.model)
    graph = join_streams(branch, kind=kind, distance=distance, embedding_dim=DIM)
    for name, model, mode in (("unsound", branch, BRANCH), ("unsound_full", graph, FULL)):
        data = model.SerializeToString(deterministic=True)
        content = Content(sha256=content_hash(data), size=len(data))
        told = adopted.manifest.model_copy(update={"mode": mode, "name": name, "content": content} | facts)
        append_manifest(file, data, told)
        publish(file, root)


def grey(level: int = 128) -> np.ndarray:
    """uint8 [8, 8, 3] of one level: no contrast, so no vector."""
    return np.full((SIDE, SIDE, 3), level, np.uint8)


def soft(seed: int) -> np.ndarray:
    """uint8 [8, 8, 3] of little contrast."""
    return np.random.default_rng(seed).integers(100, 156, (SIDE, SIDE, 3)).astype(np.uint8)


def noise(seed: int) -> np.ndarray:
    """uint8 [8, 8, 3] of black and white: more contrast than any photograph."""
    return (np.random.default_rng(seed).integers(0, 2, (SIDE, SIDE, 3)) * 255).astype(np.uint8)


def expected_vector(picture: np.ndarray) -> np.ndarray:
    """float32 [4] of a soft picture, by NumPy."""
    flat = (picture.transpose(2, 0, 1).reshape(-1) / 255 - 0.5) / 0.5
    flat = flat - flat.mean()
    weights = np.random.default_rng(0).standard_normal((192, DIM)).astype(np.float32)
    return np.asarray(flat / np.linalg.norm(flat) @ weights, np.float32)
