"""Single requests over REST, one test a request and a server: what real Triton says, and what the embedded server says.

The rows lie in tests/shared/conformance/over_rest; those whose servers differ say why.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from serving.embedded.server import Server
from tests.shared.conformance.over_rest.differences import TABLES
from tests.shared.conformance.rest import exchange
from tests.shared.conformance.served import publish_models
from tests.shared.triton_server import TritonServer, unavailable

CASES = {f"{table}: {name}": case for table, rows in TABLES.items() for name, case in rows.items()}


@pytest.fixture(scope="module", params=["embedded", "triton"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """(name, HOST:PORT of the HTTP port) of one of the two servers over a repository of its own."""
    if request.param == "triton" and (reason := unavailable()):
        pytest.skip(f"real Triton cannot run here: {reason}")
    repository = publish_models(tmp_path_factory.mktemp(request.param))
    if request.param == "triton":
        with TritonServer(repository) as triton:
            yield "triton", triton.http_url
    else:
        with Server(repository, grpc_port=0, http_port=0) as server:
            yield "embedded", str(server.http_url)


@pytest.mark.parametrize("name", CASES)
def test_request_over_rest_is_answered(url: tuple[str, str], name: str) -> None:
    """The status, the headers that matter, and the body to the value, or the very words of the refusal."""
    server, address = url
    case = CASES[name]
    sent = case.request
    status, headers, body = exchange(address, sent.method, sent.path, sent.body, sent.headers)
    case.expected(server).require(status, headers, body)
