"""What browsers could be tricked into, refused: pages of strangers that talk to a server on their visitor's machine.

- DNS rebinding: a page's own name is made to stand for 127.0.0.1. Such a request names the page's host, not this one.
- Cross-origin: a page sends requests without asking first, as forms do. Browsers say whose page it was.

Programs send neither; nothing here is in their way.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Mapping

from artifact.errors import UsageError

Headers = tuple[tuple[str, str], ...]

_HOST = re.compile(r"[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\]", re.ASCII)
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://([a-z0-9_.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?", re.ASCII)
_EXPOSED = "inference-header-content-length, content-encoding, x-request-id"
_ALLOWED_HEADERS = "authorization, content-type, content-encoding, inference-header-content-length, x-request-id"
_MAX_AGE_S = "600"


def refusal_of_host(headers: Mapping[str, str], allowed: Collection[str], *, local_only: bool) -> str | None:
    """Why the host that a request names is not this server; None if it is.

    Args:
        allowed: names that it has besides those of this machine.
        local_only: whether it is reached from this machine only; else every name is taken, unless some are `allowed`.
    """
    if "host" not in headers or not (local_only or allowed):
        return None
    host = _hostname(headers["host"])
    if host in allowed or _is_this_machine(host):
        return None
    return "this server is not known by that host name (allowed_hosts)"


def refusal_of_origin(headers: Mapping[str, str], allowed: Collection[str]) -> str | None:
    """Why a page may not make a request; None if no page makes it, or one of an origin that may."""
    origin = headers.get("origin")
    if origin is not None:
        return None if origin in allowed else "pages of that origin may not use this server (allow_origins)"
    if headers.get("sec-fetch-site", "none") in ("none", "same-origin"):
        return None
    return "pages of other sites may not use this server (allow_origins)"


def require_hosts(hosts: Collection[str]) -> None:
    """Raise UsageError for what is no name of a host: with a scheme, a port or a path no request would ever fit."""
    for host in hosts:
        if not _HOST.fullmatch(host):
            raise UsageError(
                "allowed_hosts", expected="names as example.org, or [::1]", got=repr(host), where="--allowed-host"
            )


def require_origins(origins: Collection[str]) -> None:
    """Raise UsageError for what is no origin as browsers write them; `*` and `null` would be every page's."""
    for origin in origins:
        if not _ORIGIN.fullmatch(origin):
            raise UsageError(
                "allow_origins",
                expected="origins as https://example.org or http://localhost:3000, in small letters and without a path",
                got=repr(origin),
                where="--allow-origin",
            )


def preflight(headers: Mapping[str, str]) -> Headers:
    """What an allowed origin is told when its browser asks first."""
    return (
        *cross_origin(headers),
        ("access-control-allow-methods", "GET, POST"),
        ("access-control-allow-headers", _ALLOWED_HEADERS),
        ("access-control-max-age", _MAX_AGE_S),
    )


def cross_origin(headers: Mapping[str, str]) -> Headers:
    """What lets the page of an allowed origin read an answer; nothing for programs."""
    if "origin" not in headers:
        return ()
    return (
        ("access-control-allow-origin", headers["origin"]),
        ("access-control-expose-headers", _EXPOSED),
        ("vary", "origin"),
    )


def _hostname(host: str) -> str:
    """A host without its port, in lower case."""
    host = host.strip().lower()
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0].rstrip(".")


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
