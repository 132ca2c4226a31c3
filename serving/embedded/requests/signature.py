"""The signature of a model, and the check of a request against it: Triton's checks in Triton's order and words.

The words are those of tritonserver 2.51, tried against it, so that whoever moves from one server to the other sees no
change. Where Triton goes through inputs in the order of its hash table, the reverse of the request's, so do we.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from artifact.arrays import AnyArray
from artifact.errors import InvalidRequestError
from serving.embedded.requests.tensors import (
    DATATYPES,
    Tensor,
    TensorSpec,
    split_strings,
    strings_array,
    wrong_count,
)
from serving.protocol import BYTES

Inputs = dict[str, AnyArray]

_BATCH_NOTE = (
    "NOTE: Setting a non-zero max_batch_size in the model config requires a batch dimension to be prepended to each "
    "input shape. If you want to specify the full shape including the batch dim in your input dims config, try setting "
    "max_batch_size to zero. See the model configuration docs for more info on max_batch_size."
)


def request_label(request_id: str) -> str:
    """What Triton's refusals of a request that it had begun to read start with."""
    return f"[request id: {request_id or '<id_unknown>'}] "


@dataclass(frozen=True)
class Signature:
    """A model's inputs and outputs.

    Attributes:
        model: the name that requests say.
        max_rows: largest batch of a request; 0 for a model whose shapes have no batch.
        inputs, outputs: in order.
        step: what the refusals from inside the model begin with: nothing, or for an ensemble Triton's
            "in ensemble 'NAME', ".
    """

    model: str
    max_rows: int
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    step: str = ""

    def read_outputs(self, names: Sequence[str]) -> list[TensorSpec]:
        """The outputs that a request asks for, in the model's order; all of them if it names none."""
        known = {spec.name for spec in self.outputs}
        for name in names:
            if name not in known:
                raise InvalidRequestError(f"unexpected inference output '{name}' for model '{self.model}'")
        return [spec for spec in self.outputs if not names or spec.name in names]

    def read_inputs(self, tensors: Sequence[Tensor], *, label: str) -> tuple[int, Inputs]:
        """Check a request's inputs and give N and {input: array [N, *dims]}; without a batch N is 1.

        The arrays are views of the request's bytes; those of BYTES hold bytes objects.

        Raises:
            InvalidRequestError: anything that does not fit; most texts begin with `label`.
        """
        self._require_names(tensors, label)
        num_rows = self._require_rows(tensors, label) if self.max_rows else 1
        by_name = {tensor.name: tensor for tensor in tensors}
        specs = {spec.name: spec for spec in self.inputs}
        for tensor in reversed(tensors):
            if tensor.name not in specs:
                raise InvalidRequestError(f"unexpected inference input '{tensor.name}' for model '{self.model}'")
            self._require_type(tensor, specs[tensor.name], label)
        inputs = {
            spec.name: self._read(by_name[spec.name], spec, label) for spec in self.inputs if spec.name in by_name
        }
        if num_rows < 1:  # an empty batch whose bytes are those of a row
            raise self._wrong_shape(tensors[0], specs[tensors[0].name], label)
        return num_rows, inputs

    def _require_names(self, tensors: Sequence[Tensor], label: str) -> None:
        names = [tensor.name for tensor in tensors]
        seen = set()
        for name in names:
            if name in seen:
                raise InvalidRequestError(f"{label}input '{name}' already exists in request")
            seen.add(name)
        if len(names) == len(self.inputs):
            return
        required = [spec.name for spec in self.inputs if not spec.optional]
        missing = [name for name in required if name not in seen]
        if missing or len(names) > len(self.inputs):
            most = str(len(self.inputs))
            expected = (
                f"expected {most} inputs"
                if len(required) == len(self.inputs)
                else f"expected number of inputs between {len(required)} and {most}"
            )
            raise InvalidRequestError(
                f"{label}{expected} but got {len(names)} inputs for model '{self.model}'. "
                f"Got input(s) {_listed(names[::-1])}, but missing required input(s) "
                f"{_listed(missing) if missing else ']'}. "  # as Triton writes it
                "Please provide all required input(s)."
            )

    def _require_rows(self, tensors: Sequence[Tensor], label: str) -> int:
        num_rows: int | None = None
        for tensor in reversed(tensors):
            if not tensor.shape:
                raise InvalidRequestError(
                    f"{label}input '{tensor.name}' has no shape but model requires batch dimension for '{self.model}'"
                )
            if num_rows not in (None, tensor.shape[0]):
                raise InvalidRequestError(
                    f"{label}input '{tensor.name}' batch size does not match other inputs for '{self.model}'"
                )
            num_rows = tensor.shape[0]
        num_rows = num_rows or 0
        if num_rows > self.max_rows:
            raise InvalidRequestError(
                f"{label}inference request batch-size must be <= {self.max_rows} for '{self.model}'"
            )
        return num_rows

    def _require_type(self, tensor: Tensor, spec: TensorSpec, label: str) -> None:
        if tensor.datatype != spec.datatype:
            got = tensor.datatype if tensor.datatype in DATATYPES else "<invalid>"
            raise InvalidRequestError(
                f"{label}inference input '{spec.name}' data-type is '{got}', but model '{self.model}' "
                f"expects '{spec.datatype}'"
            )
        batch, shape = (tensor.shape[0], tensor.shape[1:]) if self.max_rows else (1, tensor.shape)
        if batch < 0 or not spec.takes(shape):
            raise self._wrong_shape(tensor, spec, label)

    def _read(self, tensor: Tensor, spec: TensorSpec, label: str) -> AnyArray:
        shape = tensor.shape
        if self.max_rows:  # Triton asks the bytes of one row of an empty batch
            shape = (max(1, shape[0]), *shape[1:])
        count = math.prod(shape)
        data, place, model = tensor.data, f"inference input '{spec.name}'", f"model '{self.model}'"
        if spec.datatype == BYTES:
            if isinstance(data, bytes | memoryview):
                strings = split_strings(data, count, label=label, place=place, model=model, step=self.step)
                return strings_array(strings, shape)
            if len(data) != count:
                raise wrong_count(len(data), count, label=label, place=place, model=model)
            return strings_array(data, shape)
        assert isinstance(data, bytes | memoryview)  # only BYTES come as elements
        if len(data) != spec.num_bytes(shape):
            raise InvalidRequestError(
                f"{label}input byte size mismatch for input '{spec.name}' for model '{self.model}'. "
                f"Expected {spec.num_bytes(shape)}, got {len(data)}"
            )
        return spec.array(data, shape)

    def _wrong_shape(self, tensor: Tensor, spec: TensorSpec, label: str) -> InvalidRequestError:
        dims = (-1, *spec.dims) if self.max_rows else spec.dims
        expected, got = (",".join(map(str, shape)) for shape in (dims, tensor.shape))
        note = _BATCH_NOTE if self.max_rows else ""
        return InvalidRequestError(
            f"{label}unexpected shape for input '{spec.name}' for model '{self.model}'. Expected [{expected}], "
            f"got [{got}]. {note}"
        )


def _listed(names: Sequence[str]) -> str:
    return "[" + ",".join(f"'{name}'" for name in names) + "]"
