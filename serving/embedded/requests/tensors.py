"""Tensors as they travel, whatever the transport: their names, data types, shapes, and the framing of BYTES."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from artifact.arrays import AnyArray
from artifact.errors import InvalidRequestError
from serving.protocol import BYTES, FP32, STRING_LENGTH, UINT8

DTYPES: dict[str, type[np.generic]] = {
    "BOOL": np.bool_,
    UINT8: np.uint8,
    "UINT16": np.uint16,
    "UINT32": np.uint32,
    "UINT64": np.uint64,
    "INT8": np.int8,
    "INT16": np.int16,
    "INT32": np.int32,
    "INT64": np.int64,
    "FP16": np.float16,
    FP32: np.float32,
    "FP64": np.float64,
    "BF16": np.uint16,
    BYTES: np.object_,
}
"""The protocol's data types as arrays have them; elements of BYTES are bytes objects, those of BF16 its 16 bits."""

DATATYPES = tuple(DTYPES)
"""Every data type of the protocol; others are told back as <invalid>, as Triton does."""


@dataclass(frozen=True)
class Tensor:
    """One input as it came.

    Attributes:
        name, datatype, shape: as the request says; nothing is checked yet.
        data: the raw bytes, or a view of them; or the elements, of BYTES in typed contents.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    data: bytes | memoryview | Sequence[bytes]


@dataclass(frozen=True)
class TensorSpec:
    """One input or output of a model.

    Attributes:
        name, datatype: as the config says.
        dims: the shape, without the batch where the model has one; -1 stands for any length.
        optional: whether a request may leave it out.
        labels: what the places of an output stand for, in a classification; empty without a label file.
    """

    name: str
    datatype: str
    dims: tuple[int, ...]
    optional: bool = False
    labels: tuple[str, ...] = ()

    def takes(self, shape: tuple[int, ...]) -> bool:
        """Whether a shape, without the batch, is one of this tensor's."""
        return len(shape) == len(self.dims) and all(
            length >= 0 and dim in (-1, length) for length, dim in zip(shape, self.dims, strict=True)
        )

    def num_bytes(self, shape: tuple[int, ...]) -> int:
        """Size of so many elements; BYTES have none."""
        return math.prod(shape) * np.dtype(DTYPES[self.datatype]).itemsize

    def array(self, data: bytes | memoryview, shape: tuple[int, ...]) -> AnyArray:
        """A view of raw bytes; a copy where they do not lie as numbers of that size must."""
        array = np.frombuffer(data, DTYPES[self.datatype]).reshape(shape)
        return array if array.flags.aligned else array.copy()


def strings_array(strings: Sequence[bytes], shape: tuple[int, ...]) -> AnyArray:
    """Elements of BYTES as an array of objects."""
    array = np.empty(len(strings), np.object_)
    array[:] = strings
    return array.reshape(shape)


_UNSORTED = ("BOOL", "FP16", "BF16", BYTES)
_MOST_SORTED = 1_000_000


def largest(array: AnyArray, count: int, spec: TensorSpec, *, has_batch: bool = True) -> list[list[bytes]]:
    """The largest values of each row with their places, as Triton answers a classification: `value:place[:label]`.

    Args:
        array: numbers [N, ...]; a row is all of its values, whatever their shape.
        count: how many, at most all.
        spec: the output that they are.
        has_batch: False for a model without a batch: all of the array is one row.

    Returns:
        N lists of K texts, the largest first, of equal ones the first first.

    Raises:
        InvalidRequestError: a type that Triton does not sort, or more values in a row than it does.
    """
    if spec.datatype in _UNSORTED:
        raise InvalidRequestError(f"class result not available for output due to unsupported type '{spec.datatype}'")
    rows = array.reshape(len(array), -1) if has_batch and len(array) else array.reshape(1, -1)
    if rows.shape[1] > _MOST_SORTED:
        raise InvalidRequestError("classification output tensor too large")
    keys = -rows.astype(np.float64) if rows.dtype.kind == "f" else np.invert(rows)  # which turns the order of integers
    places = np.argsort(keys, axis=1, kind="stable")[:, :count]
    form = "{:f}:{}" if array.dtype.kind == "f" else "{}:{}"

    def text(value: object, place: int) -> bytes:
        label = f":{spec.labels[place]}" if place < len(spec.labels) else ""
        return (form.format(value, place) + label).encode()

    return [[text(row[place], place) for place in best] for row, best in zip(rows, places, strict=True)]


def split_strings(
    data: bytes | memoryview, count: int, *, label: str, place: str, model: str, step: str
) -> list[bytes]:
    """Take BYTES apart: per element its length as u32 little-endian, then the element.

    Args:
        data: the raw bytes.
        count: how many elements there must be.
        label: what refusals of the framing begin with (the request's id).
        place: the input, as refusals name it.
        model: the model, as refusals name it.
        step: what a refusal of a cut-off element begins with: Triton finds that one later, in the model itself.

    Raises:
        InvalidRequestError: cut off, or another number of elements.
    """
    strings: list[bytes] = []
    offset, size = 0, len(data)
    cut_off = ""
    while offset < size:
        if size - offset < STRING_LENGTH.size:
            raise InvalidRequestError(
                f"{label}incomplete string length indicator for {place} for {model}, expecting 4 bytes but only "
                f"{size - offset} bytes available. Please make sure the string length indicator is in one buffer."
            )
        if len(strings) == count:
            raise InvalidRequestError(
                f"{label}unexpected number of string elements {count + 1} for {place} for {model}, expecting {count}"
            )
        (length,) = STRING_LENGTH.unpack_from(data, offset)
        offset += STRING_LENGTH.size
        if length > size - offset:
            cut_off = f"expecting string of length {length} but only {size - offset} bytes available"
        strings.append(bytes(data[offset : offset + length]))
        offset += length
    if len(strings) != count:
        raise wrong_count(len(strings), count, label=label, place=place, model=model)
    if cut_off:
        raise InvalidRequestError(f"{step}incomplete string data for {place}, {cut_off}")
    return strings


def wrong_count(got: int, count: int, *, label: str, place: str, model: str) -> InvalidRequestError:
    """BYTES with another number of elements than their shape says."""
    if got > count:
        text = f"unexpected number of string elements {count + 1} for {place} for {model}, expecting {count}"
    else:
        text = f"expected {count} string elements for {place} for {model}, got {got}"
    return InvalidRequestError(label + text)
