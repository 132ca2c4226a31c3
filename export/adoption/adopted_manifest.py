"""The manifest of an adopted network: where it comes from, what its graph is, and how near its vectors have to be."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from artifact.arrays import Vectors
from artifact.kinds import KINDS
from artifact.model.file import content_hash
from artifact.model.int8_scheme import LARGEST_WEIGHT_KEY, largest_int8_weight
from artifact.model.manifest import Manifest, canonical_json
from artifact.model.parts import Content, Golden
from artifact.modes import BRANCH
from export.adoption.cut import DEFAULT_DOMAINS
from export.adoption.original import Original

if TYPE_CHECKING:
    import onnx

TOLERANCES = {"fp32": 1e-4, "fp16": 1e-2, "int8": 5e-2}
"""Relative to the largest |value|, by precision: a rounding in front of a quantised layer moves a whole step."""
_UNIT = 1e-3


def manifest_of(
    original: Original,
    model: onnx.ModelProto,
    data: bytes,
    *,
    name: str,
    kind: str,
    distance: str,
    licence: str | None,
    batching: str,
    golden: Golden,
    vectors: Vectors,
    mode: str = BRANCH,
    detections: int | None = None,
    more: Mapping[str, Any] | None = None,
) -> Manifest:
    """The manifest of an adopted network.

    Args:
        original: the network, for where it comes from; its space is that of its file, cut and preprocessing.
        model: its graph in the opset of the artifact, before anything was put around it: its precision, opset and
            largest int8 weight.
        data: the artifact's graph.
        golden: with the tolerance of float32, which becomes that of the precision.
        vectors: float32 [N, n], some of the network's: they show whether it normalises.
        detections: of a picture, where the network gives them.
        more: facts besides, which decide vectors.
    """
    foreign, path = original.foreign, original.foreign.path
    facts = {
        "sha256": foreign.sha256,
        "external": foreign.external,
        "output": foreign.output,
        "layout": foreign.image.layout,
        "channels": "BGR" if original.bgr else "RGB",
    }
    if original.pooling is not None:
        facts["pooling"] = str(original.pooling)
    facts |= more or {}
    preprocessing = original.preprocessing.to_dict()
    norms = np.linalg.norm(vectors.astype(np.float64), axis=1)
    precision = precision_of(model)
    tolerance = TOLERANCES[precision]
    if tolerance > golden.tolerance:
        golden = golden.model_copy(update={"tolerance": tolerance})
    return Manifest(
        name=name,
        kind=kind,
        mode=mode,
        streams=list(KINDS[kind].streams),
        embedding_dim=vectors.shape[1],
        distance=distance,
        normalized=bool(np.abs(norms - 1).max() <= _UNIT),
        margin=None,
        preprocessing=preprocessing,
        threshold=None,
        base={
            "name": path.stem,
            "source": "adopted",
            "weights": f"file {path.name}",
            "pretrained": None,
            "licence": licence,
        },
        training={"adopted_from": path.name, "producer": foreign.producer, "opset": foreign.opset, "batching": batching}
        | facts,
        precision=precision,
        quantization={LARGEST_WEIGHT_KEY: largest_int8_weight(model)} if precision == "int8" else None,
        opset=next(entry.version for entry in model.opset_import if entry.domain in DEFAULT_DOMAINS),
        space=hashlib.sha256(canonical_json({"adopted": facts, "preprocessing": preprocessing})).hexdigest(),
        content=Content(sha256=content_hash(data), size=len(data)),
        golden=golden,
        detections=detections,
    )


def precision_of(model: onnx.ModelProto) -> str:
    """`int8` if anything is quantised, `fp16` if most weights are, else `fp32`."""
    from onnx import TensorProto

    if any(node.op_type.startswith(("QuantizeLinear", "QLinear", "DynamicQuantize")) for node in model.graph.node):
        return "int8"
    sizes = {TensorProto.FLOAT: 0, TensorProto.FLOAT16: 0}
    for tensor in model.graph.initializer:
        if tensor.data_type in sizes:
            sizes[tensor.data_type] += int(np.prod(tensor.dims))
    return "fp16" if sizes[TensorProto.FLOAT16] > sizes[TensorProto.FLOAT] else "fp32"
