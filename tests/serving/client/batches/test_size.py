"""The size of batches that a Scorer finds while running, fed with timings and with a server that takes little."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from artifact.errors import TooLargeError
from serving.client.batches.size import FIRST_SIZE, BatchSize
from serving.client.scorer import Scorer
from serving.embedded.server import Server
from tests.shared.region_artifact import NAME, publish_regions
from tests.shared.scored_images import expected_vectors
from tests.shared.tiny_artifact import publish_tiny

MODELS = ["triplet_branch", "siamese_full"]
NUM_IMAGES = 400


def found(seconds_of: Callable[[int], float], *, most: int = 256, timeout_s: float = 60.0) -> BatchSize:
    """The size for a server that takes `seconds_of(images)` for a request, after as many requests as it needs."""
    size = BatchSize(FIRST_SIZE, most=most, timeout_s=timeout_s)
    for _ in range(200):
        size.note(size.size, seconds_of(size.size))
    settled = size.size
    for _ in range(100):
        size.note(settled, seconds_of(settled))
    assert size.size == settled
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
    assert (size.size, size.halve(32)) == (32, False)


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


@pytest.mark.parametrize(("sides", "expected"), [((16, 24), 32), ((224, 224), 8), ((336, 448), 2), ((800, 800), 1)])
def test_pictures_with_boxes_run_in_batches_of_as_many_pixels(
    tmp_path: Path, sides: tuple[int, int], expected: int
) -> None:
    """In this process; of images of one object there are eight even where they are large."""
    publish_regions(tmp_path / "repository", sides=sides)
    with Scorer(NAME, repository=tmp_path / "repository") as scorer:
        assert scorer.batch_size == expected
    publish_tiny(tmp_path / "others", size=max(sides))
    with Scorer("tiny", repository=tmp_path / "others") as scorer:
        assert scorer.batch_size == max(8, expected)
