"""The gRPC connection to a server that is there: which model and version answers, and every refusal in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2, service_pb2, service_pb2_grpc

from artifact.errors import (
    InvalidRequestError,
    ModelNotFoundError,
    ServerError,
    UnavailableError,
    UsageError,
)
from artifact.images.image_batch import BadImagesError
from serving.client.connections.grpc_connection import GrpcConnection
from serving.client.options import ScorerOptions
from serving.client.scorer import Scorer
from serving.protocol import QUEUE_FULL
from tests.shared.scored_images import BAD, expected_vectors, publish_models
from tests.shared.serving_urls import SERVERS, serve

MODELS = ["triplet_branch", "siamese_full", "quartet_branch", "siamese_branch"]
NUM_IMAGES = 30


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
    connection = GrpcConnection("siamese_full", ScorerOptions(url=url))
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
    connection = GrpcConnection("siamese_full", ScorerOptions(url=url))
    rows = [b"GIF89a" + bytes(range(40, 60))] * 64
    with pytest.raises(BadImagesError) as error:
        connection.run_encoded({"left": rows, "right": rows})
    connection.close()
    assert len(error.value.bad) == 128


def test_a_request_that_does_not_fit_is_the_servers_refusal(url: str) -> None:
    """INVALID_ARGUMENT without bad images: the server's own words, one line."""
    connection = GrpcConnection("triplet_branch", ScorerOptions(url=url))
    with pytest.raises(InvalidRequestError) as error:
        connection.run_pixels({"image": np.zeros((2, 9, 9, 3), np.uint8)})
    connection.close()
    assert str(error.value).startswith("the server refused the request: got ")
    assert "unexpected shape for input 'image' for model 'triplet_branch'" in str(error.value)


def test_calls_after_close_are_one_line(url: str) -> None:
    """No exception of grpcio's gets out."""
    connection = GrpcConnection("triplet_branch", ScorerOptions(url=url))
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
