"""Who may ask the page's server: the token, the names of this machine, pages of its own origin; by raw requests."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from pages.explorer.guard import Guard, Message, Receive, Scope, Send
from tests.shared.served_digits import Asked, scored_digits, serving


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    """A server of twelve digits."""
    with serving(scored_digits(tmp_path_factory.mktemp("guarded"), num_rows=12)) as asked:
        yield asked


def test_guard_lets_the_printed_address_through(server: Asked) -> None:
    """The page itself, with all that keeps it to itself in its headers."""
    answer = server.get("")
    assert answer.status == 200
    assert b'<script type="application/json" id="facts">' in answer.body
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "connect-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/wrong/",
        "/wrong/blocks/ids",
        "//TOKEN/",
        "/TOKEN2/",
        "/TOKE/",
        "/token=TOKEN",
        "/?token=TOKEN",
        "/é/",
        "*",
    ],
)
def test_guard_refuses_without_the_token(server: Asked, target: str) -> None:
    """Without the very token in its place there is a bare 403, whatever is asked."""
    half = server.token[:-1]
    exact = target.replace("TOKEN", server.token).replace("TOKE", half).replace("é", "%C3%A9")
    answer = server.send("GET", exact)
    assert (answer.status, answer.body) == (403, b"Forbidden\n")


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:PORT", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example:PORT", "", "[::2]:PORT"],
)
def test_guard_refuses_other_names(server: Asked, host: str) -> None:
    """A page whose name was made to resolve to this machine cannot read a byte, even with the token."""
    answer = server.get("blocks/ids", Host=host.replace("PORT", str(server.port)))
    assert (answer.status, answer.body) == (403, b"Forbidden\n")


@pytest.mark.parametrize("host", ["127.0.0.1:PORT", "localhost:PORT", "LOCALHOST:PORT", "[::1]:PORT"])
def test_guard_knows_the_names_of_this_machine(server: Asked, host: str) -> None:
    """All names that this machine has for itself are good."""
    assert server.get("blocks/ids", Host=host.replace("PORT", str(server.port))).status == 200


async def _ok(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def _status(port: int, host: str, origin: str | None) -> int:
    """What a guard at a port answers to a POST, or a GET where there is no origin."""
    headers = [(b"host", host.encode()), *([(b"origin", origin.encode())] if origin else [])]
    method = "POST" if origin else "GET"
    scope = {"type": "http", "method": method, "path": "/t/tags", "server": ("127.0.0.1", port), "headers": headers}
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(Guard(_ok, "t")(scope, receive, send))
    status: int = sent[0]["status"]
    return status


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LocalHost", "[::1]", "127.0.0.1:80"])
def test_guard_knows_the_port_that_browsers_leave_out(host: str) -> None:
    """At port 80 neither Host nor Origin has it, and any of the two may."""
    name = host.lower().removesuffix(":80")
    assert _status(80, host, None) == 200
    assert _status(80, host, f"http://{name}") == _status(80, host, f"http://{name}:80") == 200
    assert _status(80, host, "http://evil.example") == _status(80, host, f"https://{name}") == 403


@pytest.mark.parametrize(
    ("port", "host", "origin"),
    [
        (8000, "127.0.0.1", "http://127.0.0.1"),
        (8000, "127.0.0.1:8000", "http://127.0.0.1"),
        (8000, "127.0.0.1:80", None),
        (80, "127.0.0.1:8000", None),
        (80, "evil.example", "http://evil.example"),
        (80, "127.0.0.1", "http://localhost"),
        (443, "127.0.0.1", None),
    ],
)
def test_guard_refuses_another_port(port: int, host: str, origin: str | None) -> None:
    """A name without a port is one with port 80, at which another program may answer."""
    assert _status(port, host, origin) == 403


def test_guard_refuses_two_hosts(server: Asked) -> None:
    """A request with two Host headers is not answered."""
    request = f"GET /{server.token}/ HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nHost: evil.example\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(request.encode())
        assert connection.recv(4096).split()[1] in (b"400", b"403")


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "https://127.0.0.1:PORT"])
@pytest.mark.parametrize("path", ["tags", "embed"])
def test_guard_refuses_posts_of_other_origins(server: Asked, origin: str, path: str) -> None:
    """What another page sends changes nothing; what it reads is refused as well."""
    named = origin.replace("PORT", str(server.port))
    assert server.post(path, {"rows": [0], "tag": "x"}, Origin=named).status == 403
    assert server.get("tags", Origin=named).status == 403
    assert not (Path(server.table.source) / "tags.parquet").exists()


def test_guard_refuses_posts_without_an_origin(server: Asked) -> None:
    """Every browser says where a POST comes from."""
    answer = server.send("POST", f"/{server.token}/tags", {}, b'{"rows": [0], "tag": "x"}')
    assert answer.status == 403


def test_guard_sends_the_address_without_its_slash_on(server: Asked) -> None:
    """An address that lost its last slash leads to the page, and to nothing else."""
    answer = server.send("GET", f"/{server.token}")
    assert (answer.status, answer.headers["location"]) == (307, f"/{server.token}/")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
def test_guard_takes_no_other_methods(server: Asked, method: str) -> None:
    """Nothing but GET and POST does anything; no preflight of another origin is answered."""
    own = {"Origin": server.origin}
    assert server.send(method, f"/{server.token}/tags", own).status in (405, 400)
    assert server.send(method, f"/{server.token}/tags", {"Origin": "http://evil.example"}).status in (403, 400)
