"""The one ONNX file: its top-level protobuf fields are walked without parsing, so a description reads no weights.

Layout: the serialised ModelProto, then one last top-level field 14 (metadata_props): {"lookalike.manifest": JSON}.
Appending a field to a serialised protobuf message is the same as adding it to the message, so any ONNX reader sees it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from artifact.atomic import write_atomically
from artifact.errors import ArtifactError
from artifact.model.graph import require_regular_file, verify_structure
from artifact.model.manifest import Manifest, parse_manifest

MANIFEST_KEY = "lookalike.manifest"
_METADATA_PROPS = 14  # field number in ModelProto
_MAX_MANIFEST_BYTES = 64 * 1024 * 1024
_BYTES_WIRE_TYPE = 2
_MEND = "export or copy it again"


class _Field(NamedTuple):
    """A field of a protobuf message by its places in the file."""

    number: int
    start: int  # offset of the tag
    body: int  # offset of the content
    end: int


def read_manifest(path: str | Path) -> Manifest:
    """Read the manifest of an artifact, skipping graph and weights: milliseconds for gigabytes.

    Raises:
        ArtifactError: no such file, not an ONNX file, cut off, or without a manifest that proves itself.
    """
    return _locate(Path(path))[1]


def verify_content(path: Path) -> Manifest:
    """Read the manifest and compare the hash and size of every byte it speaks of; raises ArtifactError."""
    model_size, manifest = _locate(path)
    if model_size != manifest.content.size:
        raise ArtifactError(
            "model size", expected=f"{manifest.content.size} bytes", got=f"{model_size}", where=path, mend=_MEND
        )
    _compare_hash(path, model_size, manifest.content.sha256)
    for name, facts in manifest.content.external.items():
        side = path.parent / name
        if side == path:
            raise ArtifactError("an artifact that names itself as its external data", where=path, mend=_MEND)
        size = require_regular_file(side)
        if size != facts.size:
            raise ArtifactError(
                "size of external data", expected=f"{facts.size} bytes", got=f"{size}", where=side, mend=_MEND
            )
        _compare_hash(side, size, facts.sha256)
    return manifest


def verify_artifact(path: Path) -> Manifest:
    """`verify_content`, then `verify_structure`: what can be known of a file before it runs; raises ArtifactError."""
    manifest = verify_content(path)
    verify_structure(path, manifest)
    return manifest


def append_manifest(path: Path, model: bytes, manifest: Manifest) -> Manifest:
    """Write `model` (a serialised ModelProto) with its sealed manifest to `path`, whole or not at all."""
    sealed = manifest.sealed()
    write_atomically(path, model + manifest_entry(sealed))
    return sealed


def manifest_entry(sealed: Manifest) -> bytes:
    """The last field of an artifact's file: what is appended to a serialised ModelProto to make it one."""
    return _entry(sealed.to_bytes())


def content_hash(model: bytes) -> str:
    """SHA-256, in hex, of the model without its manifest entry."""
    return hashlib.sha256(model).hexdigest()


def _entry(manifest: bytes) -> bytes:
    key = MANIFEST_KEY.encode()
    body = b"\x0a" + _varint(len(key)) + key + b"\x12" + _varint(len(manifest)) + manifest
    return _varint(_METADATA_PROPS << 3 | _BYTES_WIRE_TYPE) + _varint(len(body)) + body


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _locate(path: Path) -> tuple[int, Manifest]:
    """Size of the model before the manifest entry, and the manifest."""
    if not path.is_file():
        raise ArtifactError("no such artifact file", where=path, mend="`lookalike export RUN --file FILE` writes one")
    size = path.stat().st_size
    with path.open("rb") as file:
        last = None
        for last in _fields(file, size, path):  # noqa: B007 - the manifest is the last field
            pass
        if last is None or last.number != _METADATA_PROPS or last.end - last.body > _MAX_MANIFEST_BYTES:
            raise _no_manifest(path)
        file.seek(last.body)
        body = file.read(last.end - last.body)
        file.seek(last.start)
        raw = file.read(size - last.start)
    key = MANIFEST_KEY.encode()
    head = b"\x0a" + _varint(len(key)) + key + b"\x12"
    if not body.startswith(head):
        raise _no_manifest(path)
    length, offset = _parse_varint(body, len(head), path)
    if offset + length != len(body) or raw != _entry(body[offset:]):  # one way to frame it, so that a flip is seen
        raise ArtifactError("manifest entry is damaged", where=path, mend=_MEND)
    return last.start, parse_manifest(body[offset:], where=path)


def _no_manifest(path: Path) -> ArtifactError:
    return ArtifactError(
        "not an artifact: no lookalike.manifest at its end", where=path, mend="`lookalike export` writes artifacts"
    )


def _fields(file: BinaryIO, size: int, path: Path) -> Iterator[_Field]:
    """Top-level fields of a protobuf message, seeking over their contents."""
    offset = 0
    while offset < size:
        file.seek(offset)
        head = file.read(20)
        tag, after = _parse_varint(head, 0, path)
        wire_type, number = tag & 7, tag >> 3
        if wire_type == 0:
            _, after = _parse_varint(head, after, path)
            body, end = after, offset + after
        elif wire_type == _BYTES_WIRE_TYPE:
            length, after = _parse_varint(head, after, path)
            body, end = offset + after, offset + after + length
        elif wire_type in (1, 5):
            body, end = offset + after, offset + after + (8 if wire_type == 1 else 4)
        else:
            raise _not_onnx(path)
        if number == 0:
            raise _not_onnx(path)
        if end > size:
            raise ArtifactError(
                "file is cut off", expected=f"at least {end} bytes", got=f"{size}", where=path, mend=_MEND
            )
        yield _Field(number, offset, body, end)
        offset = end


def _parse_varint(data: bytes, offset: int, path: Path) -> tuple[int, int]:
    value = shift = 0
    while True:
        if offset >= len(data) or shift > 63:
            raise _not_onnx(path)
        byte = data[offset]
        offset += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, offset
        shift += 7


def _not_onnx(path: Path) -> ArtifactError:
    return ArtifactError("not an ONNX file, or cut off", where=path, mend=_MEND)


def _compare_hash(path: Path, size: int, expected: str) -> None:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while size > 0 and (block := file.read(min(size, 1 << 20))):
            digest.update(block)
            size -= len(block)
    if digest.hexdigest() != expected:
        raise ArtifactError(
            "content does not match its hash: a byte changed",
            expected=f"sha256 {expected[:16]}...",
            got=f"{digest.hexdigest()[:16]}...",
            where=os.fspath(path),
            mend=_MEND,
        )
