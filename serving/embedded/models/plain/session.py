"""A session of onnxruntime over another people's model: arrays as the config says them in and out.

onnxruntime takes text where the protocol has bytes, and would write a bytes object as its Python literal; so strings
are decoded here, and those that are no UTF-8 are refused. It has BF16, which numpy has not: such tensors are passed as
the 16 bits of each number.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from artifact.arrays import AnyArray
from artifact.errors import InvalidRequestError
from artifact.repository.tuning import ModelConfig
from serving.embedded.models.model_config import datatype_of
from serving.embedded.models.plain.completion import dims_of
from serving.embedded.models.plain.tensors import model_dims
from serving.protocol import BYTES

_BF16 = "BF16"


class PlainSession:
    """Runs a model on arrays of its config's shapes.

    Args:
        session: of onnxruntime.
        config: complete, and right for the session.
        path: of the file, for errors.
    """

    def __init__(self, session: Any, config: ModelConfig, path: Path) -> None:
        self._session, self._path = session, path
        self._has_batch = config.max_batch_size > 0
        self._outputs = [one.name for one in config.output]
        scalars = {node.name for node in [*session.get_inputs(), *session.get_outputs()] if not dims_of(node)}
        self._inward, self._outward = {}, {}
        for one in config.input:
            dims = [] if one.name in scalars else model_dims(one)
            if dims != list(one.dims):
                self._inward[one.name] = (list(one.dims), dims)
        for one in config.output:
            dims = [] if one.name in scalars else model_dims(one)
            if dims != list(one.dims):
                self._outward[one.name] = (dims, list(one.dims))
        self._bits = {one.name for one in (*config.input, *config.output) if datatype_of(one.data_type) == _BF16}

    def run(self, feeds: Mapping[str, AnyArray]) -> dict[str, AnyArray]:
        """Run a batch, or what one request brought where the model has no batch.

        Args:
            feeds: {input: array}, strings as `texts` gives them; optional inputs may be left out.

        Raises:
            InvalidRequestError: onnxruntime refused the arrays, or failed on them.
        """
        shaped = {name: self._reshaped(array, self._inward.get(name)) for name, array in feeds.items()}
        try:
            values = self._run_bits(shaped) if self._bits else self._session.run(self._outputs, shaped)
        except Exception as error:  # onnxruntime's exceptions share no public base class
            raise InvalidRequestError("onnxruntime refused the batch", got=str(error), where=self._path) from None
        named = zip(self._outputs, values, strict=True)
        return {name: self._reshaped(np.asarray(value), self._outward.get(name)) for name, value in named}

    def _reshaped(self, array: AnyArray, dims: tuple[list[int], list[int]] | None) -> AnyArray:
        if dims is None:
            return array
        source, target = dims
        rows = array.shape[:1] if self._has_batch else ()
        lengths = array.shape[len(rows) :]
        open_lengths = iter([length for length, dim in zip(lengths, source, strict=False) if dim == -1])
        return array.reshape((*rows, *(next(open_lengths) if dim == -1 else dim for dim in target)))

    def _run_bits(self, feeds: Mapping[str, AnyArray]) -> list[AnyArray]:
        """`run` by onnxruntime's own values, which may be of types that numpy has not."""
        import onnxruntime
        from onnx import TensorProto

        values = {
            name: onnxruntime.OrtValue.ortvalue_from_numpy_with_onnx_type(array, TensorProto.BFLOAT16)
            if name in self._bits
            else onnxruntime.OrtValue.ortvalue_from_numpy(array)
            for name, array in feeds.items()
        }
        answers = self._session.run_with_ort_values(self._outputs, values)
        return [
            _bits_of(value) if name in self._bits else value.numpy()
            for name, value in zip(self._outputs, answers, strict=True)
        ]


def _bits_of(value: Any) -> AnyArray:
    """The 16 bits of each number of a value of onnxruntime's on the CPU, copied."""
    shape: Sequence[int] = value.shape()
    count = int(np.prod(shape))
    if not count:
        return np.empty(shape, np.uint16)
    return np.ctypeslib.as_array((ctypes.c_uint16 * count).from_address(value.data_ptr())).copy().reshape(shape)


def texts(inputs: Mapping[str, AnyArray], datatypes: Mapping[str, str]) -> dict[str, AnyArray]:
    """Inputs with their strings decoded; raises InvalidRequestError for one that is no UTF-8.

    Args:
        datatypes: {input: data type of the protocol}.
    """
    return {name: _decoded(array, name) if datatypes[name] == BYTES else array for name, array in inputs.items()}


def _decoded(array: AnyArray, name: str) -> AnyArray:
    decoded = np.empty(array.size, np.object_)
    try:
        decoded[:] = [one.decode() for one in array.ravel()]
    except UnicodeDecodeError as error:
        raise InvalidRequestError(f"input '{name}' has a string that is no UTF-8", got=str(error)) from None
    return decoded.reshape(array.shape)
