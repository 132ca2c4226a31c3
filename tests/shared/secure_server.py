"""The embedded server with TLS and tokens, on gRPC alone, and with another service in it; certificates by openssl."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from serving.embedded.over_grpc import listener
from serving.embedded.over_grpc.service import GrpcService
from serving.embedded.server import Server


def unavailable() -> str | None:
    """Why no certificates can be made here; None if they can."""
    return None if shutil.which("openssl") else "no openssl command to make certificates with"


@dataclass(frozen=True)
class Pair:
    """PEM files of a certificate and of its key."""

    certificate: Path
    key: Path


def make_authority(folder: Path, name: str) -> Pair:
    """An authority that signs itself."""
    pair = Pair(folder / f"{name}.pem", folder / f"{name}.key")
    _openssl("req", "-x509", "-subj", f"/CN={name}", *_NEW_KEY, "-keyout", pair.key, "-out", pair.certificate)
    return pair


def make_certificate(folder: Path, name: str, authority: Pair, *, name_of: str = "IP:127.0.0.1") -> Pair:
    """A certificate of an authority for a host, `DNS:name` or `IP:address`."""
    pair, request, names = Pair(folder / f"{name}.pem", folder / f"{name}.key"), folder / "request", folder / "names"
    names.write_text(f"subjectAltName={name_of}")
    _openssl("req", "-subj", f"/CN={name}", *_NEW_KEY, "-keyout", pair.key, "-out", request)
    _openssl(
        "x509",
        "-req",
        "-in",
        request,
        "-CA",
        authority.certificate,
        "-CAkey",
        authority.key,
        "-extfile",
        names,
        "-set_serial",
        "7",
        "-out",
        pair.certificate,
    )
    return pair


_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def _openssl(*arguments: object) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


@contextmanager
def secure_server(
    repository: Path,
    *,
    certificate: Pair | None = None,
    client_authority: Pair | None = None,
    token: str | None = None,
) -> Iterator[int]:
    """The port of a server: with a certificate over TLS, with an authority for clients that they must be known to."""
    options: dict[str, str] = {}
    if certificate is not None:
        options |= {"tls_cert": str(certificate.certificate), "tls_key": str(certificate.key)}
    if client_authority is not None:
        options["tls_client_ca"] = str(client_authority.certificate)
    with tempfile.TemporaryDirectory() as folder:
        if token is not None:
            options["tokens"] = str(write_tokens(Path(folder) / "tokens", {token: "score,control"}))
        with Server(repository, grpc_port=0, threads=1, grace_s=0, **options) as server:
            yield server.port


@contextmanager
def served_by(service: type[GrpcService], repository: Path, *, port: int = 0) -> Iterator[int]:
    """The port of a server that answers by another service than its own."""
    with mock.patch.object(listener, "GrpcService", service):
        server = Server(repository, grpc_port=port, threads=1, grace_s=0)
    with server:
        yield server.port


def write_tokens(path: Path, tokens: Mapping[str, str]) -> Path:
    """A file of {token: rights}."""
    path.touch(mode=0o600)
    path.write_text("".join(f"{rights} {hash_of(token)}\n" for token, rights in tokens.items()))
    return path


def hash_of(token: str) -> str:
    """What stands in a file for a token."""
    return hashlib.sha256(token.encode()).hexdigest()
