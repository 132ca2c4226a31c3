"""Layers of an ONNX graph: every value that depends on the image, with the shape it has for one, and what makes it.

Decisions a reader would question:
- A graph has no modules, so its layers are its values: their names are what `adopt --output` takes. Artifacts and
  foreign networks are read the same way, without torch.
- Shapes are inferred for one image. What inference leaves open (subgraphs, shapes that are computed) is taken from one
  run of a black image, where onnxruntime takes the graph; else it stays open.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from artifact.errors import ArtifactError, UsageError
from export.adoption.cut import drop_weights_from_inputs
from export.adoption.reasons import first_line
from export.folding import read_by

if TYPE_CHECKING:
    import onnx

Shape = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class GraphLayer:
    """One value of a graph.

    Attributes:
        number: from 1, in the order of the graph.
        name: of the value.
        kind: type of the node that makes it.
        shape: for one image; None where it cannot be told.
        num_parameters: weights that the node reads.
    """

    number: int
    name: str
    kind: str
    shape: Shape | None
    num_parameters: int


@dataclass(frozen=True, kw_only=True)
class GraphLayers:
    """The layers of a file.

    Attributes:
        height, width: of the image that shapes are for, in pixels; None where the input is no image.
        num_parameters: all weights, each counted once.
    """

    layers: list[GraphLayer]
    height: int | None
    width: int | None
    num_parameters: int


def graph_layers(path: Path, *, size: int | None = None) -> GraphLayers:
    """Read the layers of an ONNX file, an artifact or any network.

    Args:
        size: side of the image in pixels where the graph takes any.

    Raises:
        ArtifactError: no ONNX file.
        UsageError: a size that the graph does not take.
    """
    model = _read(path)
    sides = _fix_inputs(model, size, path)
    found = _with_run(model, path, _inferred(model))
    weights = {tensor.name: math.prod(tensor.dims) for tensor in model.graph.initializer if _is_weight(tensor)}
    layers = [
        GraphLayer(
            number=number,
            name=node.output[0],
            kind=node.op_type,
            shape=found.get(node.output[0]),
            num_parameters=sum(weights.get(name, 0) for name in dict.fromkeys(node.input)),
        )
        for number, node in enumerate(_nodes_of_the_image(model), 1)
    ]
    height, width = sides if sides is not None else (None, None)
    return GraphLayers(layers=layers, height=height, width=width, num_parameters=sum(weights.values()))


def _read(path: Path) -> onnx.ModelProto:
    import onnx
    import onnx.inliner
    from google.protobuf.message import DecodeError

    if not path.is_file():
        raise ArtifactError("no such file", where=path)
    try:
        model = onnx.load_model(os.fspath(path), "protobuf", load_external_data=False)
        if model.functions:
            model = onnx.inliner.inline_local_functions(model)
    except (DecodeError, OSError) as error:
        raise ArtifactError("not an ONNX file, or cut off", got=first_line(error), where=path) from None
    except Exception as error:  # the C++ inliner's exceptions share no base class
        raise ArtifactError("not a valid ONNX graph", got=first_line(error), where=path) from None
    if not model.graph.node:
        raise ArtifactError("not an ONNX network: there is no node in it", where=path)
    drop_weights_from_inputs(model)
    return model


def _fix_inputs(model: onnx.ModelProto, size: int | None, path: Path) -> tuple[int, int] | None:
    """Set every input to one image of that size, and one of all else, in place; the image's height and width if any."""
    sides: tuple[int, int] | None = None
    for value in model.graph.input:
        dims = value.type.tensor_type.shape.dim
        if dims and not dims[0].dim_value > 1:
            dims[0].dim_value = 1
        if len(dims) != 4:
            for dim in dims[1:]:  # boxes of one picture, say
                if not dim.dim_value:
                    dim.dim_value = 1
            continue
        first = 1 if dims[3].dim_value in (1, 3, 4) else 2  # channels stand last, or first
        for dim in dims[first : first + 2]:
            if dim.dim_value and size not in (None, dim.dim_value):
                expected = f"{dims[first].dim_value} x {dims[first + 1].dim_value} px, which the graph fixes"
                raise UsageError("size", expected=expected, got=str(size), where=path, mend="leave --size away")
            if not dim.dim_value and size is not None:
                dim.dim_value = size
        if dims[first].dim_value and dims[first + 1].dim_value:
            sides = dims[first].dim_value, dims[first + 1].dim_value
    return sides


def _inferred(model: onnx.ModelProto) -> dict[str, Shape]:
    import onnx

    try:
        model = onnx.shape_inference.infer_shapes(_stripped(model), data_prop=True)
    except Exception:  # the C++ code's exceptions share no base class
        return {}
    found = {}
    for value in (*model.graph.value_info, *model.graph.output):
        if value.type.HasField("tensor_type") and value.type.tensor_type.HasField("shape"):
            dims = value.type.tensor_type.shape.dim
            if all(dim.HasField("dim_value") for dim in dims):
                found[value.name] = tuple(dim.dim_value for dim in dims)
    return found


def _stripped(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy whose shapes are to be inferred anew: those in the file may be of any batch."""
    import onnx

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.value_info[:]
    for value in copy.graph.output:
        value.type.tensor_type.ClearField("shape")
    return copy


def _with_run(model: onnx.ModelProto, path: Path, found: dict[str, Shape]) -> Mapping[str, Shape]:
    """The shapes, those that are missing by one run of black images."""
    missing = [node.output[0] for node in _nodes_of_the_image(model) if node.output[0] not in found]
    feeds = _black(model)
    if not missing or feeds is None:
        return found
    import onnx
    import onnxruntime

    copy = _stripped(model)
    outputs = {value.name for value in copy.graph.output}
    copy.graph.output.extend(onnx.ValueInfoProto(name=name) for name in missing if name not in outputs)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", os.fspath(path.parent))
    try:
        session = onnxruntime.InferenceSession(copy.SerializeToString(), options, providers=["CPUExecutionProvider"])
        values = session.run(missing, feeds)
    except Exception:  # onnxruntime's exceptions share no public base class
        return found
    return found | {name: tuple(np.shape(value)) for name, value in zip(missing, values, strict=True)}


def _black(model: onnx.ModelProto) -> dict[str, Any] | None:
    """Zeros for every input; None where one has no shape."""
    from onnx import helper

    feeds = {}
    for value in model.graph.input:
        kind = value.type.tensor_type
        dims = [dim.dim_value for dim in kind.shape.dim]
        if not all(dims):
            return None
        feeds[value.name] = np.zeros(dims, helper.tensor_dtype_to_np_dtype(kind.elem_type))
    return feeds


def _nodes_of_the_image(model: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    """Nodes that an input has a say in; the rest makes constants."""
    varying = {value.name for value in model.graph.input}
    for node in model.graph.node:
        if not varying.isdisjoint(read_by(node)):
            varying.update(node.output)
            if node.output and node.output[0]:
                yield node


def _is_weight(tensor: onnx.TensorProto) -> bool:
    """Whole numbers of 64 bits are shapes, axes and indices."""
    return tensor.data_type != 7
