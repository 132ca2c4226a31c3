"""A repository for the tests of connections."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.shared.tiny_artifact import publish_tiny


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("connections") / "repository"
    publish_tiny(folder)
    return folder
