"""The check of a foreign ONNX file before onnxruntime sees it: its size, its operators, and where its weights lie.

Decisions a reader would question:
- Operators are those that onnxruntime, as installed, has itself, or that the file defines from such. Others would need
  a library. An EPContext node holds, or names, compiled code of an accelerator; it is refused with them.
- External data is a file in the version's folder, reached without a link, and long enough for the tensor.
- What a graph computes is not bounded: a loop may run for ever, a node may ask for more memory than there is. The sizes
  that can be read off the file are: its own, that of its external data, and of constants that a few bytes blow up.
"""

from __future__ import annotations

import functools
import hashlib
import math
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from artifact.errors import ArtifactError, RepositoryError, UnsupportedError
from artifact.model.graph import all_tensors
from serving.embedded.models.folders import inside

if TYPE_CHECKING:
    import onnx

_BLOCK = 1 << 20
_COMPILED = "EPContext"


def check_graph(path: Path, *, max_bytes: int) -> str:
    """Look at a foreign ONNX file; gives the SHA-256, in hex, of all its bytes, external data included.

    Args:
        max_bytes: of the file and its external data together, and of any one constant.

    Raises:
        ArtifactError: no ONNX file, too large, or damaged.
        RepositoryError: external data that lies elsewhere.
        UnsupportedError: operators that onnxruntime does not have itself.
    """
    import onnx  # 0.1 s: only where a graph is looked at
    from google.protobuf.message import DecodeError

    size = path.stat().st_size
    _require_size(size, max_bytes, path)
    try:
        model = onnx.load_model(os.fspath(path), load_external_data=False)
    except DecodeError as error:
        raise ArtifactError("not an ONNX file", got=str(error), where=path) from None
    if not model.HasField("graph"):
        raise ArtifactError("not an ONNX file", got="no graph", where=path)
    _require_operators(model, path)
    _require_constants(model, max_bytes, path)
    digest = hashlib.sha256()
    for file in [path, *_external_files(model, path, max_bytes - size)]:
        with file.open("rb") as opened:
            while block := opened.read(_BLOCK):
                digest.update(block)
    return digest.hexdigest()


@functools.cache
def domains() -> frozenset[str]:
    """The domains of the operators that onnxruntime has itself; "" is ONNX's own."""
    from onnxruntime.capi import onnxruntime_pybind11_state as core

    return frozenset({schema.domain for schema in core.get_all_operator_schema()} | {"", "ai.onnx"})


def _require_operators(model: onnx.ModelProto, path: Path) -> None:
    defined = {(function.domain, function.name) for function in model.functions}
    for node in _nodes(model):
        if node.op_type == _COMPILED:
            raise UnsupportedError("an EPContext node holds compiled code of an accelerator", where=path)
        if node.domain not in domains() and (node.domain, node.op_type) not in defined:
            raise UnsupportedError(
                f"operator {node.op_type!r} of domain {node.domain!r} needs a library",
                expected=f"operators of {', '.join(sorted(each or 'ai.onnx' for each in domains() - {'ai.onnx'}))}",
                where=path,
            )


def _nodes(model: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    """Every node of a model: of its graph, of subgraphs, of functions."""
    waiting: list[Any] = [*model.graph.node]
    for function in model.functions:
        waiting += function.node
    while waiting:
        node = waiting.pop()
        yield node
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                waiting += graph.node


def _require_constants(model: onnx.ModelProto, max_bytes: int, path: Path) -> None:
    """Refuse what a few bytes blow up while the graph is loaded: ConstantOfShape of a constant shape."""
    from onnx import numpy_helper

    known = {one.name: one for one in model.graph.initializer}
    for node in _nodes(model):
        if node.op_type == "Constant":
            known.update((node.output[0], each.t) for each in node.attribute if each.name == "value" and node.output)
    for node in _nodes(model):
        shape = known.get(node.input[0]) if node.op_type == "ConstantOfShape" and node.input else None
        if shape is None or shape.data_location == shape.EXTERNAL or math.prod(shape.dims) > 64:
            continue
        dims = [int(dim) for dim in numpy_helper.to_array(shape).ravel()]
        _require_size(math.prod(dims) if all(dim >= 0 for dim in dims) else 0, max_bytes, path)


def _external_files(model: onnx.ModelProto, path: Path, max_bytes: int) -> list[Path]:
    """The files of external data, each once, in the order of their names."""
    sizes: dict[str, int] = {}
    for tensor in all_tensors(model):
        if tensor.data_location != tensor.EXTERNAL:
            continue
        entries = {entry.key: entry.value for entry in tensor.external_data}
        name = entries.get("location", "")
        if name not in sizes:
            try:
                status = inside(path.parent, name).lstat()
            except RepositoryError as error:
                raise error.but(what=f"external data of tensor {tensor.name!r}: {error.what}") from None
            if not stat.S_ISREG(status.st_mode):
                raise RepositoryError("external data is not a regular file", where=path.parent / name)
            sizes[name] = status.st_size
            _require_size(sum(sizes.values()), max_bytes, path)
        end = sum(_count(entries, key, path) for key in ("offset", "length"))
        if end > sizes[name]:
            raise ArtifactError(
                f"external data {name!r} is shorter than a tensor's place in it",
                expected=f"at least {end} bytes",
                got=str(sizes[name]),
                where=path,
            )
    return [path.parent / name for name in sorted(sizes)]


def _count(entries: dict[str, str], key: str, path: Path) -> int:
    text = entries.get(key, "0")
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise ArtifactError(f"{key} of external data", expected="a whole number", got=repr(text[:40]), where=path)
    return int(text)


def _require_size(size: int, most: int, path: Path) -> None:
    if size > most:
        raise ArtifactError(
            "the model is too large",
            expected=f"at most {most} bytes",
            got=str(size),
            where=path,
            mend="the server's --max-model-mb allows more",
        )
