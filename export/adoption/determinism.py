"""Determinism of a foreign network: no node that behaves as in training, none that draws random numbers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from artifact.errors import ArtifactError
from export.adoption.cut import DEFAULT_DOMAINS, all_nodes

if TYPE_CHECKING:
    import onnx

_RANDOM = ("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli")
_TRAINING_MODE = 2
"""Which input of Dropout it is."""
_MEND = "export the network in eval mode"


def require_determined(model: onnx.ModelProto, path: Path) -> None:
    """Raise ArtifactError if a node behaves as in training or draws random numbers, in a subgraph too."""
    constants = dict(_constants(model))
    for node in all_nodes(model.graph.node):
        if node.op_type in _RANDOM and node.domain in DEFAULT_DOMAINS:
            raise ArtifactError(f"{node.op_type} {node.name!r} draws random numbers", where=path, mend=_MEND)
        switch = node.input[_TRAINING_MODE] if node.op_type == "Dropout" and len(node.input) > _TRAINING_MODE else ""
        is_on = any(attribute.name == "training_mode" and attribute.i for attribute in node.attribute)
        if is_on or (switch in constants and bool(constants[switch].any())):
            raise ArtifactError(f"{node.op_type} {node.name!r} is in training mode", where=path, mend=_MEND)


def _constants(model: onnx.ModelProto) -> Iterator[tuple[str, np.ndarray]]:
    """Flags that are in the file: initialisers, and what Constant nodes give."""
    from onnx import TensorProto, numpy_helper

    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.BOOL:
            yield tensor.name, numpy_helper.to_array(tensor)
    for node in model.graph.node:
        if node.op_type == "Constant":
            for attribute in node.attribute:
                if attribute.name == "value" and attribute.t.data_type == TensorProto.BOOL:
                    yield node.output[0], numpy_helper.to_array(attribute.t)
