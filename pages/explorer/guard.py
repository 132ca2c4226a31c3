"""Who may ask the page's server anything: those who have the address that was printed, and pages of that address.

Decisions a reader would question:
- The token is the first part of the path, so every request of the page carries it by being relative, and a page of
  another origin, which does not know it, can make the browser ask for nothing.
- Host must be this machine's own name with the port: a name of somebody else's that resolves to 127.0.0.1 (DNS
  rebinding) is refused. A POST must come from a page of this origin, and every browser says where it comes from.
  Browsers leave out port 80, and that alone.
- Whatever is wrong, the answer is the same 403, and says nothing.
- No answer is kept by the browser, and no address, which holds the token, is told to anybody (Referrer-Policy).
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

TOKEN_BYTES = 32
HTTP_PORT = 80
NAMES = ("127.0.0.1", "localhost", "[::1]")
_SAFE_METHODS = (b"GET", b"HEAD")
_BARE_POLICY = b"default-src 'none'; frame-ancestors 'none'; sandbox"
HEADERS = (
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)


def new_token() -> str:
    """One that nobody can guess, of letters that stand in an address."""
    return secrets.token_urlsafe(TOKEN_BYTES)


class Guard:
    """An ASGI application that lets through what may be asked, without the token in its path.

    Args:
        app: gets the rest of the path; sets its own Content-Security-Policy where it is a page.
        token: as `new_token` makes it.
    """

    def __init__(self, app: App, token: str) -> None:
        self._app, self._token = app, token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            raise RuntimeError(f"no {scope['type']} here")

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [*message.get("headers", ()), *HEADERS]
                if not any(name == b"content-security-policy" for name, _ in headers):
                    headers.append((b"content-security-policy", _BARE_POLICY))
                message = {**message, "headers": headers}
            await send(message)

        rest = self._rest_of(scope)
        if rest is None:
            await _answer(send_guarded, 403, b"Forbidden\n")
        elif rest == "":
            await _answer(send_guarded, 307, b"", (b"location", b"/" + self._token + b"/"))
        else:
            below = {**scope, "path": rest, "raw_path": rest.encode("utf-8", "surrogateescape"), "root_path": ""}
            await self._app(below, receive, send_guarded)

    def _rest_of(self, scope: Scope) -> str | None:
        """The path after the token, "" where not even a slash follows; None where this may not be asked."""
        path: str = scope["path"]
        first, slash, rest = path.removeprefix("/").partition("/")
        if not secrets.compare_digest(first.encode("utf-8", "surrogateescape"), self._token):
            return None
        hosts = [_with_port(host.lower()) for host in _values(scope, b"host")]
        allowed = {f"{name}:{scope['server'][1]}" for name in NAMES}
        if len(hosts) != 1 or hosts[0] not in allowed:
            return None
        origins = _values(scope, b"origin")
        is_own = [_with_port(origin) for origin in origins] == [f"http://{hosts[0]}"]
        if origins and not is_own:
            return None
        if scope["method"].encode() not in _SAFE_METHODS and not is_own:
            return None
        return slash + rest


def _with_port(name: str) -> str:
    """A name of this machine, or an origin of it, with the port that a browser leaves out."""
    return f"{name}:{HTTP_PORT}" if name.removeprefix("http://") in NAMES else name


def _values(scope: Scope, wanted: bytes) -> list[str]:
    return [value.decode("latin-1") for name, value in scope["headers"] if name == wanted]


async def _answer(send: Send, status: int, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    length = (b"content-length", str(len(body)).encode())
    kind = (b"content-type", b"text/plain; charset=utf-8")
    await send({"type": "http.response.start", "status": status, "headers": [length, kind, *headers]})
    await send({"type": "http.response.body", "body": body})
