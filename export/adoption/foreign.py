"""A foreign ONNX file, read with suspicion: the part of it that makes a vector of one image, with its weights.

The part is cut out first (cut.py) and judged after: its inputs, its weights (weights.py), its axes. Functions are
inlined, so that every value has one name in one graph.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from artifact.errors import ArtifactError, UsageError
from artifact.listing import quoted
from artifact.model.file import MANIFEST_KEY
from export.adoption.cut import DEFAULT_DOMAINS, OUTPUT_OPTION, cut_to_output, pooled_values, values_of_the_image
from export.adoption.weights import load_weights

if TYPE_CHECKING:
    import onnx

LAYOUTS = ("nchw", "nhwc")
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
    """The part of a foreign network that makes a vector of an image, and what it was made of.

    Attributes:
        model: the part, its nodes as they came, with all weights inside.
        output: the value that is the vector.
        option: that names it, for messages.
        pooled: values that are pooled, of the whole network.
        sha256, external: hashes of the file, and of the files of weights beside it that the part needs.
    """

    path: Path
    model: onnx.ModelProto
    output: str
    option: str
    image: ForeignInput
    pooled: tuple[str, ...]
    opset: int
    producer: str
    sha256: str
    external: dict[str, str]


def read_foreign(
    path: Path,
    *,
    output: str | None = None,
    option: str = OUTPUT_OPTION,
    layout: str | None = None,
    others: Mapping[str, str] | None = None,
) -> ForeignNetwork:
    """Read what a foreign ONNX network does between one float image input and a value.

    Args:
        output: a value or a node; None: the only output.
        option: that names it, for messages.
        others: {option: value} of further values, which become outputs of the part behind it.
        layout: `nchw` or `nhwc`; None: seen from where the 3 channels stand.

    Raises:
        ArtifactError: not an ONNX file, an artifact already, weights outside its folder, or other inputs.
        UsageError: no such value, or several outputs; a layout that the graph contradicts, or that cannot be seen and
            was not given.
    """
    import onnx  # 0.1 s: only where a graph is read
    from google.protobuf.message import DecodeError

    if not path.is_file():
        raise ArtifactError("no such file", where=path)
    try:
        model = onnx.load_model(os.fspath(path), "protobuf", load_external_data=False)
    except DecodeError as error:
        raise ArtifactError("not an ONNX file, or cut off", got=str(error), where=path) from None
    if not model.graph.node:
        raise ArtifactError("not an ONNX network: there is no node in it", where=path)
    if any(entry.key == MANIFEST_KEY for entry in model.metadata_props):
        raise ArtifactError(
            "this is an artifact already", where=path, mend=f"`lookalike install {path.name}` publishes it"
        )
    on_image, pooled = values_of_the_image(model), pooled_values(model)
    model, value = cut_to_output(model, output, path, option=option, others=others)
    external = load_weights(model, path)
    return ForeignNetwork(
        path=path,
        model=model,
        output=value,
        option=option,
        image=_image_input(model, value, option, layout, path, [name for name in on_image if name != value]),
        pooled=tuple(dict.fromkeys([*pooled, *pooled_values(model)])),
        opset=next((entry.version for entry in model.opset_import if entry.domain in DEFAULT_DOMAINS), 0),
        producer=f"{model.producer_name} {model.producer_version}".strip(),
        sha256=_hash(path),
        external=external,
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


def _image_input(
    model: onnx.ModelProto, output: str, option: str, layout: str | None, path: Path, others: list[str]
) -> ForeignInput:
    """The one input of the part that `output` needs; `others` are values that need an image alone."""
    import onnx

    inputs = list(model.graph.input)
    mend = f"name a value that needs the image alone, such as {option} {others[0]}" if others else _EXPORT_AGAIN
    if not inputs:
        raise ArtifactError(f"value {output!r} does not depend on the image", where=path, mend=mend if others else None)
    if len(inputs) != 1:
        raise ArtifactError(
            f"inputs that {output!r} needs",
            expected="one, the image",
            got=f"{len(inputs)}: {quoted([value.name for value in inputs])}",
            where=path,
            mend=mend,
        )
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
            mend=mend,
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
    chosen = layout or (seen[0] if len(seen) == 1 else None) or (_told_layout(model, value) if not seen else None)
    if chosen is None:
        raise UsageError(
            f"the layout of input {value.name!r} cannot be seen", got=got, where=path, mend="give --layout nchw or nhwc"
        )
    height, width = (dims[2], dims[3]) if chosen == "nchw" else (dims[1], dims[2])
    return ForeignInput(value.name, types[kind.elem_type], chosen, dims[0], height, width)


def _shape_text(shape: Any) -> str:
    return f"[{', '.join(str(dim.dim_value or dim.dim_param or '?') for dim in shape.dim)}]"


def _told_layout(model: onnx.ModelProto, value: onnx.ValueInfoProto) -> str | None:
    """The layout of an input without sizes: by the name of its axis of channels, or the convolution that reads it."""
    names = [dim.dim_param.lower() for dim in value.type.tensor_type.shape.dim]
    told = [each for each, axis in zip(LAYOUTS, (1, 3), strict=True) if "channel" in names[axis]]
    if len(told) == 1:
        return told[0]
    kernels = {tensor.name: tensor.dims for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Conv" and node.input[0] == value.name:
            kernel = kernels.get(node.input[1], ())
            return "nchw" if len(kernel) == 4 and kernel[1] == 3 else None
    return None


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
