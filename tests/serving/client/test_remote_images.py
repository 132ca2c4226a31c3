"""A Scorer of images at servers that misbehave: bad rows with reasons, and no wait for what nobody wants."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("aiohttp", reason="the extra `http` brings it")

from artifact.errors import LookalikeError
from serving.client.scorer import Scorer
from tests.shared.misbehaving_web import Web, misbehaving_web, served
from tests.shared.scored_images import expected_vectors
from tests.shared.waiting import eventually

MODELS = ["triplet_branch"]
NUM_IMAGES = 3


@pytest.fixture
def web(images: list[Path]) -> Iterator[Web]:
    """The images as `0` to `2`, and what else there is."""
    with misbehaving_web() as web:
        for number, path in enumerate(images):
            web.ways[f"image{number}"] = served(path.read_bytes())
        yield web


def test_bad_servers_are_bad_rows(web: Web, repository: Path, images: list[Path]) -> None:
    """Each with its own reason, in its place, within the deadline that was asked for."""
    names = ["image0", "403", "image1", "silent", "endless-gzip", "dripping", "image2", "circle"]
    with Scorer(MODELS[0], repository=repository, read_timeout_s=0.5) as scorer:
        found = list(scorer.embed_iter([web.url + name for name in names], bad="yield"))
    good = [row for row, name in enumerate(names) if name.startswith("image")]
    assert [row for row, one in enumerate(found) if not isinstance(one, Exception)] == good
    assert pytest.approx(expected_vectors(images), abs=1e-4) == [found[row] for row in good]
    texts = [str(found[row]).rpartition(": http")[0] for row in (1, 3, 5, 7)]
    assert texts[0] == "cannot be read (403 Some Words, the server does not let us in)"
    assert texts[1] == "cannot be read (nothing came within 0.5 s; --read-timeout waits longer)"
    assert "bytes came within 0.5 s" in texts[2]
    assert texts[3] == "cannot be read (more than 10 redirects, one after the other)"


def test_closing_ends_reads(web: Web, repository: Path) -> None:
    """Another thread closes the Scorer while images are waited for without a limit: nothing reads on."""
    scorer = Scorer(MODELS[0], repository=repository, read_timeout_s=float("inf"))
    failed: list[Exception] = []

    def embed() -> None:
        try:
            scorer.embed([f"{web.url}silent.{number}" for number in range(5)])
        except LookalikeError as error:
            failed.append(error)

    thread = threading.Thread(target=embed)
    thread.start()
    eventually(lambda: web.asked["silent"] == 5, "every image is asked for")
    before = time.monotonic()
    scorer.close()
    thread.join()
    assert time.monotonic() - before < 10
    assert len(failed) == 1
