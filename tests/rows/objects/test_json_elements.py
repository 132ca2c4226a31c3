"""Elements of the arrays of a JSON object, read in blocks: the same as all of it at once."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from artifact.errors import DataError
from rows.formats.objects import json_elements
from rows.formats.objects.json_elements import array_elements

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def _read(data: bytes) -> list[tuple[str, Any, int, int]]:
    return list(array_elements(io.BytesIO(data), where="a.json"))


@given(
    content=st.dictionaries(st.text(max_size=5), st.lists(VALUES, max_size=4) | VALUES, max_size=4),
    is_plain=st.booleans(),
    indent=st.sampled_from([None, 1]),
    block=st.integers(1, 40),
)
@settings(max_examples=150, deadline=None)
def test_elements_are_those_of_the_whole(content: Any, is_plain: bool, indent: int | None, block: int) -> None:
    """Whatever the blocks cut in two; and each stands in the file where it is said to."""
    data = json.dumps(content, ensure_ascii=is_plain, indent=indent).encode("utf-8", "surrogatepass")
    before, json_elements._BLOCK = json_elements._BLOCK, block
    try:
        found = _read(data)
    finally:
        json_elements._BLOCK = before
    expected = [(key, each) for key, value in content.items() if isinstance(value, list) for each in value]
    assert [(key, value) for key, value, _, _ in found] == expected
    for _, value, start, size in found:
        assert json.loads(data[start : start + size]) == value


def test_mark_before_the_text_is_passed_over() -> None:
    """As Windows writes UTF-8."""
    assert _read(b'\xef\xbb\xbf{"a": [1]}') == [("a", 1, 10, 1)]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "JSON, byte 0: expected '{', got 'the end of the file' (a.json)"),
        (b"[1, 2]", "JSON, byte 0: expected '{', got '[1, 2]' (a.json)"),
        (b'{"a": [1, 2', "JSON, byte 11: expected ',', got 'the end of the file' (a.json)"),
        (b'{"a": [{"b": ', "JSON, byte 7: expected a value, got '{\"b\": ' (a.json)"),
        (b'{"a": [1 2]}', "JSON, byte 9: expected ',', got '2]}' (a.json)"),
        (b'{"a": [tru]}', "JSON, byte 7: expected a value, got 'tru]}' (a.json)"),
        (b"{1: [2]}", "JSON, byte 2: expected a key in quotes, got ': [2]}' (a.json)"),
        (b'{"a": ["\xff"]}', "JSON, byte 10: expected text in UTF-8, got ']}' (a.json)"),
        (b'{"a": ["never ends]}', "JSON, byte 7: expected a value, got '\"never ends]}' (a.json)"),
        (b"[" * 100_000, "JSON, byte 0: expected '{', got '[[[[[[[[[[[[[[[[[[[[' (a.json)"),
        (b'{"a": ' + b"[" * 100_000, "JSON, byte 7: expected a value, got '[[[[[[[[[[[[[[[[[[[[' (a.json)"),
    ],
)
def test_damage_is_told_with_its_place(data: bytes, message: str) -> None:
    """One line, for what is no object, cut short, or broken."""
    with pytest.raises(DataError) as caught:
        _read(data)
    assert str(caught.value) == message


def test_damage_is_told_before_the_rest_is_read() -> None:
    """A gigabyte behind a mistake is not gathered first."""

    class Endless(io.RawIOBase):
        given = 0

        def read(self, size: int = -1) -> bytes:
            begin = b'{"a": [{"b": oops}, ' if not self.given else b"1, "
            self.given += size
            return begin + b"1, " * (size // 3)

    file = Endless()
    with pytest.raises(DataError, match="JSON, byte 7"):
        list(array_elements(file, where="a.json"))  # type: ignore[arg-type]
    assert file.given < 8 * json_elements._BLOCK
