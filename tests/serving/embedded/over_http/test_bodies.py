"""Bodies of HTTP requests: limits of size, time and room, and what packed bodies grow to."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from artifact.errors import UnavailableError
from serving.embedded.over_http.bodies import Disconnected, read_body, unpacked
from serving.embedded.over_http.responses import HttpRefusal
from serving.embedded.over_http.room import Held, Room


def body_of(parts: Sequence[bytes], *, length: str | None = None, limit: int = 1000, room: Room | None = None) -> bytes:
    """What is read of a request that comes in these parts."""
    messages = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    messages.append({"type": "http.request", "body": b"", "more_body": False})

    async def receive() -> Any:
        return messages.pop(0)

    headers = {} if length is None else {"content-length": length}
    with Held(room or Room(10_000)) as held:
        return asyncio.run(read_body(receive, headers, held, limit=limit, quiet_s=5))


def unpack(body: bytes, encoding: str, *, limit: int = 1000, room: Room | None = None) -> bytes:
    with Held(room or Room(10_000)) as held:
        return unpacked(body, encoding, held, limit=limit)


@pytest.mark.parametrize("parts", [[], [b"abc"], [b"a", b"", b"bc"]])
def test_body_is_its_parts(parts: list[bytes]) -> None:
    """However it is cut."""
    assert body_of(parts) == b"".join(parts)


@pytest.mark.parametrize("length", ["1001", "9" * 50])
def test_too_long_by_its_header_is_refused_unread(length: str) -> None:
    """Nothing is received."""
    with pytest.raises(HttpRefusal, match="larger than 1000 bytes") as refused:
        body_of([], length=length)
    assert refused.value.response.status == 413


@pytest.mark.parametrize("length", [None, "10", "-5", "x"])
def test_chunks_without_end_are_refused_as_they_come(length: str | None) -> None:
    """Whatever the header says."""
    with pytest.raises(HttpRefusal, match="larger than 1000 bytes"):
        body_of([b"x" * 600] * 2, length=length)


def test_silence_is_refused() -> None:
    """A part that does not come within the time."""

    async def receive() -> Any:
        await asyncio.sleep(30)

    with pytest.raises(HttpRefusal, match=r"nothing came for 0\.01 s") as refused, Held(Room(10)) as held:
        asyncio.run(read_body(receive, {}, held, limit=10, quiet_s=0.01))
    assert refused.value.response.status == 408


@pytest.mark.parametrize("first", [1, 100_000])
def test_byte_now_and_then_is_refused(first: int) -> None:
    """Each comes in time, and all together too slowly; much that came at once before is no leave to go on so."""
    parts = [b"x" * first]

    async def receive() -> Any:
        await asyncio.sleep(0.01)
        return {"type": "http.request", "body": parts.pop() if parts else b"x", "more_body": True}

    reading = Held(Room(10**6))
    with pytest.raises(HttpRefusal, match="less than 1000 bytes a second came") as refused, reading as held:
        asyncio.run(read_body(receive, {}, held, limit=10**6, quiet_s=0.1))
    assert refused.value.response.status == 408


def test_client_that_goes_away_is_answered_nothing() -> None:
    """Disconnected, and its bytes are given back."""
    messages = [{"type": "http.request", "body": b"ab", "more_body": True}, {"type": "http.disconnect"}]

    async def receive() -> Any:
        return messages.pop(0)

    room = Room(10)
    with pytest.raises(Disconnected), Held(room) as held:
        asyncio.run(read_body(receive, {}, held, limit=10, quiet_s=5))
    assert room.held == 0


def test_bodies_of_all_requests_share_their_room() -> None:
    """One alone may have more than the room; beside another one it is refused, and takes nothing."""
    room = Room(100)
    assert body_of([b"x" * 500], room=room) == b"x" * 500
    with Held(room) as other:
        other.add(60)
        assert body_of([b"x" * 40], room=room) == b"x" * 40
        with pytest.raises(UnavailableError, match="Exceeds maximum queue size"):
            body_of([b"x" * 30, b"x" * 30], room=room)
        assert room.held == 60
    assert room.held == 0


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_packed_bodies_are_unpacked(encoding: str, pack: Any) -> None:
    """gzip and deflate, of nothing too; without an encoding a body stays as it is."""
    for body in (b"", b"abc", bytes(1000)):
        assert unpack(pack(body), encoding) == body
        assert unpack(body, "") == unpack(body, "identity") == body


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 3_000_000])
@pytest.mark.parametrize("level", [0, 9])
def test_packed_bodies_of_any_length_are_whole(size: int, level: int) -> None:
    """Wherever the slices that are read at a time end: in a file, between two, or in the garbage behind them."""
    data = np.random.default_rng(0).integers(0, 256, size, np.uint8).tobytes()
    for encoding, packed in (("deflate", zlib.compress(data, level)), ("gzip", gzip.compress(data, level))):
        with Held(Room(10)) as held:
            assert unpacked(packed, encoding, held, limit=10**8) == data
        with Held(Room(10)) as held, pytest.raises(HttpRefusal, match="cut off"):
            unpacked(packed[:-1], encoding, held, limit=10**8)
    for behind in (b"", b"\x1f", b"garbage", bytes(70_000)):
        with Held(Room(10)) as held:
            assert unpacked(gzip.compress(data, level) * 3 + behind, "gzip", held, limit=10**8) == data * 3


def test_several_gzip_files_in_a_row_are_one_body() -> None:
    """As gzip itself reads them."""
    assert unpack(gzip.compress(b"ab", mtime=0) + gzip.compress(b"cd"), "gzip") == b"abcd"


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_bomb_is_refused_before_it_is_large(encoding: str, pack: Any) -> None:
    """64 MB of zeros in 64 KB: of the limit's size, and of the room beside others."""
    bomb = pack(bytes(64_000_000))
    with pytest.raises(HttpRefusal, match="larger than 1000 bytes"):
        unpack(bomb, encoding)
    room = Room(2_000_000)
    with Held(room) as other:
        other.add(1)
        with pytest.raises(UnavailableError):
            unpack(bomb, encoding, limit=10**9, room=room)
    assert room.held == 0


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
@pytest.mark.parametrize(
    "body", [b"no such thing", gzip.compress(bytes(500), mtime=0)[:-9], zlib.compress(b"ab" * 99)[:-5]]
)
def test_broken_packing_is_refused(encoding: str, body: bytes) -> None:
    """Cut off, or of another kind."""
    with pytest.raises(HttpRefusal, match=f"not {encoding}, or cut off"):
        unpack(body, encoding)


def test_unknown_encoding_names_the_known() -> None:
    """501, with the header that says which are taken."""
    with pytest.raises(HttpRefusal, match="Unsupported compression type") as refused:
        unpack(b"abc", "br")
    assert refused.value.response.status == 501
    assert ("accept-encoding", "gzip, deflate") in refused.value.response.headers
