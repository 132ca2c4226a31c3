"""JSON of requests, read and refused in the words of Triton's own JSON library.

Numbers are exact: what an integer must be, a float, a bool or a string is not, as there. Python's own parser reads; the
library that Triton has, RapidJSON, is asked only what is wrong with a text, for its words and the place: it is slower.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

import numpy as np
import rapidjson

from artifact.arrays import AnyArray
from artifact.errors import InvalidRequestError
from serving.embedded.requests.tensors import DTYPES
from serving.protocol import BYTES

MOST_UNSIGNED = 2**64 - 1
_DEEPEST = 64
"""Of lists in lists that hold a tensor; a shape has fewer."""
_MOST = ((b",", 2**24, 32, "values"), (b"[", 2**22, 64, "lists"), (b"{", 2**18, 232, "objects"))
"""What marks a value in 2 or 3 bytes of a text, how many there may be, the bytes of memory that each takes, and its
name. Marks in texts count too; 64 images of 224 pixels are 9.6 million numbers in 3.2 million lists."""
_NO_BOOL = "attempt to access JSON non-boolean as boolean"
_WRONG_COUNT = "Unable to parse 'data': Shape does not match true shape of 'data' field"


def memory_of(text: bytes, length: int) -> int:
    """Bytes of memory, about, that the values of the JSON in the first `length` bytes take."""
    return sum(size * text.count(mark, 0, length) for mark, _, size, _ in _MOST)


def parsed(text: bytes) -> Any:
    """A JSON value; raises InvalidRequestError for what is none, or would take many times its bytes.

    Of an object's members with one name the first counts, and a byte order mark is passed over, as in Triton.
    """
    for mark, most, _, what in _MOST:
        if len(text) > most and (num := text.count(mark)) > most:
            raise InvalidRequestError(f"failed to parse the request JSON buffer: at most {most} {what}, got {num}")
    text = text.removeprefix(codecs.BOM_UTF8)
    try:
        value = json.loads(str(text, "utf-8"), object_pairs_hook=_first_of_each)
    except (ValueError, RecursionError) as error:  # no JSON, not UTF-8, a number of thousands of digits, endless lists
        raise _no_json(text, error) from None
    if _DOUBTFUL.search(text):
        try:
            rapidjson.loads(text)
        except (ValueError, RecursionError) as error:
            raise _no_json(text, error) from None
    return value


_DOUBTFUL = re.compile(rb"[eE]\+?\d{3}|\\u[dD][89a-fA-F]")
"""What is in a number beyond any float and in half of a surrogate pair, which Python's parser takes."""
_AT = re.compile(r"Parse error at offset (\d+): (.*)", re.DOTALL)


def _first_of_each(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    return found if len(found) == len(members) else dict(reversed(members))


def _no_json(text: bytes, error: Exception) -> InvalidRequestError:
    why, place = "Invalid value.", error.pos if isinstance(error, json.JSONDecodeError) else 0
    try:
        rapidjson.loads(text)
    except UnicodeDecodeError as undecoded:
        why, place = "Invalid encoding in string.", undecoded.start
    except RecursionError:
        why = "Lists or objects are nested too deeply."
    except ValueError as found:
        if match := _AT.fullmatch(str(found)):
            why, place = match[2], int(match[1])
    return InvalidRequestError(f"failed to parse the request JSON buffer: {why} at {place}")


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


def bool_of(of: Any, name: str, *, doing: str = "parse") -> bool:
    """A member that is true or false; refusals say that it could not be parsed, or `set`."""
    value = member(of, name)
    if not isinstance(value, bool):
        raise unparsed(name, _NO_BOOL, doing=doing)
    return value


def is_true(value: Any) -> bool:
    """A value that is true or false, of a member that refusals do not name."""
    if not isinstance(value, bool):
        raise InvalidRequestError(_NO_BOOL)
    return value


def unsigned_of(of: Any, name: str, *, doing: str = "parse") -> int:
    """A member that is an integer from 0 to 2^64 - 1."""
    return unsigned(member(of, name), name, doing=doing)


def unsigned(value: Any, name: str, *, doing: str = "parse") -> int:
    """An integer from 0 to 2^64 - 1; `name` is that of the member it is of."""
    if type(value) is not int or not 0 <= value <= MOST_UNSIGNED:
        raise unparsed(name, "attempt to access JSON non-unsigned-integer as unsigned-integer", doing=doing)
    return value


def object_of(of: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A member that is an object; an empty one where there is none, as Triton's searches find nothing in either."""
    value = of.get(name) if isinstance(of, dict) else None
    return value if isinstance(value, dict) else {}


def unparsed(name: str, why: str, *, doing: str = "parse") -> InvalidRequestError:
    """A member that is not what it must be."""
    return InvalidRequestError(f"Unable to {doing} '{name}': {why}")


def strings(values: list[Any]) -> list[bytes]:
    """The elements of a tensor of BYTES, of lists in lists; raises InvalidRequestError for one that is no text."""
    found = []
    for value in _flat(values):
        if not isinstance(value, str):
            raise InvalidRequestError("Unable to parse JSON bytes array: attempt to access JSON non-string as string")
        found.append(value.encode())
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
    flat = list(islice(_flat(values), count + 1))  # one too many is enough to know
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
