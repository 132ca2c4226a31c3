"""The origin of a request that came over HTTP: its headers, its client, and the headers that its answer gets."""

from __future__ import annotations

from collections.abc import Mapping


class HttpOrigin:
    """One call.

    Args:
        headers: of the request, names in lower case.
        client: host and port, where the system knows them.

    Attributes:
        told: headers for the answer.
    """

    transport = "http"
    __slots__ = ("_client", "_headers", "told")

    def __init__(self, headers: Mapping[str, str], client: tuple[str, int] | None) -> None:
        self._headers, self._client = headers, client
        self.told: tuple[tuple[str, str], ...] = ()

    def peer(self) -> str:
        return "{}:{}".format(*self._client) if self._client else ""

    def headers(self) -> Mapping[str, str]:
        return self._headers

    def tell(self, name: str, value: str) -> None:
        if value.isascii() and value.isprintable():
            self.told = (*self.told, (name, value))
