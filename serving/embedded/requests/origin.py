"""Where a request came from, as its transport knows it; asked only where somebody wants to know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Origin(Protocol):
    """The call that brought a request; `transport` is `grpc`, `stream` or `http`."""

    transport: str

    def peer(self) -> str:
        """The address of the client, as untrusted as all that clients send."""

    def headers(self) -> Mapping[str, str]:
        """Headers or metadata of the call, names in lower case."""

    def tell(self, name: str, value: str) -> None:
        """Send a header with the answer, where the transport still can."""


class Unknown:
    """The origin of requests that nobody sent."""

    transport = "none"

    def peer(self) -> str:
        return ""

    def headers(self) -> Mapping[str, str]:
        return {}

    def tell(self, name: str, value: str) -> None:
        """Nobody listens."""


UNKNOWN = Unknown()
