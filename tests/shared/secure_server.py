"""The embedded server's gRPC service behind TLS and a token, as someone might run it; certificates made by openssl."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from tritonclient.grpc.service_pb2_grpc import add_GRPCInferenceServiceServicer_to_server

from serving.embedded.models.store import ModelStore
from serving.embedded.options import ServerOptions, unreported
from serving.embedded.over_grpc.service import GrpcService


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


class TokenCheck(grpc.ServerInterceptor):  # type: ignore[misc]  # grpcio has no types
    """Refuses calls without the token."""

    def __init__(self, token: str) -> None:
        self._wanted = ("authorization", f"Bearer {token}")

        def refuse(request: Any, context: grpc.ServicerContext) -> None:
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "a token is needed")

        self._refusal = grpc.unary_unary_rpc_method_handler(refuse)

    def intercept_service(self, go_on: Callable[[Any], Any], call: Any) -> Any:
        return go_on(call) if self._wanted in call.invocation_metadata else self._refusal


@contextmanager
def secure_server(
    repository: Path,
    *,
    certificate: Pair | None = None,
    client_authority: Pair | None = None,
    token: str | None = None,
    service: type[GrpcService] = GrpcService,
    port: int = 0,
) -> Iterator[int]:
    """The port of a server: with a certificate over TLS, with an authority for clients that they must be known to."""
    store = ModelStore(repository, ServerOptions(threads=1))
    server = grpc.server(ThreadPoolExecutor(8), interceptors=[TokenCheck(token)] if token else [])
    add_GRPCInferenceServiceServicer_to_server(service(store, version="0", report=unreported), server)
    address = f"127.0.0.1:{port}"
    if certificate is None:
        port = server.add_insecure_port(address)
    else:
        authority = client_authority.certificate.read_bytes() if client_authority else None
        pair = (certificate.key.read_bytes(), certificate.certificate.read_bytes())
        credentials = grpc.ssl_server_credentials([pair], authority, client_authority is not None)
        port = server.add_secure_port(address, credentials)
    store.load_all()
    server.start()
    try:
        yield port
    finally:
        server.stop(0).wait()
        store.close()
