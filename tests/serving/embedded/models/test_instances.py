"""Sessions of one model for runs at the same time, and the one for runs that come one at a time."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from artifact.repository.triton_config import read_config, write_config
from artifact.repository.tuning import TUNING_PARAMETER
from serving.embedded.models import instances
from serving.embedded.models.instances import Pool
from serving.embedded.server import Server
from serving.embedded.tuning.tune import tune
from tests.shared.tiny_artifact import publish_tiny
from tests.shared.tuned_models import measured_as_two_instances
from tests.shared.waiting import eventually

FEEDS: dict[str, Any] = {"image": np.zeros((1, 2, 2, 3), np.uint8)}


class Session:
    """Counts its runs, each of which waits until `open` is set."""

    def __init__(self) -> None:
        self.num_runs = 0
        self.open = threading.Event()
        self.open.set()

    def run(self, feeds: Mapping[str, Any]) -> Mapping[str, Any]:
        self.num_runs += 1
        assert self.open.wait(30)
        return feeds


@pytest.fixture
def sessions() -> list[Session]:
    return [Session() for _ in range(3)]


@pytest.fixture
def shared(sessions: list[Session]) -> Pool:
    """Two sessions for runs at the same time; the third is for those alone."""
    return Pool(sessions[:2], alone=sessions[2])


def test_runs_one_at_a_time_go_to_the_session_of_all_cores(shared: Pool, sessions: list[Session]) -> None:
    """The first four are no sign yet."""
    for _ in range(10):
        shared.run(FEEDS)
    assert sessions[2].num_runs == 6
    assert sessions[0].num_runs + sessions[1].num_runs == 4


def test_runs_at_the_same_time_share_the_cores_out(shared: Pool, sessions: list[Session]) -> None:
    """While one runs on all cores the next does not; after two that overlapped it takes five in turn again."""
    for _ in range(5):
        shared.run(FEEDS)
    assert sessions[2].num_runs == 1
    sessions[2].open.clear()
    with ThreadPoolExecutor(2) as pool:
        alone = pool.submit(shared.run, FEEDS)
        eventually(lambda: sessions[2].num_runs == 2, "a run alone")
        shared.run(FEEDS)
        sessions[2].open.set()
        alone.result(30)
    for _ in range(4):
        shared.run(FEEDS)
    assert sessions[2].num_runs == 2
    shared.run(FEEDS)
    assert sessions[2].num_runs == 3


def test_run_that_fails_is_over(shared: Pool, sessions: list[Session]) -> None:
    """What comes after it comes alone too."""

    def fail(_: Any) -> Any:
        raise ValueError("broken")

    for session in sessions:
        session.run = fail  # type: ignore[method-assign]
    for _ in range(8):
        with pytest.raises(ValueError, match="broken"):
            shared.run(FEEDS)
    assert shared._num_running == 0


@pytest.mark.parametrize(("is_measured", "count"), [(True, 3), (False, 2)])
def test_only_what_was_measured_has_one_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_measured: bool, count: int
) -> None:
    """Who names a count of instances in the config gets no copy of the weights that was not asked for."""
    measured_as_two_instances(monkeypatch)
    monkeypatch.setattr(instances, "available_cores", lambda: 2)
    publish_tiny(tmp_path)
    tune(tmp_path, "tiny")
    if not is_measured:
        config = read_config(tmp_path / "tiny" / "config.pbtxt")
        config.parameters.pop(f"{TUNING_PARAMETER}cpu")
        write_config(tmp_path / "tiny" / "config.pbtxt", config)
    with Server(tmp_path, grpc_port=0) as server:
        engines = server._store.find("tiny")._engines  # type: ignore[attr-defined]
        assert (engines.count, len(engines.all)) == (2, count)
