"""Conformance over gRPC of the embedded server and of NVIDIA's tritonserver: the same checks over the same repository.

The embedded half always runs. The other half is skipped, with the true reason, where real Triton cannot run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.shared.conformance import answers, parameters, refusals, versions
from tests.shared.conformance.fronts import SERVERS, conforms, served_by
from tests.shared.conformance.served import Served, publish_models, require_unchanged

# Pillow warns of a cut-off file in the process that reads it; an error here would be another reason than the server's.
pytestmark = pytest.mark.filterwarnings("ignore:Corrupt EXIF data:UserWarning")
CHECKS = (
    *answers.GRPC_CHECKS,
    *parameters.GRPC_CHECKS,
    *refusals.GRPC_CHECKS,
    *answers.CHECKS,
    *parameters.CHECKS,
    *refusals.CHECKS,
    *versions.CHECKS,  # last, for a failed load leaves Triton not ready for good
)


@pytest.fixture(scope="module", params=SERVERS)
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One of the two servers, which serves the whole module."""
    with served_by(request.param, "grpc", tmp_path_factory.mktemp(request.param)) as connection:
        yield connection


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_server_conforms(served: Served, check: Callable[[Served], None]) -> None:
    """Each check of tests/shared/conformance holds; its docstring says what it is."""
    conforms(served, check)


def test_served_repository_is_as_published(served: Served, tmp_path: Path) -> None:
    """Serving changed no file of the models that stayed as they were."""
    require_unchanged(served.repository, publish_models(tmp_path))
