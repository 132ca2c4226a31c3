"""TLS of the server: its certificate and key, and the authority of its clients' where they must have one.

The files may be replaced while the server runs: new connections get what is there then, those that are open stay.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from artifact.errors import UsageError
from serving.embedded.access.changing_file import ChangingFiles
from serving.embedded.access.secrecy import tell_if_shared
from serving.embedded.options import ServerOptions


@dataclass(frozen=True)
class Pem:
    """Contents of the files, checked to belong together.

    Attributes:
        certificate, key: of the server; the certificate may be followed by those that lead to its authority.
        client_ca: of the authorities of clients; None takes clients without certificates.
        context: the same, for connections of Python's.
    """

    certificate: bytes
    key: bytes
    client_ca: bytes | None
    context: ssl.SSLContext


class ServerTls:
    """The TLS that options ask for.

    Raises:
        UsageError: a file that cannot be read, is no PEM, or does not belong to the other.
    """

    def __init__(self, certificate: Path, key: Path, client_ca: Path | None, report: Callable[[str], None]) -> None:
        self._certificate, self._key, self._client_ca, self._report = certificate, key, client_ca, report
        files = tuple(path for path in (certificate, key, client_ca) if path is not None)
        self._files = ChangingFiles(files, self._read, report, what="TLS certificate")

    @property
    def pem(self) -> Pem:
        """What the files hold; the same object until they change."""
        return self._files.value

    @property
    def needs_client(self) -> bool:
        """Whether clients must show a certificate."""
        return self._client_ca is not None

    def context(self) -> ssl.SSLContext:
        """A context for one listener: each new connection gets what the files hold then, its clients' authority too."""
        context = _context(needs_client=self.needs_client)
        self._load(context)
        if self.pem.client_ca is not None:
            context.load_verify_locations(cadata=self.pem.client_ca.decode())

        def newest(connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, of: ssl.SSLContext) -> None:
            connection.context = self.pem.context

        context.sni_callback = newest  # called for clients that name no host too
        return context

    def _read(self) -> Pem:
        certificate, key = _pem("tls_cert", self._certificate), _pem("tls_key", self._key)
        client_ca = None if self._client_ca is None else _pem("tls_client_ca", self._client_ca)
        context = _context(needs_client=self.needs_client)
        try:
            self._load(context)
        except ssl.SSLError as error:
            raise UsageError(
                "tls_key",
                expected=f"the key of {self._certificate}",
                got=error.reason or str(error),
                where=self._key,
            ) from None
        if client_ca is not None:
            try:
                context.load_verify_locations(cadata=client_ca.decode())
            except (ssl.SSLError, UnicodeDecodeError):
                raise UsageError(
                    "tls_client_ca", expected="certificates of authorities", got="none", where=self._client_ca
                ) from None
        tell_if_shared(self._key, self._report, what="the key")
        return Pem(certificate, key, client_ca, context)

    def _load(self, context: ssl.SSLContext) -> None:
        """The password is that of no key: else one that is encrypted would be asked for at the terminal."""
        context.load_cert_chain(self._certificate, self._key, password="")


def _context(*, needs_client: bool) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if needs_client:
        context.verify_mode = ssl.CERT_REQUIRED
        context.options |= ssl.OP_NO_TICKET  # who comes back with a ticket shows no certificate
        context.num_tickets = 0
    return context


def server_tls(options: ServerOptions) -> ServerTls | None:
    """The TLS of options; None without. Raises UsageError, as ServerTls."""
    if options.tls_cert is None or options.tls_key is None:
        return None
    client_ca = None if options.tls_client_ca is None else Path(options.tls_client_ca)
    return ServerTls(Path(options.tls_cert), Path(options.tls_key), client_ca, options.report)


def _pem(option: str, path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(option, expected="a PEM file", got=error.strerror or str(error), where=path) from None
    if b"-----BEGIN " not in data:
        raise UsageError(option, expected="a PEM file", got="another format", where=path)
    return data
