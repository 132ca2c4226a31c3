"""Servers that go away and come back: a pause and nothing else, unless another artifact comes back."""

from __future__ import annotations

import math
import re
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from tritonclient.grpc import service_pb2, service_pb2_grpc

from artifact.errors import ServerError, UnansweredError, UnavailableError, UsageError
from artifact.repository.publishing import remove
from serving.client.connections.fleet import Fleet
from serving.client.connections.grpc_connection import GrpcConnection
from serving.client.connections.patience import Backoff
from serving.client.options import ScorerOptions
from serving.client.scorer import Scorer
from serving.embedded.over_grpc.service import GrpcService
from serving.embedded.server import Server
from serving.protocol import DIGEST_IN_ANSWER
from tests.shared.scored_images import expected_vectors, publish_models
from tests.shared.secure_server import served_by
from tests.shared.serving_urls import ServerProcess, free_port

MODEL = "triplet_branch"
MODELS = [MODEL]
NUM_IMAGES = 60


def windows(images: list[Path], rows: int = 3) -> Iterator[dict[str, list[Path]]]:
    return ({"image": images[at : at + rows]} for at in range(0, len(images), rows))


def stacked(answers: list[Any]) -> np.ndarray:
    return np.concatenate([answer.columns["embedding"] for answer in answers])


def infer_counts(url: str) -> int:
    """Images that a server has run."""
    with grpc.insecure_channel(url) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        statistics = stub.ModelStatistics(service_pb2.ModelStatisticsRequest(name=MODEL), timeout=20)
    return sum(each.inference_count for each in statistics.model_stats)


def test_a_server_killed_and_started_again_costs_a_pause_and_nothing_else(tmp_path: Path, images: list[Path]) -> None:
    """Every row comes, in order, with the right vector, whatever the caller's report does; started again with another
    artifact it stops the stream."""
    models = publish_models(tmp_path / "repository", tmp_path / "files", models=[MODEL])
    lines: list[str] = []

    def report(line: str) -> None:
        lines.append(line)
        raise BrokenPipeError("whoever read this is gone")

    with ServerProcess(models) as server, Scorer(MODEL, url=server.url, batch_size=2, report=report) as scorer:
        answers = scorer.stream(windows(images))
        scored = [next(answers) for _ in range(3)]
        server.kill()
        with ThreadPoolExecutor(1) as pool:
            rest = pool.submit(list, answers)
            server.start()
            scored += rest.result(60)
        np.testing.assert_allclose(stacked(scored), expected_vectors(images), atol=1e-5)
        scorer.confirm()
        assert len(lines) == 2
        assert re.fullmatch(rf"server {server.url} went away \(.+\); asked again until it is back", lines[0])
        assert lines[1] == f"server {server.url} is back, with the same artifact"

        answers = scorer.stream(windows(images))
        next(answers)
        server.kill()
        remove(models, MODEL)
        publish_models(models, tmp_path / "files", seed=1, models=[MODEL])
        with ThreadPoolExecutor(1) as pool:
            rest = pool.submit(list, answers)
            server.start()
            with pytest.raises(ServerError) as error:
                rest.result(60)
        assert str(error.value).startswith(
            f"the server changed model '{MODEL}' meanwhile: expected version 1 with digest {scorer.digest[:12]}, "
            "got version 1 with digest "
        )


class NamelessService(GrpcService):
    """Answers as Triton does: with a version, without a digest."""

    def _infer(self, *call: Any) -> Any:
        response = super()._infer(*call)
        del response.parameters[DIGEST_IN_ANSWER]
        return response


@pytest.mark.parametrize("failing", [True, False])
def test_a_restart_is_noticed_where_answers_name_no_digest(
    repository: Path, tmp_path: Path, images: list[Path], monkeypatch: pytest.MonkeyPatch, failing: bool
) -> None:
    """The version is the same, the artifact another: whether or not a call failed between, ModelConfig tells."""
    monkeypatch.setattr("serving.client.connections.fleet_server._IDLE_S", 3600 if failing else 0)
    other = publish_models(tmp_path / "repository", tmp_path / "files", seed=1, models=[MODEL])
    with served_by(NamelessService, repository) as port:
        scorer = Scorer(MODEL, url=f"127.0.0.1:{port}", send="pixels")
        np.testing.assert_allclose(scorer.embed(images), expected_vectors(images), atol=1e-5)
    with scorer, ThreadPoolExecutor(1) as pool:
        if failing:
            waiting = pool.submit(scorer.embed, images)
            while "answers" in scorer.servers.values():
                assert not waiting.done()
        with served_by(NamelessService, other, port=port):
            if not failing:
                waiting = pool.submit(scorer.embed, images)
            with pytest.raises(ServerError, match=r"changed model .* got version 1 with digest"):
                waiting.result(30)


@pytest.mark.parametrize("retry_s", [3600, math.inf])
def test_closing_ends_a_pause_at_once(repository: Path, images: list[Path], retry_s: float) -> None:
    """However long the Scorer would have waited."""
    with Server(repository, grpc_port=0) as server:
        scorer = Scorer(MODEL, url=server.url, retry_s=retry_s)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(scorer.embed, images)
        while scorer.servers[server.url] == "answers":  # until the first call has failed
            assert not waiting.done()
        scorer.close()
        with pytest.raises(UnansweredError, match=r"^the (connection is closed|scorer was closed while it was used)"):
            waiting.result(20)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("lookalike-scorer")]


def test_patience_ends_with_the_reason(repository: Path, images: list[Path]) -> None:
    """A server that does not come back: the last failure, after retry_s."""
    with Server(repository, grpc_port=0) as server:
        patient, hasty = (Scorer(MODEL, url=server.url, retry_s=retry_s) for retry_s in (0.3, 0))
    for scorer in (patient, hasty):
        with scorer, pytest.raises(UnavailableError, match=f"{server.url}"):
            scorer.embed(images)


def test_a_server_that_cannot_be_asked_again_ends_the_calls(repository: Path, images: list[Path]) -> None:
    """A defect of ours in the thread that asks is one line, not a wait for nobody."""

    class Broken(GrpcConnection):
        def confirm(self, *, timeout_s: float | None = None) -> None:
            raise KeyError("broken")

    with Server(repository, grpc_port=0) as server:
        fleet = Fleet(MODEL, ScorerOptions(url=server.url), connect=Broken)
    with Scorer(MODEL, connection=fleet) as scorer, pytest.raises(ServerError) as error:
        scorer.embed(images)
    assert str(error.value) == f"asking a server again failed: got KeyError('broken') ({server.url})"


def test_files_answered_by_a_newer_version_are_noticed(tmp_path: Path, images: list[Path]) -> None:
    """The version that was asked for is still served, but NAME_encoded runs the newest; pixels are none the worse."""
    models = publish_models(tmp_path / "repository", tmp_path / "files", models=[MODEL])
    with Server(models, grpc_port=0) as server:
        files, pixels = (GrpcConnection(MODEL, ScorerOptions(url=server.url, version=1)) for _ in range(2))
        files.run_encoded({"image": [images[0].read_bytes()]})
        files.confirm()
        publish_models(models, tmp_path / "files", seed=1, models=[MODEL])
        config = models / MODEL / "config.pbtxt"
        text, count = re.subn(r"version_policy \{.*?\n\}", "version_policy { all {} }", config.read_text(), flags=re.S)
        assert count == 1
        config.write_text(text)
        with grpc.insecure_channel(server.url) as channel:
            stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
            stub.RepositoryModelLoad(service_pb2.RepositoryModelLoadRequest(model_name=MODEL), timeout=20)
        pixels.confirm()
        pixels.run_pixels({"image": np.zeros((1, 8, 8, 3), np.uint8)})
        with pytest.raises(UsageError, match="send pixels instead"):
            pixels.run_encoded({"image": [images[0].read_bytes()]})
        with pytest.raises(ServerError, match=r"changed model .*: expected version 1 .*, got version 2"):
            files.confirm()
        for connection in (files, pixels):
            connection.close()


def test_several_servers_share_the_work_and_one_that_is_killed_is_left_out(
    repository: Path, images: list[Path]
) -> None:
    """Both ran some; the rest goes to the one that is there; the other is taken back when it answers again."""
    with (
        Server(repository, grpc_port=0) as first,
        ServerProcess(repository) as second,
        Scorer(MODEL, url=f"{first.url},{second.url}", batch_size=2) as scorer,
    ):
        np.testing.assert_allclose(scorer.embed(images), expected_vectors(images), atol=1e-5)
        assert infer_counts(first.url) + infer_counts(second.url) == len(images)
        assert min(infer_counts(first.url), infer_counts(second.url)) > 0
        second.kill()
        for _ in range(2):
            np.testing.assert_allclose(scorer.embed(images), expected_vectors(images), atol=1e-5)
        assert scorer.servers[first.url] == "answers"
        assert scorer.servers[second.url].startswith("no server answers")
        scorer.confirm()
        second.start()
        while scorer.servers[second.url] != "answers":
            threading.Event().wait(0.01)
        np.testing.assert_allclose(scorer.embed(images), expected_vectors(images), atol=1e-5)
        assert infer_counts(second.url) > 0


def test_a_server_that_is_not_there_yet_is_taken_in_when_it_comes(repository: Path, images: list[Path]) -> None:
    """One of two is enough to begin with."""
    port = free_port()
    with (
        Server(repository, grpc_port=0) as first,
        Scorer(MODEL, url=[first.url, f"127.0.0.1:{port}"], batch_size=2) as scorer,
    ):
        np.testing.assert_allclose(scorer.embed(images), expected_vectors(images), atol=1e-5)
        with Server(repository, grpc_port=port) as second:
            while scorer.servers[second.url] != "answers":
                threading.Event().wait(0.01)
            np.testing.assert_allclose(scorer.embed(images), expected_vectors(images), atol=1e-5)
            assert infer_counts(second.url) > 0


def test_servers_of_different_artifacts_are_refused_by_name(
    repository: Path, tmp_path: Path, images: list[Path]
) -> None:
    """At once where both are there; when it comes, where one was away."""
    other = publish_models(tmp_path / "repository", tmp_path / "files", seed=1, models=[MODEL])
    with Server(repository, grpc_port=0) as first:
        with Server(other, grpc_port=0) as second:
            with pytest.raises(ServerError) as error:
                Scorer(MODEL, url=[first.url, second.url])
            text = str(error.value)
            assert text.startswith(f"the servers serve different artifacts as model '{MODEL}': expected version 1 with")
            assert first.url in text
            assert second.url in text
        port = free_port()
        with (
            Scorer(MODEL, url=[first.url, f"127.0.0.1:{port}"]) as scorer,
            Server(other, grpc_port=port),
            pytest.raises(ServerError, match="the servers serve different artifacts"),
        ):
            deque(scorer.stream({"image": images[:2]} for _ in iter(int, 1)), maxlen=0)  # until it is noticed


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("a:1,a:1", "url: expected every server once, got a:1 2 times"),
        ([], "url: expected HOST:PORT of a server, or several, got none"),
        ("a:1,", "url '': expected HOST:PORT of the gRPC port, without a scheme; for example localhost:8001"),
    ],
)
def test_lists_of_servers_that_make_no_sense_are_refused(url: Any, message: str) -> None:
    """One line each, before anything is connected to."""
    with pytest.raises(UsageError) as error:
        Scorer(MODEL, url=url)
    assert str(error.value) == message


def test_waits_double_up_to_a_limit_and_are_drawn_from_their_upper_half() -> None:
    """Without jitter all clients of a server would come back at the same moment."""
    least, most = (Backoff(0.1, 0.5, draw=lambda drawn=drawn: drawn) for drawn in (0.0, 1.0))  # type: ignore[misc]
    assert [least.next_s() for _ in range(5)] == pytest.approx([0.05, 0.1, 0.2, 0.25, 0.25])
    assert [most.next_s() for _ in range(5)] == pytest.approx([0.1, 0.2, 0.4, 0.5, 0.5])
