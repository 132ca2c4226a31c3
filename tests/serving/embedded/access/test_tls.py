"""TLS of the server: both fronts, clients' certificates, files that are wrong, and a certificate that is replaced."""

from __future__ import annotations

import http.client
import socket
import ssl
import subprocess
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
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
    other: Pair


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
        other,
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


def test_replaced_authority_of_clients_counts_from_then_on(files: Files, tmp_path: Path) -> None:
    """On both fronts: who was known is a stranger to new connections, a ticket of an old one helps nobody."""
    authority = tmp_path / "clients.pem"
    authority.write_bytes(files.authority.certificate.read_bytes())
    pair = {"tls_cert": str(files.server.certificate), "tls_key": str(files.server.key)}
    with Server(files.repository, grpc_port=0, http_port=0, tls_client_ca=str(authority), **pair) as server:
        for is_live in (grpc_is_live, http_is_live):
            assert is_live(server, files.authority, files.client)
            assert not is_live(server, files.authority, files.stranger)
        authority.write_bytes(files.other.certificate.read_bytes())
        for is_live in (grpc_is_live, http_is_live):
            eventually(lambda is_live=is_live: is_live(server, files.authority, files.stranger), "the new authority")
            assert not is_live(server, files.authority, files.client)


def test_open_connections_outlive_a_replaced_certificate(files: Files, tmp_path: Path) -> None:
    """Requests go on over what is open; nobody is cut off."""
    pair = Pair(tmp_path / "server.pem", tmp_path / "server.key")
    for path, source in ((pair.certificate, files.server.certificate), (pair.key, files.server.key)):
        path.write_bytes(source.read_bytes())
    context = ssl.create_default_context(cafile=str(files.authority.certificate))
    with serving(files, pair=pair) as server:
        host, _, port = str(server.http_url).rpartition(":")
        connection = http.client.HTTPSConnection(host, int(port), timeout=WAIT_S, context=context)
        credentials = grpc.ssl_channel_credentials(files.authority.certificate.read_bytes())
        with grpc.secure_channel(server.url, credentials) as channel, closing(connection):
            stub = services.GRPCInferenceServiceStub(channel)

            def both_answer() -> bool:
                connection.request("GET", "/v2/health/live")
                response = connection.getresponse()
                response.read()
                live = stub.ServerLive(messages.ServerLiveRequest(), timeout=WAIT_S).live
                return response.status == 200 and bool(live) and connection.sock is not None

            assert both_answer()
            other = make_authority(tmp_path, "next")
            make_certificate(tmp_path, "server", other)
            eventually(lambda: http_is_live(server, other), "the new certificate")
            assert both_answer()


def test_broken_replacement_leaves_what_there_was(files: Files, tmp_path: Path) -> None:
    """A certificate without its key, half written or gone: the old one is served, and a line says why."""
    pair = Pair(tmp_path / "server.pem", tmp_path / "server.key")
    for path, source in ((pair.certificate, files.server.certificate), (pair.key, files.server.key)):
        path.write_bytes(source.read_bytes())
    lines: list[str] = []
    options = {"tls_cert": str(pair.certificate), "tls_key": str(pair.key), "report": lines.append}
    with Server(files.repository, grpc_port=0, http_port=0, **options) as server:
        pair.certificate.write_bytes(files.client.certificate.read_bytes()[:100])
        eventually(lambda: http_is_live(server, files.authority) and "what was read before stays" in lines[-1], "told")
        assert grpc_is_live(server, files.authority)


def test_old_protocols_are_refused(files: Files) -> None:
    """TLS 1.2 and later; what a client asks below that gets no connection."""
    with serving(files) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        for url in (server.url, str(server.http_url)):
            host, _, port = url.rpartition(":")
            refused = pytest.raises((ssl.SSLError, ConnectionError))
            with socket.create_connection((host, int(port)), timeout=WAIT_S) as plain, refused:
                context.wrap_socket(plain).close()


def test_key_that_wants_a_password_is_refused_without_asking(files: Files, tmp_path: Path) -> None:
    """Nobody is at the terminal of a server."""
    key = tmp_path / "locked.key"
    command = ["openssl", "ec", "-aes256", "-passout", "pass:x", "-in", str(files.server.key), "-out", str(key)]
    subprocess.run(command, check=True, capture_output=True)
    with pytest.raises(UsageError, match="tls_key: expected the key of"):
        Server(files.repository, tls_cert=str(files.server.certificate), tls_key=str(key))


def test_key_that_everybody_may_read_is_told_of(files: Files, tmp_path: Path) -> None:
    """It is used all the same."""
    key, lines = tmp_path / "shared.key", []
    key.write_bytes(files.server.key.read_bytes())
    key.chmod(0o644)
    Server(files.repository, tls_cert=str(files.server.certificate), tls_key=str(key), report=lines.append).stop()
    assert lines == [f"the key {key} may be read by everybody on this machine; chmod o= {key}"]


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
