"""What browsers could be tricked into: other pages' requests, and names that were made to stand for this machine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from artifact.errors import UsageError
from serving.embedded.access.browsers import refusal_of_host, refusal_of_origin, require_hosts, require_origins
from serving.embedded.server import Server
from tests.shared.conformance.rest import exchange
from tests.shared.tiny_artifact import publish_tiny

PAGE = "https://shop.example"


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8000", "LOCALHOST", "127.0.0.1:8000", "127.1.2.3", "[::1]:8000", "localhost."]
)
def test_names_of_this_machine_are_taken(host: str) -> None:
    """With any port, in any case."""
    assert refusal_of_host({"host": host}, (), local_only=True) is None


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "10.0.0.1", "localhost.evil.example", "", "[::2]"]
)
def test_other_names_are_refused_on_this_machine(host: str) -> None:
    """Where one is allowed it is taken; where others reach the server every name is, unless some are listed."""
    assert refusal_of_host({"host": host}, (), local_only=True)
    assert refusal_of_host({"host": host}, (), local_only=False) is None
    assert refusal_of_host({"host": host}, ("other.example",), local_only=False)
    assert refusal_of_host({"host": "good.example:1"}, ("good.example",), local_only=True) is None


@pytest.mark.parametrize(
    ("headers", "is_refused"),
    [
        ({}, False),
        ({"sec-fetch-site": "none"}, False),
        ({"sec-fetch-site": "same-origin"}, False),
        ({"sec-fetch-site": "cross-site"}, True),
        ({"sec-fetch-site": "same-site"}, True),
        ({"origin": PAGE}, False),
        ({"origin": PAGE + ":8443"}, True),
        ({"origin": "null"}, True),
        ({"origin": "http://localhost:3000"}, True),
        ({"origin": PAGE, "sec-fetch-site": "cross-site"}, False),
    ],
)
def test_pages_of_strangers_are_refused(headers: dict[str, str], is_refused: bool) -> None:
    """A program says nothing of pages; an allowed origin is one to the letter."""
    assert bool(refusal_of_origin(headers, (PAGE,))) == is_refused


@pytest.mark.parametrize("host", ["*", "http://a.example", "a.example:8000", "a.example/", "", "a b", "::1"])
def test_hosts_that_no_request_names_are_refused(host: str) -> None:
    """They would be allowed in vain; there is none for all."""
    with pytest.raises(UsageError, match=r"allowed_hosts: expected names"):
        require_hosts([host])
    require_hosts(["a.example", "a_b", "10.0.0.1", "[::1]"])


@pytest.mark.parametrize(
    "origin", ["*", "null", "a.example", "https://a.example/", "https://*.example", "https://A.example", "https://"]
)
def test_origins_that_no_browser_sends_are_refused(origin: str) -> None:
    """Nor is there one that stands for all pages."""
    with pytest.raises(UsageError, match=r"allow_origins: expected origins"):
        require_origins([origin])
    require_origins(["https://a.example", "http://localhost:3000", "http://[::1]:80", "chrome-extension://abc"])


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("browsers")
    publish_tiny(folder)
    with Server(folder, grpc_port=0, http_port=0, allow_origins=[PAGE]) as server:
        yield str(server.http_url)


def test_server_refuses_rebinding(url: str) -> None:
    """421, whatever is asked, in JSON."""
    for method, path in (("GET", "/v2/health/live"), ("POST", "/v2/repository/models/tiny/unload")):
        status, _, body = exchange(url, method, path, headers={"Host": "evil.example"})
        assert (status, b"allowed_hosts" in body) == (421, True)
    assert exchange(url, "GET", "/v2/models/tiny/ready")[0] == 200


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_server_refuses_forms_of_other_pages(url: str, content_type: str) -> None:
    """What a browser sends without asking first reaches nothing."""
    headers = {"Origin": "https://evil.example", "Content-Type": content_type}
    assert exchange(url, "POST", "/v2/repository/models/tiny/unload", b"{}", headers)[0] == 403
    assert exchange(url, "GET", "/v2/models/tiny/ready")[0] == 200


def test_server_answers_an_allowed_page(url: str) -> None:
    """Its browser may ask first, and read the answer; another page's may not."""
    asked = {"Origin": PAGE, "Access-Control-Request-Method": "POST"}
    status, headers, _ = exchange(url, "OPTIONS", "/v2/models/tiny/infer", headers=asked)
    assert (status, headers["access-control-allow-origin"]) == (204, PAGE)
    assert "POST" in headers["access-control-allow-methods"]
    assert "inference-header-content-length" in headers["access-control-allow-headers"]
    status, headers, _ = exchange(url, "GET", "/v2", headers={"Origin": PAGE})
    assert (status, headers["access-control-allow-origin"], headers["vary"]) == (200, PAGE, "origin")
    status, headers, _ = exchange(url, "OPTIONS", "/v2", headers=asked | {"Origin": "https://evil.example"})
    assert (status, "access-control-allow-origin" in headers) == (403, False)
    assert "access-control-allow-origin" not in exchange(url, "GET", "/v2")[1]
