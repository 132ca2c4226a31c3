"""Queues as config.pbtxt states them, behind the embedded server and NVIDIA's tritonserver: the same checks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

# Before its import, so that its asserts say what they got.
pytest.register_assert_rewrite("tests.shared.conformance.queues")

from serving.embedded.server import Server  # noqa: E402
from tests.shared.conformance.queues import CHECKS, publish_queues  # noqa: E402
from tests.shared.conformance.served import Served, connected  # noqa: E402
from tests.shared.triton_server import TritonServer, unavailable  # noqa: E402


@pytest.fixture(scope="module", params=["embedded", pytest.param("triton", marks=pytest.mark.slow)])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A repository of `publish_queues` behind one of the two servers."""
    if request.param == "triton" and (reason := unavailable()):
        pytest.skip(f"real Triton cannot run here: {reason}")
    repository = publish_queues(tmp_path_factory.mktemp(request.param))
    with ExitStack() as stack:
        if request.param == "triton":
            url = stack.enter_context(TritonServer(repository)).grpc_url
        else:
            url = stack.enter_context(Server(repository, grpc_port=0)).url
        yield stack.enter_context(connected(url, repository))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_queues_conform(served: Served, check: Callable[[Served], None]) -> None:
    """See the check's own docstring."""
    check(served)
