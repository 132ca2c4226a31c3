"""JSON of requests, read and refused in the words of Triton's own JSON library.

Numbers are exact: what an integer must be, a float, a bool or a string is not, as there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from artifact.arrays import AnyArray
from artifact.errors import InvalidRequestError
from serving.embedded.requests.tensors import DTYPES
from serving.protocol import BYTES

MOST_UNSIGNED = 2**64 - 1
_DEEPEST = 64
"""Of lists in lists that hold a tensor; a shape has fewer."""
_WRONG_COUNT = "Unable to parse 'data': Shape does not match true shape of 'data' field"


def parsed(text: bytes) -> Any:
    """A JSON value; raises InvalidRequestError for what is none."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidRequestError(f"failed to parse the request JSON buffer: {error.msg} at {error.pos}") from None
    except (ValueError, RecursionError) as error:  # not UTF-8, a number of thousands of digits, lists without end
        reason = "nested too deeply" if isinstance(error, RecursionError) else "Invalid value."
        raise InvalidRequestError(f"failed to parse the request JSON buffer: {reason} at 0") from None


def member(of: Any, name: str) -> Any:
    """A member of an object; raises InvalidRequestError where it has none."""
    if not isinstance(of, dict) or name not in of:
        raise unparsed(name, f"attempt to access non-existing object member '{name}'")
    return of[name]


def text_of(of: Any, name: str) -> str:
    """A member that is a string."""
    value = member(of, name)
    if not isinstance(value, str):
        raise unparsed(name, "attempt to access JSON non-string as string")
    return value


def list_of(of: Any, name: str) -> list[Any]:
    """A member that is an array."""
    value = member(of, name)
    if not isinstance(value, list):
        raise unparsed(name, "attempt to access JSON non-array as array")
    return value


def bool_of(of: Any, name: str) -> bool:
    """A member that is true or false."""
    value = member(of, name)
    if not isinstance(value, bool):
        raise unparsed(name, "attempt to access JSON non-boolean as boolean")
    return value


def unsigned_of(of: Any, name: str) -> int:
    """A member that is an integer from 0 to 2^64 - 1."""
    return unsigned(member(of, name), name)


def unsigned(value: Any, name: str) -> int:
    """An integer from 0 to 2^64 - 1; `name` is that of the member it is of."""
    if type(value) is not int or not 0 <= value <= MOST_UNSIGNED:
        raise unparsed(name, "attempt to access JSON non-unsigned-integer as unsigned-integer")
    return value


def object_of(of: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A member that is an object; an empty one where there is none, as Triton's searches find nothing in either."""
    value = of.get(name) if isinstance(of, dict) else None
    return value if isinstance(value, dict) else {}


def unparsed(name: str, why: str) -> InvalidRequestError:
    """A member that is not what it must be."""
    return InvalidRequestError(f"Unable to parse '{name}': {why}")


def strings(values: list[Any]) -> list[bytes]:
    """The elements of a tensor of BYTES, of lists in lists; raises InvalidRequestError for one that is no text."""
    found = []
    for value in _flat(values):
        if not isinstance(value, str):
            raise InvalidRequestError("Unable to parse JSON bytes array: attempt to access JSON non-string as string")
        try:
            found.append(value.encode())
        except UnicodeEncodeError:
            why = "the surrogate pair in a string is invalid"
            raise InvalidRequestError(f"failed to parse the request JSON buffer: {why}") from None
    return found


def numbers(values: list[Any], datatype: str, count: int, *, name: str) -> AnyArray:
    """The elements of a tensor of numbers, flat.

    Args:
        values: lists in lists, in any nesting: only the number of elements counts, as in Triton.
        datatype: of the protocol, but not BYTES.
        count: how many there must be.
        name: of the input, for refusals.

    Raises:
        InvalidRequestError: a data type that JSON does not carry, other elements, other than `count` of them, or one
            that its data type does not hold (where Triton would wrap it around).
    """
    if datatype in ("FP16", "BF16"):
        raise InvalidRequestError(
            f"receiving {datatype} data via JSON is not supported. Please use the binary data format for input {name}"
        )
    if datatype not in DTYPES or datatype == BYTES:
        raise InvalidRequestError(f"invalid datatype for input {name}")
    dtype = DTYPES[datatype]
    flat = list(_flat(values))
    _require_type(flat[:count], dtype)
    if len(flat) != count:
        raise InvalidRequestError(_WRONG_COUNT)
    try:
        if issubclass(dtype, np.floating):
            with np.errstate(over="ignore"):
                return np.array(flat, np.float64).astype(dtype)
        return np.array(flat, dtype)
    except OverflowError:
        raise InvalidRequestError(f"Unable to parse 'data': a value of input '{name}' is beyond {datatype}") from None


def _require_type(flat: list[Any], dtype: type[np.generic]) -> None:
    types = set(map(type, flat))
    if issubclass(dtype, np.bool_):
        right, why = types <= {bool}, "non-boolean as boolean"
    elif issubclass(dtype, np.unsignedinteger):
        right = types <= {int} and min(flat, default=0) >= 0 and max(flat, default=0) <= MOST_UNSIGNED
        why = "non-unsigned-integer as unsigned-integer"
    elif issubclass(dtype, np.integer):
        right = types <= {int} and min(flat, default=0) >= -(2**63) and max(flat, default=0) < 2**63
        why = "non-signed-integer as signed-integer"
    else:
        right, why = types <= {int, float}, "non-number as double"
    if not right:
        raise InvalidRequestError(f"Unable to parse 'data': attempt to access JSON {why}")


def _flat(values: list[Any], depth: int = 0) -> Iterable[Any]:
    if not any(isinstance(value, list) for value in values):
        return values
    if depth > _DEEPEST:
        raise InvalidRequestError(f"Unable to parse 'data': lists are nested more than {_DEEPEST} deep")
    return _joined(values, depth)


def _joined(values: list[Any], depth: int) -> Iterable[Any]:
    for value in values:
        if isinstance(value, list):
            yield from _flat(value, depth + 1)
        else:
            yield value
