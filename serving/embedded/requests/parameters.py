"""Parameters of a request and of its tensors, checked as Triton checks them: honoured, or refused in its words.

A request's own may be anything, of a kind that Triton takes; those that it knows have kinds of their own. They change
nothing here, as they change nothing there for models without sequences, priorities or decoupled answers. A tensor in
shared memory is in a region that is not there, since none can be registered. The words are those of tritonserver 2.51.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from artifact.errors import InvalidRequestError, ModelNotFoundError
from serving.embedded.requests.request import Asked, Parameters

_ANY = ("int64_param", "bool_param", "string_param", "double_param")
_FINAL = "triton_enable_empty_final_response"
_KINDS = {
    "sequence_id": ("int64_param", "string_param"),
    "sequence_start": ("bool_param",),
    "sequence_end": ("bool_param",),
    "priority": ("int64_param", "uint64_param"),
    "timeout": ("int64_param",),
    _FINAL: ("bool_param",),
}
_RESERVED = (
    "parameter keys starting with 'triton_' are reserved for Triton usage. Only the following keys starting with "
    f"'triton_' are allowed: {_FINAL}"
)
_REGION, _OFFSET, _SIZE, _CLASSES = (
    "shared_memory_region",
    "shared_memory_offset",
    "shared_memory_byte_size",
    "classification",
)


def check_parameters(parameters: Parameters) -> None:
    """Raise InvalidRequestError for a parameter of a request that Triton would not take."""
    for name, (kind, value) in parameters.items():
        if name.startswith("triton_") and name != _FINAL:
            raise InvalidRequestError(_RESERVED)
        if name not in _KINDS and kind not in _ANY:  # which names three of the four
            raise InvalidRequestError(
                f"invalid value type for '{name}' parameter, expected int64_param, bool_param, or string_param."
            )
        if kind not in _KINDS.get(name, _ANY):
            expected = " or ".join(_KINDS[name])
            raise InvalidRequestError(f"invalid value type for '{name}' parameter, expected {expected}.")
        if name == "priority" and kind == "int64_param" and int(value) < 0:
            raise InvalidRequestError("invalid value for 'priority', expected value >= 0.")


def refuse_region(tensor: str, parameters: Parameters) -> None:
    """Raise where an input or a requested output is to be in shared memory.

    Args:
        tensor: its name.
        parameters: its own.

    Raises:
        InvalidRequestError: it is said wrongly.
        ModelNotFoundError: there is no such region.
    """
    if not parameters:
        return
    region = _value(tensor, parameters, _REGION, "string_param")
    for name in (_OFFSET, _SIZE):
        if name in parameters and region is None:
            raise InvalidRequestError(f"'{name}' can not be specified without '{_REGION}' parameter for {_of(tensor)}")
        _value(tensor, parameters, name, "int64_param")
    if region is None:
        return
    if _SIZE not in parameters:
        raise InvalidRequestError(f"'{_SIZE}' must be specified along with '{_REGION}' parameter for {_of(tensor)}")
    raise ModelNotFoundError(f"Unable to find shared memory region: '{region}'")


def class_counts(outputs: Sequence[Asked]) -> dict[str, int]:
    """{requested output: how many of its largest values are wanted, as text}; one that is wanted whole is not in it.

    Raises:
        InvalidRequestError, ModelNotFoundError: as `refuse_region`; or no such number.
    """
    counts: dict[str, int] = {}
    for name, parameters in ((output.name, output.parameters) for output in outputs if output.parameters):
        if _value(name, parameters, _REGION, "string_param") is not None and _CLASSES in parameters:
            raise InvalidRequestError(f"output can't set both '{_REGION}' and '{_CLASSES}'")
        refuse_region(name, parameters)
        if _CLASSES in parameters:
            kind, count = parameters[_CLASSES]
            if kind != "int64_param":
                raise InvalidRequestError(f"invalid value type for '{_CLASSES}' parameter, expected int64_param")
            if int(count) < 1:
                raise InvalidRequestError(f"invalid value for '{_CLASSES}' parameter, expected >= 0")
            counts.setdefault(name, int(count))
    return counts


def _value(tensor: str, parameters: Parameters, name: str, expected: str) -> Any:
    """A parameter of a tensor; None where it has none; raises InvalidRequestError where it is of another kind."""
    if name not in parameters:
        return None
    kind, value = parameters[name]
    if kind != expected:
        raise InvalidRequestError(f"invalid value type for '{name}' parameter for {_of(tensor)}, expected {expected}.")
    return value


def _of(tensor: str) -> str:
    return f"tensor '{tensor}'"
