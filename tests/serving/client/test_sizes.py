"""What a Scorer finds while running, fed with timings: the size of its batches, and what it sends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from artifact.errors import LookalikeError, ModelNotFoundError, TooLargeError, UsageError
from serving.client.batch_size import FIRST_SIZE, BatchSize
from serving.client.connections.grpc_connection import GrpcConnection
from serving.client.connections.timings import Timings
from serving.client.scorer import Scorer
from serving.client.sending import ENCODED, PIXELS, Sending
from serving.embedded.server import Server
from tests.shared.scored_images import expected_vectors, publish_models, write_images


def found(seconds_of: Callable[[int], float], *, most: int = 256, timeout_s: float = 60.0) -> BatchSize:
    """The size for a server that takes `seconds_of(images)` for a request, after as many requests as it needs."""
    size = BatchSize(FIRST_SIZE, most=most, timeout_s=timeout_s)
    for _ in range(200):
        size.note(size.size, seconds_of(size.size))
    assert size.is_found
    return size


@pytest.mark.parametrize(
    ("seconds_of", "size"),
    [
        (lambda images: 0.001 * images, 8),  # nothing is gained: the first
        (lambda images: 0.100 + 0.001 * images, 256),  # a long way there: ever larger, up to the most
        (lambda images: 0.010 + 0.001 * images, 64),  # 128 would give 6 % more than 64
        (lambda images: 0.010 + 0.001 * images + 0.01 * max(0, images - 32), 32),  # worse beyond 32
    ],
)
def test_the_size_doubles_while_that_gives_clearly_more_images_a_second(
    seconds_of: Callable[[int], float], size: int
) -> None:
    """Servers whose time for a request is known."""
    assert found(seconds_of).size == size


def test_the_size_is_bounded_by_the_model_and_keeps_away_from_the_deadline() -> None:
    """max_batch_size; and half of timeout_s, however much faster larger requests are."""
    assert found(lambda images: 1.0, most=48).size == 48
    assert found(lambda images: 0.5 + 0.1 * images, timeout_s=10).size == 32  # 64 would take 6.9 s


def test_odd_requests_and_single_outliers_do_not_count() -> None:
    """The rest of a table is short; a pause of the server is one request."""
    size = BatchSize(FIRST_SIZE, most=256)
    for number in range(100):
        size.note(3, 0.0001)
        size.note(size.size, 20.0 if number % 5 == 4 else 0.100 + 0.001 * size.size)
    assert size.size == 256


def test_a_fixed_size_stays() -> None:
    """Whatever the timings; and a request that is too large is the caller's affair."""
    size = BatchSize(32)
    for _ in range(100):
        size.note(32, 1e-6)
    assert (size.size, size.is_found, size.halve(32)) == (32, True, False)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    return publish_models(folder / "repository", folder / "files", models=["triplet_branch", "siamese_full"])


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_images(tmp_path_factory.mktemp("images"), 400)


def test_a_request_too_large_for_the_server_is_sent_in_halves(repository: Path, images: list[Path]) -> None:
    """RESOURCE_EXHAUSTED: every vector comes, and later requests are small; a size that was asked for stays."""
    with Server(repository, grpc_port=0, max_message_bytes=1000) as server:  # four images and a little
        for model in ("triplet_branch", "siamese_full"):
            with Scorer(model, url=server.url, send="pixels") as scorer:
                np.testing.assert_allclose(scorer.embed(images[:50]), expected_vectors(images[:50]), atol=1e-5)
                assert scorer.batch_size == 4
        with (
            Scorer("triplet_branch", url=server.url, send="pixels", batch_size=8) as scorer,
            pytest.raises(TooLargeError, match=r"^the server has no room for the request: got .*; send less at once$"),
        ):
            scorer.embed(images[:50])


def test_what_is_sent_is_chosen_and_said(repository: Path, images: list[Path]) -> None:
    """By measuring where a server takes both, with right vectors all the while; by hand; and in this process."""
    with Server(repository, grpc_port=0) as server, Scorer("triplet_branch", url=server.url) as scorer:
        assert (scorer.sending, scorer.sending_reason) == (None, "being measured with the first batches")
        for _ in range(3):
            np.testing.assert_allclose(scorer.embed(images), expected_vectors(images), atol=1e-5)
        assert scorer.sending in (PIXELS, ENCODED)
        assert scorer.sending_reason.startswith("measured: ")
        assert FIRST_SIZE <= scorer.batch_size <= 64
        latency = scorer.latency()
        assert latency is not None
        assert 0 < latency.p50_s <= latency.p99_s
        with Scorer("triplet_branch", url=server.url, send="encoded") as by_hand:
            assert (by_hand.sending, by_hand.sending_reason) == ("encoded", "asked for")
    with Scorer("triplet_branch", repository=repository) as local:
        assert (local.sending, local.batch_size, local.latency(), local.servers) == ("pixels", 32, None, {})


def test_a_server_without_the_ensemble_gets_pixels(repository: Path, tmp_path: Path, images: list[Path]) -> None:
    """Only the network itself is published there."""
    models = publish_models(tmp_path / "models", tmp_path / "files", models=["triplet_branch"])
    for suffix in ("encoded", "decode"):
        folder = models / f"triplet_branch_{suffix}"
        folder.rename(tmp_path / folder.name)
    with Server(models, grpc_port=0) as server, Scorer("triplet_branch", url=server.url) as scorer:
        assert scorer.sending == "pixels"
        np.testing.assert_allclose(scorer.embed(images[:9]), expected_vectors(images[:9]), atol=1e-5)


def measured(pixels_s: float, encoded_s: float) -> Sending:
    """What is chosen where a batch of 10 takes so long in each way."""
    sending = Sending(None, "")
    for _ in range(40):
        sent = sending.next(10)
        sending.note(sent, 10, pixels_s if sent == PIXELS else encoded_s)
    return sending


@pytest.mark.parametrize(("pixels_s", "encoded_s", "choice"), [(1, 2, PIXELS), (1, 0.9, PIXELS), (1, 0.5, ENCODED)])
def test_encoded_files_are_sent_only_where_clearly_faster(pixels_s: float, encoded_s: float, choice: str) -> None:
    """In doubt pixels."""
    sending = measured(pixels_s, encoded_s)
    assert sending.choice == choice
    assert sending.why == f"measured: {pixels_s / encoded_s:.2f} times the images a second with encoded files"


def test_small_batches_say_nothing_and_the_first_of_each_way_neither() -> None:
    """A lookup of one image; a connection that is opened, a decoder that is loaded."""
    sending = Sending(None, "")
    for _ in range(50):
        assert sending.next(1) == PIXELS
        sending.note(PIXELS, 1, 100.0)
    for turn in range(10):
        sent = sending.next(10)
        slow = 50.0 if turn < 2 else 1.0
        sending.note(sent, 10, slow if sent == PIXELS else slow / 2)
    assert sending.choice == ENCODED


def test_a_refusal_while_measuring_means_pixels(
    repository: Path, images: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An ensemble that fails costs nothing; where encoded files were asked for it is an error."""

    def refuse(self: GrpcConnection, feeds: Any) -> Any:
        raise TooLargeError("no decoder here")

    monkeypatch.setattr(GrpcConnection, "run_encoded", refuse)
    with Server(repository, grpc_port=0) as server:
        with Scorer("triplet_branch", url=server.url, batch_size=8) as scorer:
            np.testing.assert_allclose(scorer.embed(images), expected_vectors(images), atol=1e-5)
            assert scorer.sending_reason == "encoded files were refused: no decoder here"
        with (
            Scorer("triplet_branch", url=server.url, send="encoded", batch_size=8) as scorer,
            pytest.raises(TooLargeError, match="no decoder here"),
        ):
            scorer.embed(images)


@pytest.mark.parametrize("error", [ModelNotFoundError, UsageError, TooLargeError])
def test_a_refusal_after_files_were_found_faster_means_pixels_too(
    repository: Path, images: list[Path], monkeypatch: pytest.MonkeyPatch, error: type[LookalikeError]
) -> None:
    """The ensemble is unloaded, runs another version, or fails in the midst of a job."""

    def refuse(self: GrpcConnection, feeds: Any) -> Any:
        raise error("gone", mend="send pixels instead")

    with Server(repository, grpc_port=0) as server, Scorer("triplet_branch", url=server.url, batch_size=8) as scorer:
        scorer.core.sending.choice = ENCODED  # as measured
        np.testing.assert_allclose(scorer.embed(images[:40]), expected_vectors(images[:40]), atol=1e-5)
        assert scorer.sending == ENCODED
        monkeypatch.setattr(GrpcConnection, "run_encoded", refuse)
        np.testing.assert_allclose(scorer.embed(images[:40]), expected_vectors(images[:40]), atol=1e-5)
        assert (scorer.sending, scorer.sending_reason) == (
            PIXELS,
            "encoded files were refused: gone; send pixels instead",
        )


def test_latency_is_the_median_and_the_99th_percentile_of_the_latest() -> None:
    """A thousand at most are kept."""
    timings = Timings()
    for _ in range(500):
        timings.note(8, 99.0)
    for number in range(1000):
        timings.note(8, number / 1000)
    latency = timings.latency()
    assert latency is not None
    assert latency == pytest.approx((0.4995, 0.98901))
