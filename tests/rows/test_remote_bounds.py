"""The bounds of a remote read with file systems of fsspec other than http: asynchronous ones and blocking ones."""

from __future__ import annotations

import asyncio
import io
import time
from types import SimpleNamespace
from typing import Any

import fsspec
import pytest
from fsspec.asyn import AsyncFileSystem
from fsspec.spec import AbstractFileSystem

from artifact.images.image_error import ImageError
from artifact.images.limits import too_many_bytes
from rows.remote import read_remote

MAX_BYTES, TIMEOUT_S = 100_000, 0.3
ENDED: list[str] = []
"""What was closed or cancelled."""


class _Stream:
    def __init__(self, name: str) -> None:
        self._name, self._left = name, 3

    async def read(self, length: int) -> bytes:
        if self._name == "silent":
            try:
                await asyncio.sleep(20)
            except asyncio.CancelledError:
                ENDED.append("read")
                raise
        if self._name == "good":
            self._left -= 1
            return b"abc" if self._left else b""
        return b"x" * length

    async def close(self) -> None:
        ENDED.append(self._name)


class Streams(AsyncFileSystem):  # type: ignore[misc]
    """As s3fs: streams of objects."""

    protocol = "teststreams"
    cachable = False

    async def open_async(self, path: str, mode: str = "rb", **options: Any) -> _Stream:
        if path == "refused":
            raise PermissionError("Access Denied")
        if path == "gone":
            raise FileNotFoundError(path)
        return _Stream(path)


class Ranges(AsyncFileSystem):  # type: ignore[misc]
    """As gcsfs: ranges of objects."""

    protocol = "testranges"
    cachable = False

    async def _cat_file(self, path: str, start: int | None = None, end: int | None = None, **options: Any) -> bytes:
        if path == "silent":
            await asyncio.sleep(20)
        return b"abcabc" if path == "good" else b"x" * (end or 0)


class _Slow(io.BytesIO):
    def read(self, length: int | None = -1) -> bytes:
        time.sleep(TIMEOUT_S / 2)
        return b"x"


class Blocking(AbstractFileSystem):  # type: ignore[misc]
    """As sftp."""

    protocol = "testblocking"
    cachable = False

    def open(self, path: str, mode: str = "rb", **options: Any) -> io.BytesIO:
        return _Slow() if path == "silent" else io.BytesIO(b"abcabc" if path == "good" else b"x" * 10 * MAX_BYTES)


@pytest.fixture(autouse=True, scope="module")
def file_systems() -> None:
    """Known to fsspec, by names that nobody else has."""
    for each in (Streams, Ranges, Blocking):
        fsspec.register_implementation(each.protocol, each, clobber=True)


def read(protocol: str, name: str, timeout_s: float = TIMEOUT_S) -> bytes:
    path: Any = SimpleNamespace(protocol=protocol, path=name, storage_options={})
    return read_remote(path, max_bytes=MAX_BYTES, timeout_s=timeout_s)


@pytest.mark.parametrize("protocol", ["teststreams", "testranges", "testblocking"])
def test_remote_read_has_bounds(protocol: str) -> None:
    """A small file is read, an endless one given up, and a slow one at its deadline."""
    assert read(protocol, "good", 10) == b"abcabc"
    assert read(protocol, "good", float("inf")) == b"abcabc"
    with pytest.raises(ImageError, match=f"^{too_many_bytes(MAX_BYTES + 1, MAX_BYTES)}$"):
        read(protocol, "endless", 10)
    before = time.monotonic()
    with pytest.raises(ImageError, match=r"came within 0\.3 s; --read-timeout waits longer"):
        read(protocol, "silent")
    assert time.monotonic() - before < 5


def test_streams_are_ended_in_their_loop() -> None:
    """What is given up is cancelled there, and every stream is closed: nothing reads on."""
    ENDED.clear()
    for name in ("good", "endless", "silent"):
        try:
            read("teststreams", name)
        except ImageError:
            continue
    assert ENDED == ["good", "endless", "read", "silent"]


def test_refusals_of_object_stores_are_told_apart() -> None:
    """Nothing there, and not permitted."""
    with pytest.raises(FileNotFoundError):
        read("teststreams", "gone")
    with pytest.raises(ImageError, match=r"^cannot be read \(not permitted: Access Denied\)$"):
        read("teststreams", "refused")
