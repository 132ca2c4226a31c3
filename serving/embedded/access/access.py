"""The access to one server, as its options state it: checked before anything listens."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from artifact.errors import UsageError
from serving.embedded.access.browsers import require_hosts, require_origins
from serving.embedded.access.listening import is_this_machine, require_safe
from serving.embedded.access.tls import ServerTls, server_tls
from serving.embedded.access.tokens import Tokens
from serving.embedded.options import ServerOptions


@dataclass(frozen=True)
class Access:
    """What every front of a server asks.

    Attributes:
        tls: None serves in the clear.
        tokens: None asks for none.
        local_only: whether the server is reached from its machine only.
    """

    tls: ServerTls | None
    tokens: Tokens | None
    local_only: bool


def access_of(options: ServerOptions) -> Access:
    """The access that options state; raises UsageError for files that are wrong, or an address that others reach."""
    if (options.tls_cert is None) != (options.tls_key is None):
        raise UsageError("tls_cert, tls_key", expected="a certificate and its key", got="one of them")
    if options.tls_client_ca is not None and options.tls_cert is None:
        raise UsageError("tls_client_ca", expected="a certificate of the server too", got="none", mend="--tls-cert")
    require_hosts(options.allowed_hosts)
    require_origins(options.allow_origins)
    require_safe(options.host, has_tls=options.tls_cert is not None, insecure=options.insecure)
    tokens = None if options.tokens is None else Tokens(Path(options.tokens), options.report)
    return Access(server_tls(options), tokens, is_this_machine(options.host))
