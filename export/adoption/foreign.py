"""A foreign ONNX file, read with suspicion: one image in, and which of its values could be the vector.

Weights in files beside it are taken only from regular files in its own folder, and are read here and not by
onnxruntime, which would follow any path. Functions are inlined, so that every value has one name in one graph.
"""

from __future__ import annotations

import difflib
import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from artifact.errors import ArtifactError, UsageError
from artifact.model.file import MANIFEST_KEY
from artifact.model.graph import all_tensors, require_regular_file
from artifact.model.manifest import is_plain_name

if TYPE_CHECKING:
    import onnx

LAYOUTS = ("nchw", "nhwc")
MAX_BYTES = 2**31 - 1
_EXPORT_AGAIN = "export it again, as a float32 network of one image"


@dataclass(frozen=True)
class ForeignInput:
    """The image input of a foreign network.

    Attributes:
        name: its name in the graph.
        dtype: `float32` or `float16`.
        layout: `nchw` or `nhwc`.
        batch: the fixed batch size, or None where it is dynamic.
        height, width: in pixels, or None where they are dynamic.
    """

    name: str
    dtype: str
    layout: str
    batch: int | None
    height: int | None
    width: int | None

    def arrange(self, planes: np.ndarray) -> np.ndarray:
        """Float [N, H, W, 3] in the layout and type of this input."""
        ordered = planes.transpose(0, 3, 1, 2) if self.layout == "nchw" else planes
        return np.ascontiguousarray(ordered, dtype=self.dtype)


@dataclass(frozen=True)
class ForeignNetwork:
    """A foreign network: its graph with all weights inside, its image input, and what it was made of.

    `sha256` and `external` are the hashes of the file and of the files of weights beside it.
    """

    path: Path
    model: onnx.ModelProto
    image: ForeignInput
    opset: int
    producer: str
    sha256: str
    external: dict[str, str]


def read_foreign(path: Path, *, layout: str | None = None) -> ForeignNetwork:
    """Read a foreign ONNX network of one float image input.

    Args:
        layout: `nchw` or `nhwc`; None: seen from where the 3 channels stand.

    Raises:
        ArtifactError: not an ONNX file, an artifact already, weights outside its folder or NaN, or other inputs.
        UsageError: a layout that the graph contradicts, or that cannot be seen and was not given.
    """
    import onnx.inliner  # 0.1 s: only where a graph is read
    from google.protobuf.message import DecodeError

    if not path.is_file():
        raise ArtifactError("no such file", where=path)
    try:
        model = onnx.load_model(os.fspath(path), load_external_data=False)
    except DecodeError as error:
        raise ArtifactError("not an ONNX file, or cut off", got=str(error), where=path) from None
    if not model.graph.node:
        raise ArtifactError("not an ONNX network: there is no node in it", where=path)
    if any(entry.key == MANIFEST_KEY for entry in model.metadata_props):
        raise ArtifactError(
            "this is an artifact already", where=path, mend=f"`lookalike install {path.name}` publishes it"
        )
    external = _load_external(model, path)
    if model.ByteSize() > MAX_BYTES:
        raise ArtifactError("the network is too large", expected="at most 2 GB of weights", where=path)
    if model.functions:
        try:
            model = onnx.inliner.inline_local_functions(model)
        except Exception as error:  # the C++ inliner's exceptions share no base class
            raise ArtifactError("not a valid ONNX graph", got=first_line(error), where=path) from None
    _drop_weights_from_inputs(model)
    return ForeignNetwork(
        path=path,
        model=model,
        image=_image_input(model, layout, path),
        opset=next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0),
        producer=f"{model.producer_name} {model.producer_version}".strip(),
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        external=external,
    )


def find_output(foreign: ForeignNetwork, name: str | None) -> str:
    """The value to take as the vector: the only output, or the value or node that was named.

    Raises:
        UsageError: no such value, with the nearest names, or several outputs and none named.
    """
    graph = foreign.model.graph
    outputs = [value.name for value in graph.output]
    if name is None:
        if len(outputs) == 1:
            return str(outputs[0])
        raise UsageError(
            "the network has several outputs", got=_listed(outputs), where=foreign.path, mend="name one with --output"
        )
    values = {value: value for node in graph.node for value in node.output if value}
    values = {node.name: node.output[0] for node in graph.node if node.name} | values
    if name in values:
        return str(values[name])
    near = difflib.get_close_matches(name, values, n=5, cutoff=0.4)
    raise UsageError(
        f"no value {name!r} in the graph",
        expected=f"such as {_listed(near or outputs)}",
        where=foreign.path,
        mend="name another with --output",
    )


def classifier_input(model: onnx.ModelProto, output: str) -> str | None:
    """The value that goes into the last dense layer, where `output` is what such a layer gives (softmaxed or not)."""
    makers = {value: node for node in model.graph.node for value in node.output}
    weights = {tensor.name for tensor in model.graph.initializer}
    weights |= {node.output[0] for node in model.graph.node if node.op_type == "Constant"}
    node = makers.get(output)
    while node is not None and node.op_type in ("Softmax", "LogSoftmax", "Sigmoid", "Add", "Flatten", "Identity"):
        inner = [value for value in node.input if value not in weights]
        node = makers.get(inner[0]) if len(inner) == 1 else None
    if node is None or node.op_type not in ("Gemm", "MatMul") or node.input[0] not in makers:
        return None
    is_dense = node.input[1] in weights or makers[node.input[1]].op_type == "Transpose"
    return str(node.input[0]) if is_dense else None


def require_sound_weights(model: onnx.ModelProto, path: Path) -> None:
    """Raise ArtifactError if a weight is NaN, or a node still behaves as in training."""
    from onnx import numpy_helper

    for tensor in all_tensors(model):
        if tensor.data_type in (1, 10, 11, 16):  # float32, float16, float64, bfloat16
            try:
                values = numpy_helper.to_array(tensor).astype(np.float32, copy=False)
            except ValueError as error:
                raise ArtifactError(
                    f"weights {tensor.name!r} are damaged", got=first_line(error), where=path, mend="copy it again"
                ) from None
            if np.isnan(values).any():
                raise ArtifactError(
                    f"weights {tensor.name!r} hold NaN",
                    expected="numbers",
                    got=f"{int(np.isnan(values).sum())} NaN of {values.size}",
                    where=path,
                    mend="the training of this network failed; take an earlier checkpoint",
                )
    for node in model.graph.node:
        if any(attribute.name == "training_mode" and attribute.i for attribute in node.attribute):
            raise ArtifactError(
                f"{node.op_type} {node.name!r} is in training mode", where=path, mend="export the network in eval mode"
            )


def _load_external(model: onnx.ModelProto, path: Path) -> dict[str, str]:
    """Read the weights that lie beside the file into the graph; {file name: sha256}."""
    import onnx
    from onnx.external_data_helper import load_external_data_for_tensor

    hashes: dict[str, str] = {}
    for tensor in all_tensors(model):
        if tensor.data_location != onnx.TensorProto.EXTERNAL:
            continue
        location = next((entry.value for entry in tensor.external_data if entry.key == "location"), "")
        if not is_plain_name(location):
            raise ArtifactError(
                f"weights {tensor.name!r} lie outside the network's folder",
                expected="the name of a file beside it",
                got=repr(location),
                where=path,
                mend="do not use it, or save it again as one file",
            )
        require_regular_file(path.parent / location)
        if location not in hashes:
            hashes[location] = hashlib.sha256((path.parent / location).read_bytes()).hexdigest()
        try:
            load_external_data_for_tensor(tensor, os.fspath(path.parent))
            onnx.numpy_helper.to_array(tensor)
        except Exception as error:  # onnx raises ValueError, ValidationError, OSError, numpy's own
            raise ArtifactError(
                f"weights {tensor.name!r} cannot be read", got=first_line(error), where=path.parent / location
            ) from None
        tensor.data_location = onnx.TensorProto.DEFAULT
        tensor.ClearField("external_data")
    return hashes


def _drop_weights_from_inputs(model: onnx.ModelProto) -> None:
    """Old exporters list every weight among the inputs too, as a default that a caller may replace."""
    weights = {tensor.name for tensor in model.graph.initializer}
    weights |= {tensor.values.name for tensor in model.graph.sparse_initializer}
    kept = [value for value in model.graph.input if value.name not in weights]
    del model.graph.input[:]
    model.graph.input.extend(kept)


def _image_input(model: onnx.ModelProto, layout: str | None, path: Path) -> ForeignInput:
    import onnx

    inputs = list(model.graph.input)
    if len(inputs) != 1:
        got = f"{len(inputs)}: {_listed(value.name for value in inputs)}" if inputs else "none"
        raise ArtifactError("inputs of the network", expected="one, the image", got=got, where=path, mend=_EXPORT_AGAIN)
    value = inputs[0]
    kind = value.type.tensor_type
    types = {onnx.TensorProto.FLOAT: "float32", onnx.TensorProto.FLOAT16: "float16"}
    dims: list[Any] = [dim.dim_value or None for dim in kind.shape.dim]
    known = {number: word.lower() for word, number in onnx.TensorProto.DataType.items()}
    got = f"{known.get(kind.elem_type, 'an unknown type')} {_shape_text(kind.shape)}"
    if kind.elem_type not in types or len(dims) != 4:
        raise ArtifactError(
            f"input {value.name!r}",
            expected="float32 or float16 [N, 3, H, W] or [N, H, W, 3], normalised pixels",
            got=got,
            where=path,
            mend=_EXPORT_AGAIN,
        )
    seen = [each for each, axis in zip(LAYOUTS, (1, 3), strict=True) if dims[axis] == 3]
    possible = [each for each, axis in zip(LAYOUTS, (1, 3), strict=True) if dims[axis] in (3, None)]
    if not possible or (layout is not None and layout not in possible):
        raise ArtifactError(
            f"input {value.name!r} has no axis of 3 channels" + (f" where {layout} has it" if layout else ""),
            got=got,
            where=path,
            mend="only networks of RGB images can be adopted",
        )
    chosen = layout or (seen[0] if len(seen) == 1 else None)
    if chosen is None:
        raise UsageError(
            f"the layout of input {value.name!r} cannot be seen", got=got, where=path, mend="give --layout nchw or nhwc"
        )
    height, width = (dims[2], dims[3]) if chosen == "nchw" else (dims[1], dims[2])
    return ForeignInput(value.name, types[kind.elem_type], chosen, dims[0], height, width)


def _shape_text(shape: Any) -> str:
    return f"[{', '.join(str(dim.dim_value or dim.dim_param or '?') for dim in shape.dim)}]"


def _listed(names: Iterable[str], limit: int = 6) -> str:
    names = list(names)
    return ", ".join(repr(name) for name in names[:limit]) + (", ..." if len(names) > limit else "")


def first_line(error: BaseException) -> str:
    """The first line of an error from onnx or onnxruntime; the rest of it is for their developers."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
