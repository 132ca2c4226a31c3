"""Conformance over REST of the embedded server and of NVIDIA's tritonserver: the checks of test_triton_grpc.py.

Single requests of REST's own lie in test_rest_requests.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.shared.conformance import answers, cases, parameters, refusals, versions
from tests.shared.conformance.fronts import SERVERS, conforms, served_by
from tests.shared.conformance.rest import can_be_told
from tests.shared.conformance.served import TIMEOUT_S, Served, publish_models, require_unchanged

pytestmark = pytest.mark.filterwarnings("ignore:Corrupt EXIF data:UserWarning")
IDS = {"": "[request id: <id_unknown>] ", "a7": "[request id: a7] "}
TOLD = [name for name, case in cases.CASES.items() if can_be_told(case.message(""))]
CHECKS = (*answers.CHECKS, *parameters.CHECKS, *refusals.CHECKS, *versions.CHECKS)


@pytest.fixture(scope="module", params=SERVERS)
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One of the two servers, which serves the whole module."""
    with served_by(request.param, "rest", tmp_path_factory.mktemp(request.param)) as connection:
        yield connection


@pytest.mark.parametrize("name", TOLD)
def test_wrong_request_is_refused_in_tritons_words(served: Served, name: str) -> None:
    """Those of the table that REST has words for, with binary data, with a request id and without."""
    case = cases.CASES[name]
    for id_, prefix in IDS.items():
        message = case.message(id_)
        got = served.refusal(lambda message=message: served.stub.ModelInfer(message, timeout=TIMEOUT_S))
        assert got == (case.status, case.text.replace("{prefix}", prefix))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_server_conforms(served: Served, check: Callable[[Served], None]) -> None:
    """Each check of tests/shared/conformance holds; its docstring says what it is."""
    conforms(served, check)


def test_served_repository_is_as_published(served: Served, tmp_path: Path) -> None:
    """Serving changed no file of the models that stayed as they were."""
    require_unchanged(served.repository, publish_models(tmp_path))
