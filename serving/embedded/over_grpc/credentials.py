"""gRPC's credentials of a server, which follow its certificate where that is replaced."""

from __future__ import annotations

from typing import Any

import grpc

from serving.embedded.access.tls import Pem, ServerTls


def credentials(tls: ServerTls) -> Any:
    """Credentials that ask at every new connection whether the files have changed."""
    last = tls.pem

    def changed() -> Any:
        nonlocal last
        pem = tls.pem
        if pem is last:
            return None
        last = pem
        return _configuration(pem)

    return grpc.dynamic_ssl_server_credentials(_configuration(last), changed, tls.needs_client)


def _configuration(pem: Pem) -> Any:
    return grpc.ssl_server_certificate_configuration([(pem.key, pem.certificate)], pem.client_ca)
