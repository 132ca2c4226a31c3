"""Channels to model servers: their addresses, TLS, and the token that goes with every call.

A token is sent over TLS, or to this very machine; anywhere else whoever listens on the way could use it too. There is
one way to ask for TLS, the option: an address is HOST:PORT, without a scheme.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Sequence
from pathlib import Path

import grpc

from artifact.errors import UsageError
from serving.client.options import ScorerOptions

TOKEN_VARIABLE = "LOOKALIKE_TOKEN"

_OPTIONS = [
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.max_send_message_length", -1),  # as tritonclient; grpcio's own limit is 4 MiB
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_metadata_size", 64 * 1024),  # a line that names many bad images travels in a header
    ("grpc.use_local_subchannel_pool", 1),  # else a failed connect makes the next one fail unasked for a second
    ("grpc.enable_http_proxy", 0),  # a proxy for web pages is never the way to a model server
]


def metadata_of(options: ScorerOptions, address: str) -> list[tuple[str, str]]:
    """What goes with every call to HOST:PORT.

    Raises:
        UsageError: a token that is none, or one that others could read on its way.
    """
    token = os.environ.get(TOKEN_VARIABLE) if options.token is None else options.token
    if not token:
        return []
    source = TOKEN_VARIABLE if options.token is None else "token"
    if not re.fullmatch(r"[\x21-\x7e]+", token):  # never shown
        raise UsageError(source, expected="printable ASCII without spaces", got="something else")
    if options.tls is False and not _is_this_machine(address):
        raise UsageError(
            source,
            expected="TLS, to send a token to another machine",
            got="none",
            where=address,
            mend="turn TLS on, or leave the token out",
        )
    return [("authorization", f"Bearer {token}")]


def open_channel(options: ScorerOptions, address: str) -> grpc.Channel:
    """A channel to HOST:PORT; connects when it is used.

    Raises:
        UsageError: a file that cannot be read, or options that do not go together.
    """
    tls, certificate, key = options.tls, options.tls_certificate, options.tls_key
    if (certificate is None) != (key is None):
        raise UsageError("client certificate", expected="a certificate and its key", got="one of them", where=address)
    if tls is False:
        if certificate is not None:
            raise UsageError("client certificate", expected="TLS", got="none", where=address, mend="turn TLS on")
        return grpc.insecure_channel(address, options=_OPTIONS)
    credentials = grpc.ssl_channel_credentials(
        None if tls is True else _pem("authorities of TLS", tls),
        None if key is None else _pem("key of the client certificate", key),
        None if certificate is None else _pem("client certificate", certificate),
    )
    return grpc.secure_channel(address, credentials, options=_OPTIONS)


def parse_url(url: str) -> str:
    """HOST:PORT as it stands; raises UsageError for anything else, a scheme included."""
    match = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9_.-]+):(\d{1,5})", url)
    if match is None or not 0 < int(match[2]) < 65536:
        raise UsageError(
            f"url {url!r}", expected="HOST:PORT of the gRPC port, without a scheme", mend="for example localhost:8001"
        )
    return url


def parse_urls(urls: str | Sequence[str] | None) -> list[str]:
    """Addresses from `HOST:PORT,HOST:PORT` or a list of HOST:PORT; raises UsageError, also where one stands twice."""
    addresses = [parse_url(url) for url in (urls.split(",") if isinstance(urls, str) else urls or [])]
    if not addresses:
        raise UsageError("url", expected="HOST:PORT of a server, or several", got="none")
    for address in addresses:
        if addresses.count(address) > 1:
            raise UsageError("url", expected="every server once", got=f"{address} {addresses.count(address)} times")
    return addresses


def _pem(what: str, file: str | os.PathLike[str]) -> bytes:
    try:
        data = Path(file).read_bytes()
    except OSError as error:
        raise UsageError(what, expected="a PEM file", got=error.strerror or str(error), where=file) from None
    if b"-----BEGIN " not in data:
        raise UsageError(what, expected="a PEM file", got="another format", where=file)
    return data


def _is_this_machine(address: str) -> bool:
    host = address.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
