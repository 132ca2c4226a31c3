"""Cells of an image column: paths, encoded bytes, {bytes, path} structs as Hugging Face datasets write them, pixels.

Pixels are Arrow's fixed-shape tensors of uint8: one size for the whole column, which is what NumPy arrays have.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from rows.images import ImageRef
from rows.location import Location
from rows.picture_arrays import CHANNELS
from rows.text_images import SHORTEST_BASE64, written_image

IMAGE_KINDS = "string paths, binary, {bytes, path} or uint8 [h, w, 3]"
"""What an image column may be, in messages."""


def values_type(kind: pa.DataType) -> pa.DataType:
    """The type as it is; of a dictionary (pandas' categories) that of its values, which each batch may number anew."""
    return kind.value_type if isinstance(kind, pa.DictionaryType) else kind


def is_text(kind: pa.DataType) -> bool:
    """Strings of any layout, dictionary-encoded ones included."""
    kind = values_type(kind)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def is_bytes(kind: pa.DataType) -> bool:
    """Binary of any layout, dictionary-encoded ones included."""
    types, kind = pa.types, values_type(kind)
    return bool(
        types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_fixed_size_binary(kind)
        or types.is_binary_view(kind)
    )


def is_tensor(kind: pa.DataType) -> bool:
    """Arrays of one shape, of any type."""
    return isinstance(kind, pa.FixedShapeTensorType)


def tensor_type(dtype: np.dtype[Any], shape: tuple[int, ...]) -> pa.DataType:
    """The type of a column of arrays."""
    kind: pa.DataType = pa.fixed_shape_tensor(pa.from_numpy_dtype(dtype), shape)
    return kind


def is_pixels(kind: pa.DataType) -> bool:
    """Tensors of uint8 [h, w], [h, w, 1], [h, w, 3] or [h, w, 4], in row-major order."""
    if not isinstance(kind, pa.FixedShapeTensorType) or kind.value_type != pa.uint8() or 0 in kind.shape:
        return False
    in_order = kind.permutation is None or list(kind.permutation) == sorted(kind.permutation)
    return in_order and (len(kind.shape) == 2 or (len(kind.shape) == 3 and kind.shape[2] in CHANNELS))


def is_image_column(kind: pa.DataType) -> bool:
    """True for string paths, binary, pixels, and structs with `bytes` (binary), `path` (string) or both."""
    return is_text(kind) or is_bytes(kind) or is_unmistakable(kind)


def is_unmistakable(kind: pa.DataType) -> bool:
    """True for image columns that can be nothing else: structs and pixels."""
    if not pa.types.is_struct(kind):
        return is_pixels(kind)
    fields = {field.name: field.type for field in kind}
    known = {"bytes": is_bytes, "path": is_text}
    given = [name for name in known if name in fields]
    # a column of nulls has the null type: a data set may carry bytes alone
    return bool(given) and all(known[name](fields[name]) or pa.types.is_null(fields[name]) for name in given)


def holds_bytes(kind: pa.DataType) -> bool:
    """True for images in the cells themselves and for bytes, also within structs, lists and maps; not for paths."""
    kind, types = values_type(kind), pa.types
    if types.is_struct(kind):
        return any(holds_bytes(field.type) for field in kind)
    if types.is_map(kind):
        return holds_bytes(kind.key_type) or holds_bytes(kind.item_type)
    inner = getattr(kind, "value_type", None) if types.is_nested(kind) else None
    return is_bytes(kind) or is_tensor(kind) or (inner is not None and holds_bytes(inner))


def kind_name(kind: pa.DataType) -> str:
    """The type as messages show it."""
    if isinstance(kind, pa.FixedShapeTensorType):
        return f"{kind.value_type} {list(kind.shape)}"
    return str(kind)


def image_refs(values: pa.ChunkedArray[Any], folder: Location) -> list[ImageRef]:
    """The image of each cell; relative paths are relative to `folder`, empty cells give an empty ref."""
    if is_tensor(values.type):
        return [ref for chunk in values.chunks for ref in _pixel_refs(chunk)]
    if is_text(values.type) and isinstance(folder, Path):  # by far the most, so without a call for each
        return [
            ImageRef(folder / value)
            if value and len(value) < SHORTEST_BASE64 and ":" not in value
            else image_of_cell(value, folder)
            for value in values.to_pylist()
        ]
    return [image_of_cell(value, folder) for value in values.to_pylist()]


def image_of_cell(value: Any, folder: Location) -> ImageRef:
    """The image of one value: bytes, a text (a path, a data: URI, base64), a struct of these, or None."""
    if isinstance(value, Mapping):
        value = image_of_struct(value)
    if isinstance(value, bytes):
        return ImageRef(data=value)
    return (written_image(value) or ImageRef.of_name(value, folder)) if value else ImageRef()


def image_of_struct(struct: Mapping[str, Any]) -> Any:
    """What of {bytes, path} is the image: the bytes, or where there are none the path."""
    data = struct.get("bytes")
    return data if data is not None else struct.get("path")


def row_bytes(table: pa.Table) -> npt.NDArray[np.int64]:
    """int64 [rows]: about how many bytes the cells of each row hold, text and images by their own length."""
    total = np.zeros(table.num_rows, np.int64)
    for column in table.columns:
        at = 0
        for chunk in column.chunks:
            total[at : at + len(chunk)] += _cell_bytes(chunk)
            at += len(chunk)
    return total


def _cell_bytes(array: Any) -> Any:
    """int64 [rows], or one number for all of them."""
    kind = array.type
    if pa.types.is_null(kind):
        return 0
    if pa.types.is_dictionary(kind):
        if not len(array.dictionary):
            return 8
        lengths = np.broadcast_to(_cell_bytes(array.dictionary), len(array.dictionary))
        return lengths[pc.fill_null(array.indices, 0).to_numpy(zero_copy_only=False)]
    if pa.types.is_struct(kind):
        return sum(
            (_cell_bytes(array.field(place)) for place in range(kind.num_fields)), np.zeros(len(array), np.int64)
        )
    if isinstance(kind, pa.FixedShapeTensorType):
        return int(np.prod(kind.shape)) * kind.value_type.bit_width // 8
    if pa.types.is_binary_view(kind) or pa.types.is_string_view(kind):
        array, kind = array.cast(pa.large_binary()), pa.large_binary()
    if is_text(kind) or is_bytes(kind):
        lengths = pc.fill_null(pc.binary_length(array), 0)
        return lengths.to_numpy(zero_copy_only=False).astype(np.int64)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False).astype(np.int64) * 8
    return 8


def _pixel_refs(chunk: Any) -> list[ImageRef]:
    shape = chunk.type.shape
    values = np.asarray(chunk.storage.flatten())  # without the null rows
    pixels = iter(values.reshape(-1, *shape))
    return [ImageRef.of_pixels(next(pixels)) if valid else ImageRef() for valid in chunk.is_valid().to_pylist()]
