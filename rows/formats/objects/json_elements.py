"""The arrays of one JSON object, element by element: a file of a gigabyte in the memory of its largest element.

Decision a reader would question: the text is read as if each byte were a letter, so that a place in it is one in the
file; whatever has other letters than ASCII is decoded once more, properly. What JSON says with brackets, commas and
quotes is ASCII, and no byte of another letter in UTF-8 looks like it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import IO, Any

from artifact.errors import DataError

_BLOCK = 1 << 20
_LONGEST_VALUE = 1 << 28
_LONGEST_WORD = 16
"""Letters of what may be cut in two at the end of a block, a text aside: -Infinity, \\u1234."""
_SPACE = " \t\r\n"
_DECODER = json.JSONDecoder()

Element = tuple[str, Any, int, int]
"""(key of the array, value, place of its first byte, number of its bytes)."""


def array_elements(file: IO[bytes], *, where: str) -> Iterator[Element]:
    """Every element of every array that is a value of the file's one object, in order; other values are passed over.

    Raises:
        DataError: it is no JSON object, or is damaged or cut short, with the place.
    """
    yield from _Elements(file, where).all()


class _Elements:
    def __init__(self, file: IO[bytes], where: str) -> None:
        self._file, self._where = file, where
        self._text, self._at, self._first = "", 0, 0  # the first letter of the text is that byte of the file
        self._is_whole = False

    def all(self) -> Iterator[Element]:
        self._read()
        if self._text.startswith("\xef\xbb\xbf"):  # a mark that Windows puts before UTF-8
            self._at = 3
        self._take("{")
        if self._peek() == "}":
            return
        while True:
            key, _, _ = self._value()
            if not isinstance(key, str):
                raise self._broken("a key in quotes")
            self._take(":")
            if self._peek() == "[":
                yield from self._array(key)
            else:
                self._value()
            if self._peek() == "}":
                return
            self._take(",")

    def _array(self, key: str) -> Iterator[Element]:
        self._take("[")
        if self._peek() == "]":
            self._take("]")
            return
        while True:
            value, start, size = self._value()
            yield key, value, start, size
            if self._peek() == "]":
                self._take("]")
                return
            self._take(",")

    def _value(self) -> tuple[Any, int, int]:
        """The value that begins here, its place and its size."""
        self._peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except (ValueError, RecursionError) as error:
                if not self._may_go_on(error) or not self._more():
                    raise self._broken("a value") from None
                continue
            if end == len(self._text) and not self._is_whole:  # a number may go on
                self._more()
                continue
            break
        text, start = self._text[self._at : end], self._first + self._at
        self._at = end
        if not text.isascii():
            try:
                value = json.loads(text.encode("latin-1"))
            except UnicodeDecodeError:
                raise self._broken("text in UTF-8") from None
        return value, start, end - (start - self._first)

    def _peek(self) -> str:
        """The next letter that is no space; "" at the end of the file."""
        while True:
            while self._at < len(self._text):
                if self._text[self._at] not in _SPACE:
                    return self._text[self._at]
                self._at += 1
            if not self._more():
                return ""

    def _take(self, letter: str) -> None:
        if self._peek() != letter:
            raise self._broken(repr(letter))
        self._at += 1

    def _more(self) -> bool:
        """Read on; as much again as is waiting, so that a large value is not looked at too often."""
        self._text, self._first, self._at = self._text[self._at :], self._first + self._at, 0
        return self._read(max(_BLOCK, len(self._text)))

    def _read(self, size: int = _BLOCK) -> bool:
        block = self._file.read(size)
        self._text += block.decode("latin-1")
        self._is_whole = not block
        return bool(block)

    def _may_go_on(self, error: Exception) -> bool:
        """Whether a value that cannot be read may only lack its end, which is still in the file."""
        if not isinstance(error, json.JSONDecodeError) or len(self._text) - self._at > _LONGEST_VALUE:
            return False
        return error.msg.startswith("Unterminated string") or error.pos > len(self._text) - _LONGEST_WORD

    def _broken(self, expected: str) -> DataError:
        got = self._text[self._at : self._at + 20] or "the end of the file"
        at = self._first + self._at
        return DataError(f"JSON, byte {at}", expected=expected, got=repr(got), where=self._where)
