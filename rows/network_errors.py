"""Errors of networks in our own words: what the server said, or why nothing came of it.

Each library has an error tree of its own, seldom with a base that Python knows; they are told by name, so that none is
imported for it.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator

SAID = {
    400: "the server did not understand",
    401: "the server wants to know who asks",
    403: "the server does not let us in",
    404: "the server has no such file",
    408: "the server waited too long",
    410: "the server has the file no more",
    429: "the server has too many requests",
    500: "the server failed",
    502: "a server behind the server failed",
    503: "the server takes no requests now",
    504: "a server behind the server did not answer in time",
}
HEADER_BYTES = 64 * 1024
"""Of one header that is read: some servers tell a whole security policy, or the tags of their caches."""

BUSY = (429, 502, 503, 504)
"""Worth trying again."""

_PACKAGES = ("aiohttp", "botocore", "aiobotocore", "gcsfs", "google", "requests", "urllib3", "httpx", "huggingface_hub")
_CLASSES = {
    "ClientConnectorCertificateError": "a certificate that is not trusted",
    "ClientConnectorSSLError": "no agreement on TLS, does it speak plain http://?",
    "ClientConnectorDNSError": "no such host",
    "ServerDisconnectedError": "the server closed the connection without an answer",
    "ClientPayloadError": "the server broke off before the end",
    "TooManyRedirects": "more than 10 redirects, one after the other",
    "NonHttpUrlRedirectClientError": "a redirect to what is not http",
    "InvalidUrlRedirectClientError": "a redirect to what is no URL",
    "InvalidUrlClientError": "not a URL",
    "InvalidURL": "not a URL",
    "NoCredentialsError": "no credentials for this place",
}
_NOT_HTTP = ("BadStatusLine", "BadHttpMessage", "BadHttpMethod", "InvalidHeader", "HttpProcessingError")
_NO_PARTS = "Cannot seek streaming HTTP file"
"""fsspec's own words."""
_MOST_CHARACTERS = 200


def is_network_error(error: BaseException) -> bool:
    """Whether an error comes from the operating system or from a library that reads from elsewhere."""
    if isinstance(error, ValueError) and _NO_PARTS in str(error):
        return True
    modules = {each.__module__.partition(".")[0] for each in type(error).__mro__}
    return isinstance(error, OSError) or not modules.isdisjoint(_PACKAGES)


def status_words(status: int, reason: str = "") -> str:
    """A status of HTTP: its number, the server's word for it, and ours."""
    plain = re.sub(r"[^\x20-\x7e]+", " ", reason).strip()[:60]
    said = SAID.get(status, "the server failed" if status >= 500 else "the server gave no file")
    return f"{status} {plain}, {said}" if plain else f"{status}, {said}"


def network_words(error: BaseException) -> str:
    """Why something could not be read, in one line."""
    if _NO_PARTS in str(error):
        return "the server gives files only whole; download it first"
    causes = list(_causes(error))
    if any(type(cause).__name__ == "LineTooLong" for cause in causes):
        return "the server's answer has a longer header than is read"
    for cause in causes:
        status = getattr(cause, "status", None)
        if type(cause.__cause__).__name__ in _NOT_HTTP:
            return "what answers speaks no http"
        if isinstance(status, int) and status >= 300 and status != 404:
            return status_words(status, str(getattr(cause, "message", "") or ""))
        known = next((_CLASSES[each.__name__] for each in type(cause).__mro__ if each.__name__ in _CLASSES), None)
        if known is not None:
            return known
        if isinstance(cause, socket.gaierror):
            return "no such host"
        if isinstance(cause, ConnectionRefusedError):
            return "connection refused"
        if isinstance(cause, ConnectionResetError):
            return "the server closed the connection"
        if isinstance(cause, TimeoutError):
            return "no answer in time"
    if isinstance(error, FileNotFoundError):
        return "nothing there"
    text = getattr(error, "strerror", None) or " ".join(str(error).split())
    if isinstance(error, PermissionError):
        return f"not permitted: {text[:_MOST_CHARACTERS]}" if text else "not permitted"
    return text[:_MOST_CHARACTERS] if text else type(error).__name__


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what lies under it: fsspec makes a file that is not there of most failures."""
    seen: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in seen:
        seen.append(cause)
        yield cause
        cause = getattr(cause, "os_error", None) or getattr(cause, "certificate_error", None) or cause.__cause__
