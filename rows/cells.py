"""Cells of an image column: paths, encoded bytes, or {bytes, path} structs as Hugging Face datasets write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from rows.images import ImageRef


def is_text(kind: pa.DataType) -> bool:
    """Strings of any layout, dictionary-encoded ones included."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def is_bytes(kind: pa.DataType) -> bool:
    """Binary of any layout."""
    types = pa.types
    return bool(
        types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_fixed_size_binary(kind)
        or types.is_binary_view(kind)
    )


def is_image_column(kind: pa.DataType) -> bool:
    """True for string paths, binary, and structs with `bytes` (binary), `path` (string) or both."""
    if pa.types.is_struct(kind):
        fields = {field.name: field.type for field in kind}
        known = {"bytes": is_bytes, "path": is_text}
        given = [name for name in known if name in fields]
        # a column of nulls has the null type: a data set may carry bytes alone
        return bool(given) and all(known[name](fields[name]) or pa.types.is_null(fields[name]) for name in given)
    return is_text(kind) or is_bytes(kind)


def image_refs(values: pa.ChunkedArray[Any], folder: Path) -> list[ImageRef]:
    """The image of each cell; relative paths are relative to `folder`, empty cells give an empty ref."""
    return [_image_ref(value, folder) for value in values.to_pylist()]


def _image_ref(value: Any, folder: Path) -> ImageRef:
    if isinstance(value, dict):
        data, path = value.get("bytes"), value.get("path")
        value = data if data is not None else path
    if isinstance(value, bytes):
        return ImageRef(data=value)
    # an absolute path stays as it is
    return ImageRef(path=folder / value) if value else ImageRef()
