"""A real artifact without torch: a linear network drawn from a seed, in both modes, built node by node.

Its vectors can be computed by hand (`linear_vectors`), so tests of serving, scoring and publishing have an independent
reference and need no trained model.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from artifact.images.preprocessing import Preprocessing, load_pixels
from artifact.kinds import KINDS, distance_name, embedding_name
from artifact.model.file import append_manifest, content_hash
from artifact.model.golden import golden_images, make_golden
from artifact.model.manifest import Manifest
from artifact.model.parts import Content, Prefix
from artifact.modes import image_names
from artifact.repository.publishing import publish


def weights(seed: int, size: int, dim: int) -> np.ndarray:
    """float32 [size*size*3, dim]."""
    return (np.random.default_rng(seed).standard_normal((size * size * 3, dim)) / size).astype(np.float32)


def linear_vectors(pixels: np.ndarray, *, seed: int = 0, dim: int = 4, normalized: bool = False) -> np.ndarray:
    """What the artifact gives for uint8 [N, size, size, 3]: float32 [N, dim]."""
    flat = pixels.reshape(len(pixels), -1).astype(np.float32) / np.float32(255)
    vectors = flat @ weights(seed, pixels.shape[1], dim)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True) if normalized else vectors


def promised(dims: int, value: float | None = None) -> dict[str, Any]:
    """An entry of the manifest's prefixes, as a run writes it; `value` is its threshold."""
    shares = {"recall@1": dims / 100, "mAP@R": dims / 200}
    rests_on = {"recall@1": {"queries": 40, "is_enough": True, "text": "40 queries"}}
    if value is None:
        none = {"threshold": None, "why_no_threshold": "nothing was held out"}
        return {"dims": dims, "metrics": shares, "rests_on": rests_on, **none}
    return {"dims": dims, "metrics": shares, "rests_on": rests_on, "threshold": {**THRESHOLD, "value": value}}


THRESHOLD = {
    "value": 1.0,
    "rule": "same iff distance <= value",
    "far": 0.01,
    "frr": 0.1,
    "eer": 0.05,
    "pairs": 100,
    "protocol": "drawn by hand",
}


def write_tiny_artifact(
    path: Path,
    *,
    name: str = "tiny",
    kind: str = "triplet",
    mode: str = "branch",
    size: int = 8,
    dim: int = 4,
    seed: int = 0,
    fit: str = "stretch",
    normalized: bool = False,
    prefixes: Sequence[dict[str, Any]] = (),
    precision: str = "fp32",
    slowed: bool = False,
    attributes: Sequence[dict[str, Any]] = (),
    **training: Any,
) -> Manifest:
    """Write an artifact of euclidean distance; the space depends on the seed and the sizes only.

    Args:
        slowed: a branch whose runs last long where no pixel is dark (`slow_down`).
        attributes: of the run's other tower, as the manifest has them.
    """
    preprocessing = Preprocessing(height=size, width=size, fit=fit, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    network = tiny_model(kind=kind, mode=mode, size=size, dim=dim, seed=seed, normalized=normalized)
    if slowed:
        slow_down(network)
    model = network.SerializeToString(deterministic=True)
    images = golden_images()
    pixels = np.stack([load_pixels(image, preprocessing) for image in images])
    manifest = Manifest(
        name=name,
        kind=kind,
        mode=mode,
        streams=list(KINDS[kind].streams),
        embedding_dim=dim,
        distance="euclidean",
        normalized=normalized,
        margin=0.2,
        loss="triplet",
        preprocessing=preprocessing.to_dict(),
        threshold=THRESHOLD,
        base={"name": "linear", "source": "tests", "pretrained": False, "licence": None},
        training={"end_time": "2026-01-01T00:00:00Z", "seed": seed, **training},
        precision=precision,
        opset=20,
        space=hashlib.sha256(f"{seed} {size} {dim}".encode()).hexdigest(),
        content=Content(sha256=content_hash(model), size=len(model)),
        golden=make_golden(images, linear_vectors(pixels, seed=seed, dim=dim, normalized=normalized)),
        prefixes=[Prefix(**each) for each in prefixes],
        attributes=list(attributes),
    )
    return append_manifest(path, model, manifest)


def tiny_model(*, kind: str, mode: str, size: int, dim: int, seed: int, normalized: bool = False) -> onnx.ModelProto:
    """uint8 streams -> concat -> flatten -> matmul -> one vector per stream and the distances of the kind's pairs."""
    names = image_names(kind, mode)
    constants = {
        "scale": np.float32(255),
        "flat": np.array([-1, size * size * 3], np.int64),
        "weights": weights(seed, size, dim),
        "by_stream": np.array([len(names), -1, dim], np.int64),
        "last": np.array([-1], np.int64),
    }
    constants |= {f"index_{i}": np.int64(i) for i in range(len(names))}
    nodes = [
        helper.make_node("Concat", list(names), ["pixels"], axis=0),
        helper.make_node("Cast", ["pixels"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["float", "scale"], ["scaled"]),
        helper.make_node("Reshape", ["scaled", "flat"], ["rows"]),
    ]
    outputs = []
    vectors = "embedding" if mode == "branch" else "all"
    if normalized:
        nodes.append(helper.make_node("MatMul", ["rows", "weights"], ["long"]))
        nodes.append(helper.make_node("LpNormalization", ["long"], [vectors], axis=-1, p=2))
    else:
        nodes.append(helper.make_node("MatMul", ["rows", "weights"], [vectors]))
    if mode == "branch":
        outputs.append(("embedding", dim))
    else:
        nodes.append(helper.make_node("Reshape", ["all", "by_stream"], ["stacked"]))
        for i, stream in enumerate(names):
            nodes.append(helper.make_node("Gather", ["stacked", f"index_{i}"], [embedding_name(stream)], axis=0))
            outputs.append((embedding_name(stream), dim))
        for pair in KINDS[kind].pairs:
            out = distance_name(pair)
            nodes.append(helper.make_node("Sub", [embedding_name(s) for s in pair], [out + "_difference"]))
            nodes.append(helper.make_node("ReduceL2", [out + "_difference", "last"], [out], keepdims=1))
            outputs.append((out, 1))
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(name, TensorProto.UINT8, ["N", size, size, 3]) for name in names],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", width]) for name, width in outputs],
        [numpy_helper.from_array(np.asarray(value), key) for key, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model)
    return model


def slow_down(model: onnx.ModelProto) -> None:
    """Have every run multiply a square matrix of 9 times the darkest pixel's rows: no time for 0, much for 255.

    Its vectors stay as they are.
    """
    graph = model.graph
    graph.node[-1].output[0] = "quick"
    graph.initializer.extend(
        numpy_helper.from_array(np.asarray(value), key)
        for key, value in {
            "nine": np.array([9], np.int64),
            "one": np.array([1], np.int64),
            "never": np.float32(0),
            "tiny": np.float32(1e-6),
        }.items()
    )
    graph.node.extend(
        [
            helper.make_node("ReduceMin", ["float"], ["darkest"], keepdims=0),
            helper.make_node("Cast", ["darkest"], ["whole"], to=TensorProto.INT64),
            helper.make_node("Mul", ["whole", "nine"], ["many"]),
            helper.make_node("Add", ["many", "one"], ["side"]),
            helper.make_node("Concat", ["side", "side"], ["square"], axis=0),
            helper.make_node("Mul", ["darkest", "tiny"], ["small"]),
            helper.make_node("Expand", ["small", "square"], ["matrix"]),
            helper.make_node("MatMul", ["matrix", "matrix"], ["product"]),
            helper.make_node("ReduceMax", ["product"], ["largest"], keepdims=0),
            helper.make_node("Mul", ["largest", "never"], ["nothing"]),
            helper.make_node("Add", ["quick", "nothing"], ["embedding"]),
        ]
    )
    onnx.checker.check_model(model)


def publish_tiny(repository: Path, **options: Any) -> Any:
    """Publish a tiny artifact, by default `tiny`, a branch of triplet kind; gives its manifest."""
    file = repository.with_name("artifact.onnx")
    manifest = write_tiny_artifact(file, **options)
    publish(file, repository)
    return manifest
