"""The places where a Scorer is tested: this process, the embedded server, and Triton where that can run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.shared.serving_urls import SCORING_PLACES, Place, scoring_place


@pytest.fixture(scope="module", params=SCORING_PLACES)
def place(request: pytest.FixtureRequest, repository: Path) -> Iterator[Place]:
    """One of them, with the module's models."""
    with scoring_place(request.param, repository) as place:
        yield place
