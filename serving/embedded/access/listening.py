"""The address that a server listens on: this machine alone, unless it is said how others are kept out."""

from __future__ import annotations

import ipaddress
import socket

from artifact.errors import UsageError


def is_this_machine(host: str) -> bool:
    """Whether an address, or every address that a name stands for, is reached from this machine only."""
    found = _addresses(host.strip("[]"))
    return bool(found) and all(map(_is_loopback, found))


def require_safe(host: str, *, has_tls: bool, insecure: bool) -> None:
    """Raise UsageError for an address that others reach, unless they are met by TLS or it is said out loud.

    Args:
        host: an address, or a name of one; one that stands for nothing is left to whoever listens on it.
        has_tls: whether the server has a certificate.
        insecure: whether it may serve in the clear.
    """
    if has_tls or insecure or not _addresses(host.strip("[]")) or is_this_machine(host):
        return
    raise UsageError(
        "host",
        expected="an address of this machine only, as 127.0.0.1, or TLS",
        got=f"{host!r}, which others reach, in the clear",
        where="--host",
        mend="--tls-cert FILE --tls-key FILE, or --insecure where the network keeps others out",
    )


def _addresses(host: str) -> list[str]:
    try:
        return sorted({str(found[4][0]) for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)})
    except (OSError, UnicodeError):
        return []


def _is_loopback(address: str) -> bool:
    ip = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(ip, "ipv4_mapped", None)
    return bool((mapped or ip).is_loopback)
