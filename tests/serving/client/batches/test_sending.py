"""The form in which images are sent, pixels or encoded files: measured, asked for, or refused."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from artifact.errors import LookalikeError, ModelNotFoundError, TooLargeError, UsageError
from serving.client.batches.sending import ENCODED, PIXELS, Sending
from serving.client.batches.size import FIRST_SIZE
from serving.client.connections.fleet import Fleet
from serving.client.options import ScorerOptions
from serving.client.scorer import Scorer
from serving.embedded.server import Server
from tests.shared.scored_images import expected_vectors, publish_models

MODELS = ["triplet_branch", "siamese_full"]
NUM_IMAGES = 400


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


class Refusing(Fleet):
    """A server that does not take encoded files, as soon as there is a refusal."""

    def __init__(self, url: str, refusal: LookalikeError | None) -> None:
        super().__init__("triplet_branch", ScorerOptions(url=url))
        self.refusal = refusal

    def run_encoded(self, feeds: Any) -> Any:
        if self.refusal is not None:
            raise self.refusal
        return super().run_encoded(feeds)


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


def test_a_refusal_while_measuring_means_pixels(repository: Path, images: list[Path]) -> None:
    """An ensemble that fails costs nothing; where encoded files were asked for it is an error."""
    refusal = TooLargeError("no decoder here")
    with Server(repository, grpc_port=0) as server:
        with Scorer("triplet_branch", connection=Refusing(server.url, refusal), batch_size=8) as scorer:
            np.testing.assert_allclose(scorer.embed(images), expected_vectors(images), atol=1e-5)
            assert scorer.sending_reason == "encoded files were refused: no decoder here"
        with (
            Scorer("triplet_branch", connection=Refusing(server.url, refusal), send="encoded", batch_size=8) as scorer,
            pytest.raises(TooLargeError, match="no decoder here"),
        ):
            scorer.embed(images)


@pytest.mark.parametrize("error", [ModelNotFoundError, UsageError, TooLargeError])
def test_a_refusal_after_files_were_found_faster_means_pixels_too(
    repository: Path, images: list[Path], error: type[LookalikeError]
) -> None:
    """The ensemble is unloaded, runs another version, or fails in the midst of a job."""
    with (
        Server(repository, grpc_port=0) as server,
        closing(Refusing(server.url, None)) as connection,
        Scorer("triplet_branch", connection=connection, batch_size=8) as scorer,
    ):
        scorer.core.sending.choice = ENCODED  # as measured
        np.testing.assert_allclose(scorer.embed(images[:40]), expected_vectors(images[:40]), atol=1e-5)
        assert scorer.sending == ENCODED
        connection.refusal = error("gone", mend="send pixels instead")
        np.testing.assert_allclose(scorer.embed(images[:40]), expected_vectors(images[:40]), atol=1e-5)
        assert (scorer.sending, scorer.sending_reason) == (
            PIXELS,
            "encoded files were refused: gone; send pixels instead",
        )
