"""Fixtures of the tests of tuning: a model to tune, and a measurement that is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.shared.tuned_models import measured_as_two_instances, publish_first_of_three


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """See `publish_first_of_three`."""
    return publish_first_of_three(tmp_path)


@pytest.fixture
def fast_measure(monkeypatch: pytest.MonkeyPatch) -> None:
    """See `measured_as_two_instances`."""
    measured_as_two_instances(monkeypatch)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder of the user."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"
