"""The gRPC connection: every way in which a server is not there, not ours, or not the one it was."""

from __future__ import annotations

import json
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2, service_pb2, service_pb2_grpc

from artifact.errors import (
    InvalidRequestError,
    LookalikeError,
    ModelNotFoundError,
    ServerError,
    UnansweredError,
    UnavailableError,
    UsageError,
)
from artifact.image_batch import BadImagesError
from artifact.repository.publishing import remove
from rows.tables import open_table
from rows.vectors.table import VectorTable
from serving.client.connections.grpc_connection import GrpcConnection
from serving.client.connections.status import QUEUE_FULL
from serving.client.scorer import Scorer
from serving.jobs.scoring import score_table
from tests.shared.scored_images import BAD, expected_vectors, publish_models, write_images
from tests.shared.serving_urls import SERVERS, ServerProcess, serve

MODELS = ["triplet_branch", "siamese_full", "quartet_branch", "siamese_branch"]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two plain models; `quartet_branch` serves two versions; `siamese_branch` has a short, slow queue."""
    folder = tmp_path_factory.mktemp("models")
    repository = publish_models(folder / "repository", folder / "files", models=MODELS)
    publish_models(repository, folder / "files", seed=1, models=["quartet_branch"])
    with edited(repository, "quartet_branch") as config:
        config.version_policy.all.SetInParent()
    with edited(repository, "siamese_branch") as config:
        config.dynamic_batching.max_queue_delay_microseconds = 20_000
        config.dynamic_batching.default_queue_policy.max_queue_size = 1
    return repository


@contextmanager
def edited(repository: Path, model: str) -> Iterator[Any]:
    """The model's config, written back afterwards."""
    file = repository / model / "config.pbtxt"
    config = text_format.Parse(file.read_text(), model_config_pb2.ModelConfig())
    yield config
    file.write_text(text_format.MessageToString(config))


@pytest.fixture(scope="module", params=SERVERS)
def url(request: pytest.FixtureRequest, repository: Path) -> Iterator[str]:
    with serve(request.param, repository) as url:
        yield url


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_images(tmp_path_factory.mktemp("images"), 30)


def test_no_server_is_said_at_once_with_how_to_start_one() -> None:
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"127.0.0.1:{free.getsockname()[1]}"
        started = time.monotonic()
        with pytest.raises(UnavailableError) as error:
            Scorer("triplet_branch", url=url)
    assert time.monotonic() - started < 3
    assert str(error.value) == (
        f"no server answers: expected a model server's gRPC port, got connection refused ({url}); "
        "start one with `lookalike serve REPOSITORY`"
    )


def test_a_port_that_never_answers_is_given_up(tmp_path: Path) -> None:
    """Something listens and says nothing: the first call's deadline ends it."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(UnavailableError) as error:
            GrpcConnection(url, "triplet_branch", connect_timeout_s=0.2)
    assert str(error.value) == (
        f"no server answers: expected a model server's gRPC port, got no answer within 0.2 s ({url}); "
        "start one with `lookalike serve REPOSITORY`"
    )


def test_an_http_port_is_recognised() -> None:
    """The neighbouring port of the same server is the usual mistake."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            """Quiet."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        url = f"127.0.0.1:{server.server_address[1]}"
        try:
            with pytest.raises(UnavailableError) as error:
                Scorer("triplet_branch", url=url)
        finally:
            server.shutdown()
            thread.join()
    assert str(error.value) == (
        "no server answers: expected a model server's gRPC port, got another protocol, is this the HTTP port? "
        f"({url}); start one with `lookalike serve REPOSITORY`"
    )


def test_an_unknown_model_names_those_that_there_are(url: str) -> None:
    """Without the companions that the repository also holds."""
    with pytest.raises(ModelNotFoundError) as error:
        Scorer("nope", url=url)
    assert str(error.value) == f"the server has no model 'nope': expected one of {', '.join(sorted(MODELS))} ({url})"


def test_an_unknown_version_names_those_that_there_are(url: str) -> None:
    """Only what is served counts."""
    with pytest.raises(ModelNotFoundError) as error:
        Scorer("triplet_branch", url=url, version=9)
    assert str(error.value) == f"the server has no version 9 of model 'triplet_branch': expected one of 1 ({url})"
    with pytest.raises(ModelNotFoundError, match="no version 9 of model 'quartet_branch': expected one of 1, 2"):
        Scorer("quartet_branch", url=url, version=9)


def test_one_of_several_versions_can_be_asked_for(url: str, images: list[Path]) -> None:
    """The newest answers by default; NAME_encoded runs no other, and says so instead of giving other vectors."""
    for version, seed in ((None, 1), (1, 0), (2, 1)):
        with Scorer("quartet_branch", url=url, version=version) as scorer:
            assert scorer.version == seed + 1
            assert scorer.lineage.version == seed + 1
            np.testing.assert_allclose(scorer.embed(images), expected_vectors(images, seed=seed), atol=1e-5)
    with Scorer("quartet_branch", url=url, version=2, send="encoded") as scorer:
        np.testing.assert_allclose(scorer.embed(images), expected_vectors(images, seed=1), atol=1e-5)
    with Scorer("quartet_branch", url=url, version=1, send="encoded") as scorer, pytest.raises(UsageError) as error:
        scorer.embed(images)
    assert str(error.value) == (
        "encoded images to version 1 of 'quartet_branch': expected version 2, the one that 'quartet_branch_encoded' "
        f"runs ({url}); send pixels instead"
    )


@pytest.mark.parametrize("suffix", ["encoded", "decode"])
def test_a_companion_is_not_a_model_to_score_with(url: str, suffix: str) -> None:
    """It carries no manifest; the message names the model that does."""
    with pytest.raises(ServerError) as error:
        Scorer(f"triplet_branch_{suffix}", url=url)
    assert str(error.value) == (
        f"model 'triplet_branch_{suffix}' was not published by lookalike: expected a parameter lookalike.manifest.1 in "
        f"its config, got none ({url}, version 1); name 'triplet_branch' instead"
    )


def test_bad_images_arrive_as_rows_and_streams(url: str, images: list[Path]) -> None:
    """The text of the refusal is read back, with whatever the server puts around it."""
    connection = GrpcConnection(url, "siamese_full")
    good = images[0].read_bytes()
    with pytest.raises(BadImagesError) as error:
        connection.run_encoded({"left": [good, BAD, good], "right": [b"GIF89a broken", good, BAD]})
    connection.close()
    assert [(row, stream) for row, stream, _ in error.value.bad] == [(0, "right"), (1, "left"), (2, "right")]
    reasons = [reason for _, _, reason in error.value.bad]
    assert reasons[0].startswith("not a readable GIF image")
    assert reasons[1] == reasons[2]
    assert reasons[1].endswith("(starts with b'this is ')")


def test_a_whole_batch_of_bad_images_fits_into_one_answer(url: str) -> None:
    """64 rows of two streams with long reasons: every one is named."""
    connection = GrpcConnection(url, "siamese_full")
    rows = [b"GIF89a" + bytes(range(40, 60))] * 64
    with pytest.raises(BadImagesError) as error:
        connection.run_encoded({"left": rows, "right": rows})
    connection.close()
    assert len(error.value.bad) == 128


def test_a_request_that_does_not_fit_is_the_servers_refusal(url: str) -> None:
    """INVALID_ARGUMENT without bad images: the server's own words, one line."""
    connection = GrpcConnection(url, "triplet_branch")
    with pytest.raises(InvalidRequestError) as error:
        connection.run_pixels({"image": np.zeros((2, 9, 9, 3), np.uint8)})
    connection.close()
    assert str(error.value).startswith("the server refused the request: got ")
    assert "unexpected shape for input 'image' for model 'triplet_branch'" in str(error.value)


def test_calls_after_close_are_one_line(url: str) -> None:
    """No exception of grpcio's gets out."""
    connection = GrpcConnection(url, "triplet_branch")
    connection.close()
    connection.close()
    with pytest.raises(UnavailableError) as error:
        connection.run_pixels({"image": np.zeros((2, 8, 8, 3), np.uint8)})
    assert str(error.value).startswith("the connection is closed")


def test_a_full_queue_is_waited_for(url: str, images: list[Path]) -> None:
    """A server that turns most requests of a burst away gets them again, and every vector comes."""
    with grpc.insecure_channel(url) as channel:
        request = service_pb2.ModelInferRequest(model_name="siamese_branch", raw_input_contents=[bytes(64 * 192)])
        request.inputs.add(name="image", datatype="UINT8", shape=[64, 8, 8, 3])
        infer = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer
        burst = [infer.future(request, timeout=20) for _ in range(200)]
        refusals = [str(one.exception()) for one in burst if one.exception() is not None]
    assert any(QUEUE_FULL in refusal for refusal in refusals)
    with Scorer("siamese_branch", url=url, batch_size=1) as scorer:
        np.testing.assert_allclose(scorer.embed(images), expected_vectors(images), atol=1e-5)


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_that_changes_or_goes_away_stops_the_job(tmp_path: Path, images: list[Path], name: str) -> None:
    """A version is published while a job runs, by each way of sending; then the server ends."""
    repository = publish_models(tmp_path / "repository", tmp_path / "files", models=["triplet_branch", "siamese_full"])
    with edited(repository, "siamese_full") as config:
        config.ClearField("parameters")
    with ExitStack() as server:
        url = server.enter_context(serve(name, repository))
        check_foreign_model(url, served=name == "triton")
        for seed, send in ((1, "pixels"), (2, "encoded")):
            check_change_stops_the_job(tmp_path, images, url, seed, send)
        check_end_stops_the_job(tmp_path, images, url, server)


def test_another_artifact_under_the_same_version_is_noticed(tmp_path: Path) -> None:
    """A model that was removed and published anew starts at version 1 again."""
    repository = publish_models(tmp_path / "repository", tmp_path / "files", models=["triplet_branch"])
    with serve("embedded", repository) as url:
        connection = GrpcConnection(url, "triplet_branch")
        connection.confirm()
        remove(repository, "triplet_branch")
        publish_models(repository, tmp_path / "files", seed=1, models=["triplet_branch"])
        with grpc.insecure_channel(url) as channel:
            stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
            stub.RepositoryModelLoad(service_pb2.RepositoryModelLoadRequest(model_name="triplet_branch"))
        for act in (connection.confirm, lambda: connection.run_pixels({"image": np.zeros((1, 8, 8, 3), np.uint8)})):
            with pytest.raises(ServerError, match=r"changed model .* got version 1 with digest"):
                act()
        connection.close()


def check_foreign_model(url: str, *, served: bool) -> None:
    """A model without a manifest of ours is not scored with; the embedded server does not even load it."""
    with pytest.raises(LookalikeError) as error:
        Scorer("siamese_full", url=url)
    if served:
        assert str(error.value) == (
            "model 'siamese_full' was not published by lookalike: expected a parameter lookalike.manifest.1 in its "
            f"config, got none ({url}, version 1); publish it with `lookalike export`"
        )
    else:
        assert str(error.value).startswith("model 'siamese_full' is not ready: got ")


def check_change_stops_the_job(folder: Path, images: list[Path], url: str, seed: int, send: str) -> None:
    """The part in hand, whose vectors may be of both versions, is not written; the next Scorer gives the new ones."""
    table, output = open_table(images[0].parent), folder / send

    def publish_and_load(event: Any) -> None:
        if event["done"] == 20:
            publish_models(folder / "repository", folder / "files", seed=seed, models=["triplet_branch"])
            with grpc.insecure_channel(url) as channel:
                stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
                stub.RepositoryModelLoad(service_pb2.RepositoryModelLoadRequest(model_name="triplet_branch"))

    with Scorer("triplet_branch", url=url, send=send, batch_size=4) as scorer:
        with pytest.raises(ServerError) as error:
            score_table(table, scorer, output, rows_per_part=10, report=publish_and_load)
        assert str(error.value).startswith(
            f"the server changed model 'triplet_branch' meanwhile: expected version {seed} with digest "
            f"{scorer.digest[:12]}, got version {seed + 1}"
        )
        if send == "pixels":  # whose answers name their version, on Triton too
            with pytest.raises(ServerError, match="the server changed model"):
                scorer.embed(images[:1])
    assert [path.name for path in output.glob("part-*")] == ["part-00000.parquet"]
    with Scorer("triplet_branch", url=url, send=send) as changed:
        assert changed.version == seed + 1
        assert changed.digest != scorer.digest
        np.testing.assert_allclose(changed.embed(images), expected_vectors(images, seed=seed), atol=1e-5)
    with Scorer("triplet_branch", repository=folder / "repository", version=seed) as old:
        result = score_table(table, old, output, rows_per_part=10)
    assert (result.resumed_at, result.num_rows, result.num_errors) == (10, 30, 0)
    np.testing.assert_allclose(VectorTable.open(output).matrix, expected_vectors(images, seed=seed - 1), atol=1e-5)


def check_end_stops_the_job(folder: Path, images: list[Path], url: str, server: ExitStack) -> None:
    """Finished parts are kept, no thread is left, and the job goes on without the server."""
    table, output = open_table(images[0].parent), folder / "ended"

    def stop(event: Any) -> None:
        if event["done"] == 20:
            server.close()

    with Scorer("triplet_branch", url=url, batch_size=4, retry_s=0) as scorer, pytest.raises(UnavailableError):
        score_table(table, scorer, output, rows_per_part=10, report=stop)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("lookalike-scorer")]
    assert json.loads((output / "manifest.json").read_text())["state"] == "running"
    with Scorer("triplet_branch", repository=folder / "repository") as local:
        result = score_table(table, local, output, rows_per_part=10)
    assert (result.resumed_at, result.num_rows) == (10, 30)


def test_a_server_that_hangs_is_given_up_by_deadline_or_by_closing(repository: Path, images: list[Path]) -> None:
    """A stopped process keeps its connections open and answers nothing."""
    with ServerProcess(repository) as server, ExitStack() as end:
        patient = end.enter_context(Scorer("triplet_branch", url=server.url))
        hasty = end.enter_context(Scorer("triplet_branch", url=server.url, timeout_s=0.3))
        server.process.send_signal(signal.SIGSTOP)
        with pytest.raises(UnavailableError) as late:
            hasty.embed(images)
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(patient.embed, images)
            started = time.monotonic()
            patient.close()
            failure = waiting.exception(10)
        assert time.monotonic() - started < 5
    assert str(late.value).startswith("no answer in time: expected one within 0.3 s (127.0.0.1:")
    assert isinstance(failure, UnansweredError)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("lookalike-scorer")]
