"""Servers that change, end or hang in the midst of a job."""

from __future__ import annotations

import json
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2, service_pb2, service_pb2_grpc

from artifact.errors import (
    LookalikeError,
    ServerError,
    UnansweredError,
    UnavailableError,
)
from artifact.repository.publishing import remove
from rows.tables import open_table
from rows.vectors.table import VectorTable
from serving.client.connections.grpc_connection import GrpcConnection
from serving.client.options import ScorerOptions
from serving.client.scorer import Scorer
from serving.jobs.scoring import score_table
from tests.shared.scored_images import expected_vectors, publish_models
from tests.shared.serving_urls import SERVERS, ServerProcess, serve

NUM_IMAGES = 30


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_that_changes_or_goes_away_stops_the_job(tmp_path: Path, images: list[Path], name: str) -> None:
    """A version is published while a job runs, by each way of sending; then the server ends."""
    repository = publish_models(tmp_path / "repository", tmp_path / "files", models=["triplet_branch", "siamese_full"])
    file = repository / "siamese_full" / "config.pbtxt"
    config = text_format.Parse(file.read_text(), model_config_pb2.ModelConfig())
    config.ClearField("parameters")
    file.write_text(text_format.MessageToString(config))
    with ExitStack() as server:
        url = server.enter_context(serve(name, repository))
        check_foreign_model(url)
        for seed, send in ((1, "pixels"), (2, "encoded")):
            check_change_stops_the_job(tmp_path, images, url, seed, send)
        check_end_stops_the_job(tmp_path, images, url, server)


def test_another_artifact_under_the_same_version_is_noticed(tmp_path: Path) -> None:
    """A model that was removed and published anew starts at version 1 again."""
    repository = publish_models(tmp_path / "repository", tmp_path / "files", models=["triplet_branch"])
    with serve("embedded", repository) as url:
        connection = GrpcConnection("triplet_branch", ScorerOptions(url=url))
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


def check_foreign_model(url: str) -> None:
    """A model without a manifest of ours is served, and not scored with."""
    with pytest.raises(LookalikeError) as error:
        Scorer("siamese_full", url=url)
    assert str(error.value) == (
        "model 'siamese_full' was not published by lookalike: expected a parameter lookalike.manifest.1 in its "
        f"config, got none ({url}, version 1); publish it with `lookalike export`"
    )


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


def test_a_server_that_hangs_is_given_up_by_deadline_or_by_closing(tmp_path: Path, images: list[Path]) -> None:
    """A stopped process keeps its connections open and answers nothing."""
    repository = publish_models(tmp_path / "repository", tmp_path / "files", models=["triplet_branch"])
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
