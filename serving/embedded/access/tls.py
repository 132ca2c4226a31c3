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
from serving.embedded.options import ServerOptions


@dataclass(frozen=True)
class Pem:
    """Contents of the files, checked to belong together.

    Attributes:
        certificate, key: of the server; the certificate may be followed by those that lead to its authority.
        client_ca: of the authorities of clients; None takes clients without certificates.
    """

    certificate: bytes
    key: bytes
    client_ca: bytes | None


class ServerTls:
    """The TLS that options ask for.

    Raises:
        UsageError: a file that cannot be read, is no PEM, or does not belong to the other.
    """

    def __init__(self, certificate: Path, key: Path, client_ca: Path | None, report: Callable[[str], None]) -> None:
        self._certificate, self._key, self._client_ca = certificate, key, client_ca
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
        """A context of what the files hold now; `refresh` keeps it so."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self._client_ca is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(cadata=(self.pem.client_ca or b"").decode())
        context.load_cert_chain(self._certificate, self._key)
        return context

    def refresh(self, context: ssl.SSLContext) -> None:
        """Let new connections of a context have a certificate that has been replaced and is sound."""
        if self.pem is not getattr(context, "pem", None):
            context.load_cert_chain(self._certificate, self._key)
            context.pem = self.pem  # type: ignore[attr-defined]

    def _read(self) -> Pem:
        certificate, key = _pem("tls_cert", self._certificate), _pem("tls_key", self._key)
        client_ca = None if self._client_ca is None else _pem("tls_client_ca", self._client_ca)
        trial = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            trial.load_cert_chain(self._certificate, self._key)
        except ssl.SSLError as error:
            raise UsageError(
                "tls_key",
                expected=f"the key of {self._certificate}",
                got=error.reason or str(error),
                where=self._key,
            ) from None
        if client_ca is not None:
            try:
                trial.load_verify_locations(cadata=client_ca.decode())
            except (ssl.SSLError, UnicodeDecodeError):
                raise UsageError(
                    "tls_client_ca", expected="certificates of authorities", got="none", where=self._client_ca
                ) from None
        return Pem(certificate, key, client_ca)


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
