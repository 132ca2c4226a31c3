"""TLS of the server: both fronts, clients' certificates, files that are wrong, and a certificate that is replaced."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from tritonclient.grpc import service_pb2 as messages
from tritonclient.grpc import service_pb2_grpc as services

from artifact.errors import UsageError
from serving.embedded.server import Server
from tests.shared.secure_server import Pair, make_authority, make_certificate, unavailable
from tests.shared.tiny_artifact import publish_tiny
from tests.shared.waiting import WAIT_S, eventually

pytestmark = pytest.mark.skipif(unavailable() is not None, reason=str(unavailable()))


@dataclass(frozen=True)
class Files:
    repository: Path
    authority: Pair
    server: Pair
    client: Pair
    stranger: Pair


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("tls")
    publish_tiny(folder / "repository")
    authority, other = make_authority(folder, "authority"), make_authority(folder, "other")
    return Files(
        folder / "repository",
        authority,
        make_certificate(folder, "server", authority),
        make_certificate(folder, "client", authority),
        make_certificate(folder, "stranger", other),
    )


@contextmanager
def serving(files: Files, *, pair: Pair | None = None, client_ca: bool = False) -> Iterator[Server]:
    pair = pair or files.server
    options = {"tls_client_ca": str(files.authority.certificate)} if client_ca else {}
    with Server(
        files.repository,
        grpc_port=0,
        http_port=0,
        tls_cert=str(pair.certificate),
        tls_key=str(pair.key),
        **options,
    ) as server:
        yield server


def grpc_is_live(server: Server, authority: Pair, client: Pair | None = None) -> bool:
    """Whether a gRPC client that trusts an authority gets an answer."""
    credentials = grpc.ssl_channel_credentials(
        authority.certificate.read_bytes(),
        client and client.key.read_bytes(),
        client and client.certificate.read_bytes(),
    )
    with grpc.secure_channel(server.url, credentials) as channel:
        try:
            stub = services.GRPCInferenceServiceStub(channel)
            return bool(stub.ServerLive(messages.ServerLiveRequest(), timeout=WAIT_S).live)
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.UNAVAILABLE:
                raise
            return False


def http_is_live(
    server: Server, authority: Pair, client: Pair | None = None, version: ssl.TLSVersion | None = None
) -> bool:
    """Likewise over HTTPS."""
    context = ssl.create_default_context(cafile=str(authority.certificate))
    if client is not None:
        context.load_cert_chain(client.certificate, client.key)
    if version is not None:
        context.minimum_version = context.maximum_version = version
    host, _, port = str(server.http_url).rpartition(":")
    connection = http.client.HTTPSConnection(host, int(port), timeout=WAIT_S, context=context)
    try:
        connection.request("GET", "/v2/health/live")
        return connection.getresponse().status == 200
    except (ssl.SSLError, ConnectionError, http.client.RemoteDisconnected):
        return False
    finally:
        connection.close()


def test_both_fronts_are_served_over_tls(files: Files) -> None:
    """To who trusts the authority, and to nobody else; nothing is answered in the clear."""
    with serving(files) as server:
        assert grpc_is_live(server, files.authority)
        assert http_is_live(server, files.authority)
        assert not grpc_is_live(server, files.stranger)
        assert not http_is_live(server, files.stranger)
        with grpc.insecure_channel(server.url) as channel, pytest.raises(grpc.RpcError):
            services.GRPCInferenceServiceStub(channel).ServerLive(messages.ServerLiveRequest(), timeout=WAIT_S)
        assert http_is_live(server, files.authority, version=ssl.TLSVersion.TLSv1_2)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_old_versions_of_tls_are_refused(files: Files) -> None:
    """1.1 and before."""
    with serving(files) as server:
        assert not http_is_live(server, files.authority, version=ssl.TLSVersion.TLSv1_1)


def test_mutual_tls_asks_for_a_certificate_of_the_authority(files: Files) -> None:
    """None, or one of another's, gets no answer."""
    with serving(files, client_ca=True) as server:
        assert grpc_is_live(server, files.authority, files.client)
        assert http_is_live(server, files.authority, files.client)
        assert not grpc_is_live(server, files.authority)
        assert not http_is_live(server, files.authority)
        assert not grpc_is_live(server, files.authority, files.stranger)
        assert not http_is_live(server, files.authority, files.stranger)


def test_replaced_certificate_is_served(files: Files, tmp_path: Path) -> None:
    """To new connections, of both fronts, without a restart."""
    other = make_authority(tmp_path, "next")
    pair = Pair(tmp_path / "server.pem", tmp_path / "server.key")
    for path, source in ((pair.certificate, files.server.certificate), (pair.key, files.server.key)):
        path.write_bytes(source.read_bytes())
    with serving(files, pair=pair) as server:
        assert grpc_is_live(server, files.authority)
        assert http_is_live(server, files.authority)
        make_certificate(tmp_path, "server", other)
        eventually(lambda: grpc_is_live(server, other), "gRPC's new certificate")
        eventually(lambda: http_is_live(server, other), "HTTP's new certificate")
        assert not grpc_is_live(server, files.authority)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"tls_cert": "server.pem"}, "expected a certificate and its key, got one of them"),
        ({"tls_key": "server.key"}, "expected a certificate and its key, got one of them"),
        ({"tls_client_ca": "authority.pem"}, "expected a certificate of the server too"),
        ({"tls_cert": "server.pem", "tls_key": "client.key"}, "tls_key: expected the key of"),
        ({"tls_cert": "nope.pem", "tls_key": "server.key"}, "tls_cert: expected a PEM file, got No such file"),
        ({"tls_cert": "server.pem", "tls_key": "names"}, "tls_key: expected a PEM file, got another format"),
        (
            {"tls_cert": "server.pem", "tls_key": "server.key", "tls_client_ca": "names"},
            "tls_client_ca: expected a PEM",
        ),
    ],
)
def test_wrong_files_are_refused_at_the_start(files: Files, options: dict[str, str], text: str) -> None:
    """In one line, before anything is loaded."""
    folder = files.server.certificate.parent
    with pytest.raises(UsageError) as refused:
        Server(files.repository, **{name: str(folder / value) for name, value in options.items()})
    assert text in str(refused.value)
    assert "\n" not in str(refused.value)
