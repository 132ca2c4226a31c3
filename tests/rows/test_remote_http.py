"""Images over http from servers that misbehave: bounded in bytes and time, and the reason is what happened."""

from __future__ import annotations

import os
import socket
import threading
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("aiohttp", reason="the extra `http` brings it")

from artifact.errors import DataError
from artifact.images.image_error import ImageError
from artifact.images.limits import too_many_bytes
from rows import location
from rows.images import ImageRef
from rows.location import locate
from rows.tables import open_table
from tests.shared.misbehaving_web import GOOD, MEANINGLESS, Web, misbehaving_web
from tests.shared.waiting import eventually

MAX_BYTES, TIMEOUT_S = 100_000, 0.6


@pytest.fixture
def web() -> Iterator[Web]:
    with misbehaving_web() as web:
        yield web


def read(url: str, *, timeout_s: float = 10.0) -> bytes:
    """What a row's image is, read as the readers do."""
    return ImageRef(path=locate(url)).read(MAX_BYTES, timeout_s=timeout_s)


def reason(url: str, *, timeout_s: float = 10.0) -> str:
    """Why there is none, without the URL, which it ends with."""
    with pytest.raises(ImageError) as caught:
        read(url, timeout_s=timeout_s)
    text, colon, place = str(caught.value).rpartition(f": {url}")
    assert colon, str(caught.value)
    assert not place
    return text


@pytest.mark.parametrize(
    "way",
    [
        "good",
        "no-length",
        "chunked",
        "gzip",
        "two-gzips",
        "deflate",
        "raw-deflate",
        "redirect",
        "busy-once",
        "limited-twice",
        "deflate-gzip",
        "chunked-gzip",
        "long-header",
    ],
)
def test_files_are_read_however_they_are_sent(web: Web, way: str) -> None:
    """Of any framing and packing, moved, or after a server was busy."""
    assert read(web.url + way) == GOOD


@pytest.mark.parametrize("number", range(len(MEANINGLESS)))
def test_encodings_that_are_no_packing_change_nothing(web: Web, number: int) -> None:
    """Words that people store with their files; the bytes decide."""
    assert read(f"{web.url}encoding-{number}") == GOOD


@pytest.mark.parametrize("way", ["endless", "endless-chunks", "endless-gzip", "large", "bomb"])
def test_no_more_is_read_than_may_be(web: Web, way: str) -> None:
    """Whatever the server says of lengths; little memory is taken, and the connection is closed."""
    assert reason(web.url + "404") == "no such file"  # loads what has to be loaded
    tracemalloc.start()
    try:
        assert reason(web.url + way) == too_many_bytes(MAX_BYTES + 1, MAX_BYTES)
        assert tracemalloc.get_traced_memory()[1] < 30 * MAX_BYTES
    finally:
        tracemalloc.stop()
    eventually(lambda: web.num_open == 0, "the connection is closed")


@pytest.mark.parametrize(
    ("way", "expected"),
    [
        ("400", "cannot be read (400 Some Words, the server did not understand)"),
        ("401", "cannot be read (401 Some Words, the server wants to know who asks)"),
        ("403", "cannot be read (403 Some Words, the server does not let us in)"),
        ("404", "no such file"),
        ("410", "cannot be read (410 Some Words, the server has the file no more)"),
        ("418", "cannot be read (418 Some Words, the server gave no file)"),
        ("204", "cannot be read (204 Some Words, the server gave no file)"),
        ("500", "cannot be read (500 Some Words, the server failed)"),
        ("507", "cannot be read (507 Some Words, the server failed)"),
        ("busy-for-an-hour", "cannot be read (429 Slow Down, the server has too many requests)"),
        ("always-busy", "cannot be read (503 Service Unavailable, the server takes no requests now)"),
        ("circle", "cannot be read (more than 10 redirects, one after the other)"),
        ("to-file", "cannot be read (a redirect to what is not http)"),
        ("to-nothing", "cannot be read (302 Found, the server gave no file)"),
        ("short", "cannot be read (the server broke off before the end)"),
        ("closing", "cannot be read (the server closed the connection without an answer)"),
        ("cut-gzip", "cannot be read (packed, and broken off before the end)"),
        ("false-gzip", "cannot be read (not packed as gzip, as the server says)"),
        ("zstd", "cannot be read (sent packed as 'zstd', which was not asked for)"),
        ("gzip-brotli", "cannot be read (sent packed as 'br', which was not asked for)"),
        ("endless-header", "cannot be read (the server's answer has a longer header than is read)"),
        ("brotli", "cannot be read (sent packed as 'br', which was not asked for)"),
    ],
)
def test_reasons_say_what_the_server_said(web: Web, way: str, expected: str) -> None:
    """The status, its words, or how the answer broke."""
    assert reason(web.url + way) == expected


def test_busy_servers_alone_are_asked_again(web: Web) -> None:
    """A few times; not where they say that it takes longer than there is time, and no other failure."""
    for way in ("always-busy", "busy-for-an-hour", "500", "403", "short"):
        reason(web.url + way)
    assert web.asked["always-busy"] == 4
    assert {web.asked[way] for way in ("busy-for-an-hour", "500", "403", "short")} == {1}


@pytest.mark.parametrize(("way", "got"), [("silent", "nothing came"), ("dripping", " bytes came")])
def test_deadline_ends_a_read(web: Web, way: str, got: str) -> None:
    """An answer that never begins or never ends; connection and task are gone, and no thread more is there."""
    reason(web.url + "404")
    threads = threading.active_count()
    before = time.monotonic()
    text = reason(web.url + way, timeout_s=TIMEOUT_S)
    assert time.monotonic() - before < 10
    assert got in text
    assert text.endswith(f" within {TIMEOUT_S:g} s; --read-timeout waits longer)")
    if way == "dripping":  # who sends nothing does not notice
        eventually(lambda: web.num_open == 0, "the connection is closed")
        assert threading.active_count() <= threads


def test_deadline_counts_waits_for_busy_servers(web: Web) -> None:
    """What is left of it is less than the next wait: the refusal is the reason."""
    web.ways["busy"] = lambda send: send(b"HTTP/1.1 503 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    assert reason(web.url + "busy", timeout_s=0.2) == "cannot be read (503 No, the server takes no requests now)"
    assert web.asked["busy"] == 1


def test_places_without_a_server_say_so(web: Web) -> None:
    """Nobody listens, no such host, TLS where there is none, and what is no http at all."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}/a.png"
    assert reason(nobody) == "cannot be read (connection refused)"
    assert reason("http://no-such-host.invalid/a.png") == "cannot be read (no such host)"
    assert "TLS" in reason(web.url.replace("http", "https") + "good")
    assert reason(web.url + "garbage") == "cannot be read (what answers speaks no http)"


def test_many_reads_at_a_time_share_the_time(web: Web) -> None:
    """Silent servers cost each read its deadline, and not one after the other."""
    urls = [f"{web.url}silent.{number}" for number in range(20)]
    found: list[str] = []
    before = time.monotonic()
    threads = [
        threading.Thread(target=lambda url=url: found.append(reason(url, timeout_s=TIMEOUT_S)))  # type: ignore[misc]
        for url in urls
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 20
    assert time.monotonic() - before < 8


def test_remote_paths_are_read_in_forked_processes(web: Web) -> None:
    """A path that was read before the fork, whose file system belongs to the parent."""
    ref = ImageRef(path=locate(web.url + "good"))
    assert ref.read() == GOOD
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:  # pragma: no cover
        os.write(writer, b"1" if ref.read(timeout_s=10) == GOOD else b"0")
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        assert file.read() == b"1"
    os.waitpid(pid, 0)


def test_tables_elsewhere_fail_in_one_line(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused, gone, silent, broken off or in no parts: what happened, where; a table is not read to see what it is."""
    monkeypatch.setattr(location, "_SILENCE_S", TIMEOUT_S)
    begun = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 999\r\n\r\nimage\na.png\nb.png\n"
    web.ways["stalling"] = lambda send: (send(begun), time.sleep(5 * TIMEOUT_S))  # type: ignore[assignment, func-returns-value]
    web.ways["broken"] = lambda send: send(begun)
    for name, got in {
        "403.csv": "403 Some Words, the server does not let us in",
        "500.tar": "500 Some Words, the server failed",
        "404.parquet": "nothing there",
        "silent.csv": "no answer in time",
        "stalling.csv": "no answer in time",
        "stalling.tar.gz": "no answer in time",
        "broken.csv": "the server broke off before the end",
        "endless.parquet": "the server gives files only whole; download it first",
        "circle.jsonl": "more than 10 redirects, one after the other",
    }.items():
        with pytest.raises(DataError) as caught:
            list(open_table(web.url + name).batches(9))
        assert str(caught.value) == f"table: expected a file that can be read, got {got} ({web.url}{name})"


def test_tables_are_not_ended_after_five_minutes_but_by_silence() -> None:
    """aiohttp's own limit of a whole request is off; the options of the user's fsspec files stay."""
    timeout = locate("http://localhost/a.csv").storage_options["client_kwargs"]["timeout"]  # type: ignore[union-attr]
    assert timeout.total is None
    assert 0 < timeout.sock_read <= 60
    assert 0 < timeout.sock_connect <= 60


def test_local_paths_are_untouched(tmp_path: Path) -> None:
    """A file of this machine knows no deadline."""
    (tmp_path / "a").write_bytes(GOOD)
    assert ImageRef(path=tmp_path / "a").read(timeout_s=1e-9) == GOOD
