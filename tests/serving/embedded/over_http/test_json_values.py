"""Tensors in JSON: every data type, any nesting, and values that a data type does not hold."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from artifact.errors import InvalidRequestError
from serving.embedded.over_http.json_values import memory_of, numbers, parsed, strings

INTEGERS = {
    "UINT8": np.uint8,
    "UINT16": np.uint16,
    "UINT32": np.uint32,
    "UINT64": np.uint64,
    "INT8": np.int8,
    "INT16": np.int16,
    "INT32": np.int32,
    "INT64": np.int64,
}


def values_of(text: str, datatype: str, count: int) -> Any:
    return numbers(json.loads(text), datatype, count, name="x")


@pytest.mark.parametrize("datatype", INTEGERS)
def test_integers_are_exact_to_their_limits(datatype: str) -> None:
    """The least, the largest, and refused beyond, where Triton would wrap around."""
    limits = np.iinfo(INTEGERS[datatype])
    got = values_of(f"[{limits.min}, 0, {limits.max}]", datatype, 3)
    assert got.dtype == INTEGERS[datatype]
    assert got.tolist() == [limits.min, 0, limits.max]
    for beyond in (limits.min - 1, limits.max + 1):
        with pytest.raises(InvalidRequestError, match=r"is beyond|non-(un)?signed-integer"):
            values_of(f"[{beyond}]", datatype, 1)


@pytest.mark.parametrize("datatype", ["FP32", "FP64"])
def test_floats_are_rounded_as_numpy_rounds(datatype: str) -> None:
    """Integers are numbers too; NaN and infinity as Triton takes them."""
    dtype = {"FP32": np.float32, "FP64": np.float64}[datatype]
    texts = ["0.1", "1", "-3e-40", "1e308", "NaN", "Infinity", "-Infinity"]
    got = values_of(f"[{','.join(texts)}]", datatype, len(texts))
    assert got.dtype == dtype
    with np.errstate(over="ignore"):
        expected = np.array([0.1, 1, -3e-40, 1e308, np.nan, np.inf, -np.inf]).astype(dtype)
    np.testing.assert_array_equal(got, expected)


def test_booleans_are_true_and_false() -> None:
    """No numbers."""
    assert values_of("[true, false]", "BOOL", 2).tolist() == [True, False]
    with pytest.raises(InvalidRequestError, match="non-boolean as boolean"):
        values_of("[1]", "BOOL", 1)


@pytest.mark.parametrize("text", ["[1,2,3,4]", "[[1,2],[3,4]]", "[[[1],[2,3]],4]", "[[],[1,2,3],[[[4]]]]"])
def test_nesting_says_nothing(text: str) -> None:
    """Only the number of elements counts, as in Triton."""
    assert values_of(text, "INT32", 4).tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("text", "datatype", "why"),
    [
        ("[1.0]", "UINT8", "non-unsigned-integer as unsigned-integer"),
        ("[true]", "INT8", "non-signed-integer as signed-integer"),
        ('["1"]', "FP32", "non-number as double"),
        ("[null]", "INT64", "non-signed-integer as signed-integer"),
        ("[{}]", "BOOL", "non-boolean as boolean"),
        ("[1,2]", "INT8", "Shape does not match"),
        ("[]", "INT8", "Shape does not match"),
        ("[0.5]", "FP16", "receiving FP16 data via JSON is not supported"),
        ("[0.5]", "BF16", "receiving BF16 data via JSON is not supported"),
        ("[0.5]", "FOO", "invalid datatype for input x"),
    ],
)
def test_wrong_elements_are_refused(text: str, datatype: str, why: str) -> None:
    """Of another kind, or another number of them."""
    with pytest.raises(InvalidRequestError, match=why):
        values_of(text, datatype, 1)


def test_strings_are_utf_8() -> None:
    """Flat or nested."""
    assert strings(json.loads('["a", ["\\u00e9"], [["\\ud83d\\ude00"]]]')) == [b"a", "é".encode(), "😀".encode()]
    with pytest.raises(InvalidRequestError, match="non-string as string"):
        strings([1])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "The document is empty. at 0"),
        (b"hello", "Invalid value. at 0"),
        (b"'a'", "Invalid value. at 0"),
        (b"[1,2", "Missing a comma or ']' after an array element. at 4"),
        (b'{"a":1 2}', "Missing a comma or '}' after an object member. at 7"),
        (b'{"a":1}x', "The document root must not be followed by other values. at 7"),
        (b"{\x00}", "Missing a name for object member. at 1"),
        (b'{"a"}', "Missing a colon after a name of object member. at 4"),
        (b'["abc', "Missing a closing quotation mark in string. at 5"),
        ('["é" 1]'.encode(), "Missing a comma or ']' after an array element. at 6"),
        (b'["\\q"]', "Invalid escape character in string. at 2"),
        (b'["\\ud83d"]', "The surrogate pair in string is invalid. at 2"),
        (b"[1.]", "Miss fraction part in number. at 3"),
        (b"[1e999]", "Number too big to be stored in double. at 1"),
        (b"[-1E+400]", "Number too big to be stored in double. at 1"),
        (b"\xff", "Invalid encoding in string. at 0"),
        (b'{"a":1}'.decode().encode("utf-16"), "Invalid encoding in string. at 0"),
        (b"[" * 200_000, "Lists or objects are nested too deeply. at 0"),
        (b"1" * 10_000, "Invalid value. at 0"),
    ],
)
def test_what_is_no_json_is_refused(text: bytes, why: str) -> None:
    """In the words of Triton's library, with the place in bytes; those about encoding, depth and length are ours."""
    with pytest.raises(InvalidRequestError) as refused:
        parsed(text)
    assert str(refused.value) == f"failed to parse the request JSON buffer: {why}"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        (b'{"a": 1, "b": 2, "a": 3}', {"a": 1, "b": 2}),
        (b'["e999", 1e-999, 1e99]', ["e999", 0.0, 1e99]),
        (b'"\\ud83d\\ude00"', "😀"),
    ],
)
def test_json_that_triton_takes_is_taken(text: bytes, value: Any) -> None:
    """A byte order mark, the first of two members of one name, and what only looks like a wrong number or letter."""
    assert parsed(text) == value


def test_lists_without_end_are_refused() -> None:
    """Deeper than any shape, not deep enough to stop the parser."""
    with pytest.raises(InvalidRequestError, match="nested more than 64 deep"):
        values_of("[" * 200 + "1" + "]" * 200, "INT8", 1)


def test_memory_of_json_is_told_by_its_marks() -> None:
    """32 bytes a value, 64 a list, 232 an object, of the JSON alone and not of what follows it."""
    text = b'[[1,2],{"a":[]}]'
    assert memory_of(text + b",[{" * 99, len(text)) == 2 * 32 + 3 * 64 + 232
    assert memory_of(b"", 0) == 0
