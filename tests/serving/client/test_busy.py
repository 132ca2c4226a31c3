"""A server that has too much to do is waited for: it is not away, and what it answered counts."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from artifact.errors import LookalikeError, TooLargeError, UnavailableError
from serving.client.connections.status import BUSY, QUEUE_FULL
from serving.client.scorer import Scorer
from serving.embedded.grpc_service import GrpcService
from tests.shared.scored_images import expected_vectors, publish_models, write_images
from tests.shared.secure_server import secure_server

MODEL = "triplet_branch"
RUNS_LIMIT = BUSY[1]


@dataclass
class Load:
    """What a server refuses, and with how much of its deadline left each request came."""

    refusals: int
    error: LookalikeError = field(default_factory=lambda: UnavailableError(QUEUE_FULL))
    metadata_refusals: int = 0
    left_s: list[float] = field(default_factory=list)

    def service(self) -> type[GrpcService]:
        """A service that refuses the first requests."""
        load, lock = self, threading.Lock()

        class Busy(GrpcService):
            def _infer(self, request: Any, context: grpc.ServicerContext) -> Any:
                with lock:
                    load.left_s.append(context.time_remaining())
                    is_refused = len(load.left_s) <= load.refusals
                if is_refused:
                    raise load.error
                return super()._infer(request, context)

            def ModelMetadata(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802  # gRPC's name
                with lock:
                    is_refused = load.metadata_refusals > 0
                    load.metadata_refusals -= is_refused
                if is_refused:
                    context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, RUNS_LIMIT)
                return super().ModelMetadata(request, context)

        return Busy


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    return publish_models(folder / "repository", folder / "files", models=[MODEL])


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_images(tmp_path_factory.mktemp("images"), 24)


def test_every_try_has_the_whole_deadline_and_waits_are_no_part_of_its_time(
    repository: Path, images: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused for three quarters of the deadline, the request is taken with all of it and not what is left."""
    monkeypatch.setattr("serving.client.connections.grpc_connection._FIRST_RETRY_S", 0.3)
    load = Load(refusals=2)
    with (
        secure_server(repository, service=load.service()) as port,
        Scorer(MODEL, url=f"127.0.0.1:{port}", send="pixels", timeout_s=1.2) as scorer,
    ):
        np.testing.assert_allclose(scorer.embed(images[:4]), expected_vectors(images[:4]), atol=1e-5)
        latency = scorer.latency()
    assert len(load.left_s) == 3
    assert load.left_s[2] > 0.9
    assert latency is not None
    assert latency.p99_s < 0.3  # the shortest wait


@pytest.mark.parametrize("error", [UnavailableError(QUEUE_FULL), TooLargeError(RUNS_LIMIT)])
def test_a_queue_that_stays_full_leaves_no_server_out(
    repository: Path, images: list[Path], monkeypatch: pytest.MonkeyPatch, error: LookalikeError
) -> None:
    """A connection that gave up asking is used again, without a word of a server that went away."""
    monkeypatch.setattr("serving.client.connections.grpc_connection._FIRST_RETRY_S", 3600.0)
    load, lines = Load(refusals=3, error=error), list[str]()
    with (
        secure_server(repository, service=load.service()) as port,
        Scorer(MODEL, url=f"127.0.0.1:{port}", send="pixels", batch_size=4, report=lines.append) as scorer,
    ):
        np.testing.assert_allclose(scorer.embed(images), expected_vectors(images), atol=1e-5)
        assert list(scorer.servers.values()) == ["answers"]
    assert lines == []
    assert len(load.left_s) == 3 + 6  # no answer was thrown away


@pytest.mark.parametrize("retry_s", [0, 0.2])
def test_patience_with_a_full_queue_ends_with_the_servers_words(
    repository: Path, images: list[Path], monkeypatch: pytest.MonkeyPatch, retry_s: float
) -> None:
    """After retry_s, as where a server is away."""
    monkeypatch.setattr("serving.client.connections.grpc_connection._FIRST_RETRY_S", 3600.0)
    with (
        secure_server(repository, service=Load(refusals=10**6).service()) as port,
        Scorer(MODEL, url=f"127.0.0.1:{port}", send="pixels", retry_s=retry_s) as scorer,
        pytest.raises(UnavailableError, match=f"^the server takes no requests now: got {QUEUE_FULL} "),
    ):
        scorer.embed(images)


def test_confirming_waits_for_a_busy_server(repository: Path) -> None:
    """It is asked until it has said which artifact answers; that it was busy is no news."""
    load, lines = Load(refusals=0), list[str]()
    with (
        secure_server(repository, service=load.service()) as port,
        Scorer(MODEL, url=f"127.0.0.1:{port}", report=lines.append) as scorer,
    ):
        load.metadata_refusals = 2
        scorer.confirm()
        assert load.metadata_refusals == 0
    assert lines == []


def test_no_deadline_at_all_waits_as_long_as_a_full_queue_lasts(repository: Path, images: list[Path]) -> None:
    """An infinite timeout_s is none, and not one that has passed."""
    load = Load(refusals=2)
    with (
        secure_server(repository, service=load.service()) as port,
        Scorer(MODEL, url=f"127.0.0.1:{port}", send="pixels", timeout_s=math.inf) as scorer,
    ):
        np.testing.assert_allclose(scorer.embed(images[:4]), expected_vectors(images[:4]), atol=1e-5)
    assert len(load.left_s) == 3
