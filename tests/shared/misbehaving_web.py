"""A web server on this machine that misbehaves in a way a path: each path of WAYS is one."""

from __future__ import annotations

import gzip
import socket
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

MEANINGLESS = ("utf-8", "aws-chunked", "Binary", "none", "8bit", "base64", "image/png", "identity,identity", "", ",")
"""What is said of a file's encoding where nothing was packed."""

Send = Callable[[bytes], None]

GOOD = bytes(range(256)) * 40
_END_S = 20.0
"""After which even what is endless ends, so that no thread of a failed test stays."""


def _answer(send: Send, status: str, *headers: str, body: bytes = b"", length: int | None = None) -> None:
    lines = [f"HTTP/1.1 {status}", "Connection: close", *headers]
    lines += [f"Content-Length: {len(body) if length is None else length}"] if length != -1 else []
    send("\r\n".join([*lines, "", ""]).encode() + body)


def served(body: bytes) -> Callable[[Send], None]:
    """A way that gives a file."""
    return lambda send: _answer(send, "200 OK", body=body)


def _encoded(word: str) -> Callable[[Send], None]:
    return lambda send: _answer(send, "200 OK", f"Content-Encoding: {word}", body=GOOD)


def _endless(send: Send, *headers: str, framed: Callable[[bytes], bytes] = bytes) -> None:
    _answer(send, "200 OK", *headers, length=-1)
    end = time.monotonic() + _END_S
    while time.monotonic() < end:
        send(framed(b"x" * 65536))


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _dripping(send: Send) -> None:
    _answer(send, "200 OK", length=100_000)
    end = time.monotonic() + _END_S
    while time.monotonic() < end:
        send(b"x")
        time.sleep(0.05)


def _silent(send: Send) -> None:
    time.sleep(_END_S)


class Web:
    """The server.

    Attributes:
        url: http://HOST:PORT/
        asked: how often each path was asked for.
        num_open: connections that are not closed.
    """

    def __init__(self) -> None:
        bomb = gzip.compress(bytes(20_000_000))
        self.asked: Counter[str] = Counter()
        self.num_open = 0
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"
        self.ways: dict[str, Callable[[Send], None]] = {
            "good": served(GOOD),
            "no-length": lambda send: _answer(send, "200 OK", body=GOOD, length=-1),
            "chunked": lambda send: _answer(
                send,
                "200 OK",
                "Transfer-Encoding: chunked",
                body=_chunk(GOOD[:5000]) + _chunk(GOOD[5000:]) + _chunk(b""),
                length=-1,
            ),
            "gzip": lambda send: _answer(send, "200 OK", "Content-Encoding: gzip", body=gzip.compress(GOOD)),
            "two-gzips": lambda send: _answer(
                send,
                "200 OK",
                "Content-Encoding: gzip",
                body=gzip.compress(GOOD[:77]) + gzip.compress(GOOD[77:]),
            ),
            "deflate": lambda send: _answer(send, "200 OK", "Content-Encoding: deflate", body=zlib.compress(GOOD)),
            "raw-deflate": lambda send: _answer(
                send, "200 OK", "Content-Encoding: deflate", body=zlib.compress(GOOD)[2:-4]
            ),
            "redirect": lambda send: _answer(send, "302 Found", f"Location: {self.url}good"),
            "busy-once": lambda send: (
                _answer(send, "503 Service Unavailable", "Retry-After: 0")
                if self.asked["busy-once"] < 2
                else _answer(send, "200 OK", body=GOOD)
            ),
            "limited-twice": lambda send: (
                _answer(send, "429 Too Many Requests", "Retry-After: 0")
                if self.asked["limited-twice"] < 3
                else _answer(send, "200 OK", body=GOOD)
            ),
            "endless": _endless,
            "endless-chunks": lambda send: _endless(send, "Transfer-Encoding: chunked", framed=_chunk),
            "endless-gzip": lambda send: _endless(
                send, "Content-Encoding: gzip", framed=lambda data: gzip.compress(b"")
            ),
            "large": lambda send: _answer(send, "200 OK", length=2**40),
            "bomb": lambda send: _answer(send, "200 OK", "Content-Encoding: gzip", body=bomb),
            "cut-gzip": lambda send: _answer(send, "200 OK", "Content-Encoding: gzip", body=gzip.compress(GOOD)[:40]),
            "false-gzip": lambda send: _answer(send, "200 OK", "Content-Encoding: gzip", body=GOOD),
            "brotli": lambda send: _answer(send, "200 OK", "Content-Encoding: br", body=GOOD),
            "deflate-gzip": lambda send: _answer(
                send, "200 OK", "Content-Encoding: deflate, gzip", body=gzip.compress(zlib.compress(GOOD))
            ),
            "chunked-gzip": lambda send: _answer(
                send, "200 OK", "Content-Encoding: aws-chunked,gzip", body=gzip.compress(GOOD)
            ),
            "gzip-brotli": lambda send: _answer(send, "200 OK", "Content-Encoding: gzip, br", body=GOOD),
            "zstd": lambda send: _answer(send, "200 OK", "Content-Encoding: ZSTD", body=GOOD),
            **{f"encoding-{number}": _encoded(word) for number, word in enumerate(MEANINGLESS)},
            "long-header": lambda send: _answer(send, "200 OK", "X-Policy: " + "p" * 20_000, body=GOOD),
            "endless-header": lambda send: _answer(send, "200 OK", "X-Policy: " + "p" * 200_000, body=GOOD),
            "short": lambda send: _answer(send, "200 OK", body=GOOD, length=2 * len(GOOD)),
            "dripping": _dripping,
            "silent": _silent,
            "closing": lambda send: None,
            "garbage": lambda send: send(b"SSH-2.0-OpenSSH_9.2\r\n"),
            "circle": lambda send: _answer(send, "302 Found", "Location: /circle"),
            "to-file": lambda send: _answer(send, "302 Found", "Location: file:///etc/passwd"),
            "to-nothing": lambda send: _answer(send, "302 Found"),
            "always-busy": lambda send: _answer(send, "503 Service Unavailable", "Retry-After: 0"),
            "busy-for-an-hour": lambda send: _answer(send, "429 Slow Down", "Retry-After: 3600"),
        }
        threading.Thread(target=self._accept, name="misbehaving-web", daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, self._counted(), suppress(OSError):
            request = b""
            while b"\r\n\r\n" not in request and (data := connection.recv(65536)):
                request += data
                if not request[:1].isalpha():  # TLS
                    _answer(connection.sendall, "400 Bad Request")
                    return
            path = request.split(b" ")[1].decode().lstrip("/").partition("?")[0].partition(".")[0]
            with self._lock:
                self.asked[path] += 1
            if path.isdecimal():
                _answer(connection.sendall, f"{path} Some Words", body=b"" if path == "204" else b"why")
            else:
                self.ways.get(path, lambda send: _answer(send, "404 Not Found"))(connection.sendall)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        with self._lock:
            self.num_open += 1
        try:
            yield
        finally:
            with self._lock:
                self.num_open -= 1


@contextmanager
def misbehaving_web() -> Iterator[Web]:
    """A server of one's own."""
    web = Web()
    try:
        yield web
    finally:
        web.close()
