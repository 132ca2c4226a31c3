"""TLS and tokens of clients, against the server's own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from artifact.errors import LookalikeError, ServerError, UnavailableError, UsageError
from serving.client.connections.channels import TOKEN_VARIABLE, metadata_of
from serving.client.options import ScorerOptions
from serving.client.scorer import Scorer
from tests.shared.scored_images import expected_vectors
from tests.shared.secure_server import Pair, make_authority, make_certificate, secure_server, unavailable

MODEL = "triplet_branch"

with_openssl = pytest.mark.skipif(unavailable() is not None, reason=unavailable() or "")
MODELS = [MODEL]
NUM_IMAGES = 12


@dataclass(frozen=True)
class Certificates:
    authority: Pair
    server: Pair
    client: Pair
    stranger: Pair


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    folder = tmp_path_factory.mktemp("certificates")
    authority, stranger = make_authority(folder, "authority"), make_authority(folder, "stranger")
    return Certificates(
        authority=authority,
        server=make_certificate(folder, "server", authority),
        client=make_certificate(folder, "client", authority),
        stranger=stranger,
    )


def check_embeds(images: list[Path], port: int, **options: Any) -> None:
    for send in ("pixels", "encoded"):
        with Scorer(MODEL, url=f"127.0.0.1:{port}", send=send, **options) as scorer:
            np.testing.assert_allclose(scorer.embed(images), expected_vectors(images), atol=1e-5)


def failure(port: int, **options: Any) -> LookalikeError:
    with pytest.raises(LookalikeError) as error:
        Scorer(MODEL, url=f"127.0.0.1:{port}", timeout_s=1, **options)
    return error.value


@with_openssl
def test_tls_with_an_authority_of_ones_own(repository: Path, images: list[Path], certificates: Certificates) -> None:
    """Vectors as ever; another authority, the system's, or no TLS at all, is a line that says so."""
    with secure_server(repository, certificate=certificates.server) as port:
        check_embeds(images, port, tls=certificates.authority.certificate)
        for tls in (certificates.stranger.certificate, True):
            error = failure(port, tls=tls)
            assert isinstance(error, UnavailableError)
            assert error.got == "a certificate that is not trusted"
        assert failure(port).got == "the connection was closed, does it want TLS?"
    with secure_server(repository) as port:
        assert failure(port, tls=True).got == "no TLS, is it off there?"


@with_openssl
def test_a_certificate_for_another_host_is_refused(
    tmp_path: Path, repository: Path, certificates: Certificates
) -> None:
    """However trusted its authority is."""
    other = make_certificate(tmp_path, "other", certificates.authority, name_of="DNS:example.org")
    with secure_server(repository, certificate=other) as port:
        error = failure(port, tls=certificates.authority.certificate)
        assert error.got == "a certificate for another host"


@with_openssl
def test_a_client_certificate_shows_who_asks(repository: Path, images: list[Path], certificates: Certificates) -> None:
    """A server that wants one takes no one without."""
    tls = certificates.authority.certificate
    with secure_server(
        repository, certificate=certificates.server, client_authority=certificates.authority, token="secret"
    ) as port:
        client = certificates.client
        check_embeds(images, port, tls=tls, tls_certificate=client.certificate, tls_key=client.key, token="secret")
        assert isinstance(failure(port, tls=tls, token="secret"), UnavailableError)


def test_a_token_goes_with_every_call(repository: Path, images: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """From the option, or from the environment; without it the server's refusal is one line, not tried again."""
    with secure_server(repository, token="s3cret/+=") as port:
        check_embeds(images, port, token="s3cret/+=")
        for token, why in (
            (None, "a token is needed: authorization: Bearer TOKEN"),
            ("wrong", "the token is not known"),
        ):
            error = failure(port, token=token)
            assert type(error) is ServerError
            assert str(error) == (
                f"the server wants to know who asks: got {why} (127.0.0.1:{port}); "
                "give it a token or a client certificate that it takes"
            )
        monkeypatch.setenv(TOKEN_VARIABLE, "s3cret/+=")
        check_embeds(images, port)
        assert type(failure(port, token="wrong")) is ServerError


@pytest.mark.parametrize("address", ["example.org:8001", "10.0.0.7:8001", "[2001:db8::1]:8001", "localhost.evil:8001"])
def test_a_token_is_not_sent_to_another_machine_without_tls(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused before anything is sent; the token stands in no message."""
    with pytest.raises(UsageError) as error:
        Scorer(MODEL, url=address, token="s3cret")
    assert str(error.value) == (
        f"token: expected TLS, to send a token to another machine, got none ({address}); "
        "turn TLS on, or leave the token out"
    )
    monkeypatch.setenv(TOKEN_VARIABLE, "s3cret")
    with pytest.raises(UsageError, match=f"^{TOKEN_VARIABLE}: expected TLS"):
        Scorer(MODEL, url=address)
    assert "s3cret" not in repr(ScorerOptions(url=address, token="s3cret"))


@pytest.mark.parametrize("address", ["localhost:1", "127.0.0.1:1", "127.3.2.1:1", "[::1]:1"])
def test_a_token_may_go_to_this_machine(address: str) -> None:
    """Nobody else listens on the way."""
    assert metadata_of(ScorerOptions(url=address, token="s3cret"), address) == [("authorization", "Bearer s3cret")]


def test_files_and_options_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    """One line each, naming the file or the option."""
    none, text = tmp_path / "none.pem", tmp_path / "text.pem"
    text.write_text("hello")
    cases: list[tuple[dict[str, Any], str]] = [
        ({"tls": none}, f"authorities of TLS: expected a PEM file, got No such file or directory ({none})"),
        ({"tls": text}, f"authorities of TLS: expected a PEM file, got another format ({text})"),
        (
            {"tls": True, "tls_key": text},
            "client certificate: expected a certificate and its key, got one of them (localhost:1)",
        ),
        (
            {"tls_certificate": text, "tls_key": text},
            "client certificate: expected TLS, got none (localhost:1); turn TLS on",
        ),
        ({"token": "two words"}, "token: expected printable ASCII without spaces, got something else"),
        ({"retry_s": -1}, "retry_s: expected 0 seconds or more, got -1"),
    ]
    for options, message in cases:
        with pytest.raises(UsageError) as error:
            Scorer(MODEL, url="localhost:1", **options)
        assert str(error.value) == message
    with pytest.raises(UsageError, match=r"^tls: expected a url to use it with, got a repository$"):
        Scorer(MODEL, repository=tmp_path, tls=True)
