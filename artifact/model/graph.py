"""The check of a graph's structure before onnxruntime sees the file: that it is ONNX and keeps to its own folder.

A graph may keep weights in files beside it and names them by path. A hostile one names `/etc/passwd`, `../../key` or a
symbolic link (CVE-2022-25882, CVE-2024-27318), so a path is taken only if it is the plain name of a regular file in the
artifact's own folder, and the manifest vouches for the bytes of it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from artifact.errors import ArtifactError
from artifact.model.manifest import Manifest
from artifact.model.parts import is_plain_name

if TYPE_CHECKING:
    import onnx

_MEND = "do not use it: export it again from its run, or ask whoever made it"


def verify_structure(path: Path, manifest: Manifest) -> None:
    """Raise ArtifactError unless the graph is valid ONNX, of the manifest's opset, with its weights in its own folder.

    Weights are parsed, external ones are not read: `verify_content` has hashed them.
    """
    import onnx  # 0.1 s: only where a graph is looked at
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load_model(os.fspath(path), "protobuf", load_external_data=False)
    except DecodeError as error:
        raise ArtifactError("not an ONNX file", got=str(error), where=path, mend=_MEND) from None
    for tensor in all_tensors(model):
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            _require_own_data(tensor, path, manifest)
    _require_opset(model, path, manifest)
    try:
        onnx.checker.check_model(os.fspath(path))
    except onnx.checker.ValidationError as error:
        raise ArtifactError("not a valid ONNX graph", got=str(error), where=path, mend=_MEND) from None


def all_tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Every tensor of a model: initialisers, sparse ones, and those in attributes, subgraphs and functions."""
    yield from _tensors_in(model.graph)
    for function in model.functions:
        for node in function.node:
            yield from _node_tensors(node)
        for default in function.attribute_proto:
            yield from _attribute_tensors(default)


def _tensors_in(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        yield from _node_tensors(node)


def _node_tensors(node: onnx.NodeProto) -> Iterator[onnx.TensorProto]:
    for attribute in node.attribute:
        yield from _attribute_tensors(attribute)


def _attribute_tensors(attribute: onnx.AttributeProto) -> Iterator[onnx.TensorProto]:
    yield attribute.t
    yield from attribute.tensors
    for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
        yield from (sparse.values, sparse.indices)
    for graph in (attribute.g, *attribute.graphs):
        yield from _tensors_in(graph)


def _require_own_data(tensor: onnx.TensorProto, path: Path, manifest: Manifest) -> None:
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    where = f"tensor {tensor.name!r} of {path}"
    if not is_plain_name(location):
        raise ArtifactError(
            "external data outside the artifact's folder",
            expected="the name of a file beside it",
            got=repr(location),
            where=where,
            mend=_MEND,
        )
    require_regular_file(path.parent / location)
    facts = manifest.content.external.get(location)
    if facts is None:
        raise ArtifactError(
            f"external data {location!r} is not in the manifest, so nothing vouches for it", where=where, mend=_MEND
        )
    offset, length = (_count(entries, key, where) for key in ("offset", "length"))
    if offset + length > facts.size:
        raise ArtifactError(
            f"external data {location!r} is shorter than the tensor's place in it",
            expected=f"at least {offset + length} bytes",
            got=f"{facts.size}",
            where=where,
            mend=_MEND,
        )


def require_regular_file(path: Path) -> int:
    """Size in bytes of a regular file; ArtifactError for a symbolic link, anything else, or nothing."""
    try:
        status = path.lstat()
    except OSError as error:
        raise ArtifactError("external data is missing", got=error.strerror, where=path, mend="copy it too") from None
    if stat.S_ISLNK(status.st_mode):
        raise ArtifactError(
            "external data is a symbolic link, which may lead anywhere",
            got=f"a link to {os.readlink(path)}",
            where=path,
            mend="put the file itself there",
        )
    if not stat.S_ISREG(status.st_mode):
        raise ArtifactError("external data is not a regular file", where=path, mend=_MEND)
    return status.st_size


def _count(entries: dict[str, str], key: str, where: str) -> int:
    text = entries.get(key, "0")
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise ArtifactError(f"{key} of external data", expected="a whole number", got=repr(text[:40]), where=where)
    return int(text)


def _require_opset(model: Any, path: Path, manifest: Manifest) -> None:
    import onnx

    opsets = {entry.domain or "ai.onnx": entry.version for entry in model.opset_import}
    if opsets.get("ai.onnx") != manifest.opset:
        raise ArtifactError(
            "the graph's opset is not its manifest's",
            expected=str(manifest.opset),
            got=str(opsets.get("ai.onnx", "none")),
            where=path,
            mend=_MEND,
        )
    known = onnx.defs.onnx_opset_version()
    if manifest.opset > known:
        raise ArtifactError(
            f"opset {manifest.opset} is newer than this machine's onnx",
            expected=f"at most {known}",
            where=path,
            mend="`pip install --upgrade onnx onnxruntime`",
        )
