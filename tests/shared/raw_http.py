"""HTTP over a bare socket: what is sent is sent as it is, and answers are read one by one."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from tests.shared.waiting import WAIT_S

INFER = "/v2/models/tiny/infer"
LIVE = b"GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"
PIXELS = bytes(range(192))
"""One image of a tiny artifact."""


def infer_request(*, body: bytes = PIXELS, headers: str = "") -> bytes:
    """A raw request for the vectors of one image."""
    lines = f"POST {INFER} HTTP/1.1\r\nHost: localhost\r\nInference-Header-Content-Length: 0\r\n{headers}"
    return f"{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body


@dataclass(frozen=True)
class RawResponse:
    """One answer; names of headers in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class RawConnection:
    """A connection to HOST:PORT; a context manager that closes it.

    Args:
        receive_bytes: size of the socket's buffer of what was not read yet; None leaves it to the system.
    """

    def __init__(self, url: str, *, receive_bytes: int | None = None) -> None:
        host, _, port = url.rpartition(":")
        self._socket = socket.socket()
        if receive_bytes is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self._socket.settimeout(WAIT_S)
        self._socket.connect((host, int(port)))
        self._file = self._socket.makefile("rb")

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def get(self, path: str = "/v2/health/live", *, version: str = "1.1", headers: str = "") -> RawResponse:
        """Ask for a path and read the answer."""
        self.send(f"GET {path} HTTP/{version}\r\nHost: localhost\r\n{headers}\r\n".encode())
        return self.response()

    def response(self, *, has_body: bool = True) -> RawResponse:
        """The next answer; fails where the connection ends first."""
        line = self._file.readline()
        assert line, "the connection ended without an answer"
        status, headers = int(line.split()[1]), {}
        while (line := self._file.readline()) not in (b"\r\n", b""):
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        length = int(headers.get("content-length", 0)) if has_body else 0
        return RawResponse(status, headers, self._file.read(length))

    def ends(self, *, look: bool = False) -> bool:
        """Whether the server ends the connection, with nothing more to read; waits for it.

        Args:
            look: leave what comes for `response`; a reset is an error then.
        """
        if look:
            return self._file.peek(1) == b""
        try:
            return self._file.read(1) == b""
        except ConnectionResetError:
            return True

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def __enter__(self) -> RawConnection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
