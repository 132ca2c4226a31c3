"""One server in a process of its own for all attacks of a file: what one of them breaks, the next one meets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.shared.attacked_server import AttackedServer, attacked_server
from tests.shared.tiny_artifact import publish_tiny


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AttackedServer]:
    folder = tmp_path_factory.mktemp("attacked")
    publish_tiny(folder)
    with attacked_server(folder) as server:
        yield server
