"""Kinds of answers over REST: what each must be, to the value; `require` says where an answer is another."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from tests.shared.conformance.over_rest.requests import PIXELS
from tests.shared.conformance.served import BRANCH, TOLERANCE

_HEAD = "inference-header-content-length"


class Told(Protocol):
    """What an answer must be."""

    def require(self, status: int, headers: dict[str, str], body: bytes) -> None:
        """Raises AssertionError."""

    def words(self) -> str:
        """One line of what it is, for the list of differences."""


@dataclass(frozen=True)
class Refused:
    """A status and the very text of its error; None for a refusal without a body."""

    status: int
    text: str | None

    def require(self, status: int, headers: dict[str, str], body: bytes) -> None:
        got = json.loads(body.decode("utf-8", "backslashreplace").replace("\\x", "\\\\x"))["error"] if body else None
        assert (status, got) == (self.status, self.text)

    def words(self) -> str:
        return f"{self.status}: {self.text}"


@dataclass(frozen=True)
class Vectors:
    """An answer with the vector of an image, in JSON or behind it.

    Attributes:
        id: that the answer carries.
        is_binary: as bytes behind the JSON.
        encoding: of the answer.
        pixels: of its image; None for that of `requests`.
    """

    id: str | None = None
    is_binary: bool = False
    encoding: str | None = None
    pixels: tuple[int, ...] | None = None

    def require(self, status: int, headers: dict[str, str], body: bytes) -> None:
        assert status == 200, body
        assert headers.get("content-encoding") == self.encoding
        if self.encoding is not None:
            body = zlib.decompress(body, 47)  # gzip or deflate
        answer, tail = _whole(headers, body, is_binary=self.is_binary)
        assert answer.get("id") == self.id
        assert (answer["model_name"], answer["model_version"]) == ("pets", "1")
        (output,) = answer["outputs"]
        assert (output["name"], output["datatype"], output["shape"]) == ("embedding", "FP32", [1, 4])
        got = np.frombuffer(tail, np.float32) if self.is_binary else np.array(output["data"])
        pixels = PIXELS if self.pixels is None else np.array(self.pixels, np.uint8).reshape(PIXELS.shape)
        np.testing.assert_allclose(got, BRANCH.outputs({"image": pixels})["embedding"][0], rtol=0, atol=TOLERANCE)
        if self.is_binary:
            assert output["parameters"] == {"binary_data_size": len(tail)}

    def words(self) -> str:
        called = f", id {self.id}" if self.id else ""
        return f"200: the answer{called}" + ("" if self.pixels is None else " for other pixels")


@dataclass(frozen=True)
class Classes:
    """The largest values of the vector with their places, as text."""

    count: int
    is_binary: bool = False

    def require(self, status: int, headers: dict[str, str], body: bytes) -> None:
        assert status == 200, body
        answer, tail = _whole(headers, body, is_binary=self.is_binary)
        (output,) = answer["outputs"]
        assert (output["datatype"], output["shape"]) == ("BYTES", [1, self.count])
        values = BRANCH.outputs({"image": PIXELS})["embedding"][0]
        places = np.argsort(-values)[: self.count]
        got = [one.decode() for one in _elements(tail)] if self.is_binary else output["data"]
        assert [int(one.partition(":")[2]) for one in got] == places.tolist()
        np.testing.assert_allclose(
            [float(one.partition(":")[0]) for one in got], values[places], rtol=0, atol=TOLERANCE
        )
        assert all(len(one.partition(":")[0].partition(".")[2]) == 6 for one in got)

    def words(self) -> str:
        return f"200: {self.count} classes"


@dataclass(frozen=True)
class Empty:
    """A status without a body."""

    status: int = 200

    def require(self, status: int, headers: dict[str, str], body: bytes) -> None:
        assert (status, body) == (self.status, b"")

    def words(self) -> str:
        return f"{self.status}, without a body"


@dataclass(frozen=True)
class Holds:
    """JSON that holds at least these fields, with these values or any (`...`); lists of as many."""

    value: Any

    def require(self, status: int, headers: dict[str, str], body: bytes) -> None:
        assert status == 200, body
        assert headers["content-type"] == "application/json"
        _require_holds(json.loads(body), self.value, "")

    def words(self) -> str:
        return "200: " + json.dumps(self.value, default=lambda _: "...")


def _whole(headers: dict[str, str], body: bytes, *, is_binary: bool) -> tuple[Any, bytes]:
    """The JSON of an answer and what lies behind it."""
    assert headers["content-type"] == ("application/octet-stream" if is_binary else "application/json")
    assert (_HEAD in headers) == is_binary
    length = int(headers.get(_HEAD, len(body)))
    return json.loads(body[:length]), body[length:]


def _elements(framed: bytes) -> list[bytes]:
    """The elements of BYTES on the wire."""
    elements = []
    while framed:
        size = 4 + int.from_bytes(framed[:4], "little")
        elements.append(framed[4:size])
        framed = framed[size:]
    return elements


def _require_holds(got: Any, expected: Any, where: str) -> None:
    if isinstance(expected, dict):
        for name, value in expected.items():
            assert name in got, f"{where}/{name}"
            _require_holds(got[name], value, f"{where}/{name}")
    elif isinstance(expected, list):
        assert len(got) == len(expected), where
        for index, value in enumerate(expected):
            _require_holds(got[index], value, f"{where}/{index}")
    elif expected is not ...:
        assert got == expected, where
