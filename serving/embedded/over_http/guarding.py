"""The guards of an HTTP front, around its application: hosts, pages of other origins, tokens.

One place for every front that listens for HTTP: what it lets through is a request of a program, or of a page that may.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Any

from serving.embedded.access.browsers import cross_origin, preflight, refusal_of_host, refusal_of_origin
from serving.embedded.access.decisions import verdict
from serving.embedded.access.tokens import Right, Tokens
from serving.embedded.over_http.responses import Headers, Response, refused, send_response

_ONCE = frozenset((b"host", b"origin", b"sec-fetch-site", b"authorization", b"inference-header-content-length"))
"""Headers by which is decided: of two, somebody between us and the client may have seen the other."""

App = Callable[[Any, Any, Any], Awaitable[None]]


class GuardedApp:
    """An ASGI application behind its guards.

    Args:
        app: what answers.
        right_of: the right that a path needs; None for everybody.
        tokens: None asks nobody for one.
        local_only: whether the server is reached from its machine only.
        allowed_hosts, allow_origins: names and origins that are taken besides.
    """

    def __init__(
        self,
        app: App,
        *,
        right_of: Callable[[str], Right | None],
        tokens: Tokens | None,
        local_only: bool,
        allowed_hosts: Collection[str],
        allow_origins: Collection[str],
    ) -> None:
        self._app, self._right_of, self._tokens, self._local_only = app, right_of, tokens, local_only
        self._hosts = frozenset(host.lower() for host in allowed_hosts)
        self._origins = frozenset(allow_origins)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """ASGI; only for requests."""
        if scope["type"] != "http":
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        response = self._refusal(scope, headers)
        if response is not None:
            await send_response(send, response)
            return
        more = cross_origin(headers)
        await self._app(scope, receive, _with(more, send) if more else send)

    def _refusal(self, scope: Any, headers: dict[str, str]) -> Response | None:
        """What a request is told that does not get through; also a browser that only asks whether it may."""
        names = [name for name, _ in scope["headers"]]
        for name in _ONCE.intersection(names):
            if names.count(name) > 1:
                return refused(400, f"the header {name.decode()} stands there more than once")
        if text := refusal_of_host(headers, self._hosts, local_only=self._local_only):
            return refused(421, text)
        if text := refusal_of_origin(headers, self._origins):
            return refused(403, text)
        if scope["method"] == "OPTIONS" and "origin" in headers:
            return Response(204, (), preflight(headers))
        right = self._right_of(scope["raw_path"].decode("latin-1"))
        found = verdict(self._tokens, right, headers.get("authorization"))
        if found is None:
            return None
        if found.status == "PERMISSION_DENIED":
            return refused(403, found.value)
        return refused(401, found.value, (("www-authenticate", "Bearer"),))


def _with(more: Headers, send: Any) -> Any:
    """ASGI's send with headers of ours in front of the answer."""
    extra = [(name.encode(), value.encode("latin-1", "replace")) for name, value in more]

    async def sending(message: Any) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], *extra]}
        await send(message)

    return sending
