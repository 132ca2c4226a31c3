"""The AsyncScorer gives what the Scorer gives, blocks no event loop, and can be cancelled."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from artifact.errors import InvalidRequestError, ModelNotFoundError, UnansweredError, UsageError
from artifact.images.image_error import ImageError
from serving.client.async_scorer import AsyncScorer
from serving.client.connections.local import LocalConnection
from serving.client.options import ScorerOptions
from serving.client.scorer import Scorer
from tests.shared.scored_images import BAD, expected_vectors

TOLERANCE = 1e-5
MODELS = ["triplet_branch", "siamese_full"]


class Held(LocalConnection):
    """Runs wait until they are released."""

    def __init__(self, model: str, options: ScorerOptions) -> None:
        super().__init__(model, options)
        self.released, self.begun = threading.Event(), threading.Event()
        self.runs: list[int] = []

    def run_pixels(self, feeds: Any) -> Any:
        self.runs.append(len(feeds["image"]))
        self.begun.set()
        assert self.released.wait(20)
        return super().run_pixels(feeds)


def test_many_calls_at_a_time_give_the_vectors_of_the_scorer(where: dict[str, Any], images: list[Path]) -> None:
    """A hundred awaited together share the core's threads; scores and vectors are those of the blocking form."""

    async def main() -> tuple[list[np.ndarray], dict[str, np.ndarray]]:
        async with (
            AsyncScorer("triplet_branch", **where) as scorer,
            AsyncScorer("siamese_full", **where) as pairs,
        ):
            vectors = await asyncio.gather(*(scorer.embed(images[at % 41 :][:5]) for at in range(100)))
            workers = [each for each in threading.enumerate() if each.name.startswith("lookalike-scorer")]
            assert len(workers) <= scorer.scorer.in_flight + pairs.scorer.in_flight
            return vectors, await pairs.score({"left": images[:20], "right": images[20:40]})

    vectors, scored = asyncio.run(main())
    for at, few in enumerate(vectors):
        np.testing.assert_allclose(few, expected_vectors(images[at % 41 :][:5]), atol=TOLERANCE)
    with Scorer("siamese_full", **where) as blocking:
        expected = blocking.score({"left": images[:20], "right": images[20:40]})
    assert list(scored) == list(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(scored[name], values, atol=TOLERANCE)


def test_streams_take_async_iterables_and_stay_lazy(where: dict[str, Any], images: list[Path]) -> None:
    """Endless images: each vector comes in order, and only so many images are taken ahead."""
    taken = 0

    async def endless() -> AsyncIterator[Path]:
        nonlocal taken
        while True:
            taken += 1
            yield images[taken % 41]

    async def main() -> None:
        async with AsyncScorer("triplet_branch", **where, batch_size=4) as scorer:
            most = 2 * scorer.scorer.in_flight * 4 + scorer.scorer.core.small_rows()
            number = 0
            async for vector in scorer.embed_iter(endless()):
                number += 1
                expected = expected_vectors([images[number % 41]])[0]
                np.testing.assert_allclose(vector, expected, atol=TOLERANCE)
                assert taken <= number + most
                if number == 150:
                    break
            answers = [scored async for scored in scorer.stream({"image": images[at : at + 10]} for at in (0, 10, 20))]
            vectors = np.concatenate([scored.columns["embedding"] for scored in answers])
            np.testing.assert_allclose(vectors, expected_vectors(images[:30]), atol=TOLERANCE)

    asyncio.run(main())


def test_bad_images_are_raised_or_yielded_in_their_place(where: dict[str, Any], images: list[Path]) -> None:
    """As in the blocking form."""
    rows: list[Any] = [images[0], BAD, images[1]]

    async def main() -> list[Any]:
        async with AsyncScorer("triplet_branch", **where) as scorer:
            with pytest.raises(InvalidRequestError, match=r"^cannot read 1 of 3 images: \[row 1, image\]"):
                await scorer.embed(rows)
            with pytest.raises(InvalidRequestError, match=r"^cannot read image 1: got not an image"):
                _ = [vector async for vector in scorer.embed_iter(rows)]
            return [vector async for vector in scorer.embed_iter(rows, bad="yield")]

    first, error, last = asyncio.run(main())
    assert isinstance(error, ImageError)
    np.testing.assert_allclose(np.stack([first, last]), expected_vectors(images[:2]), atol=TOLERANCE)


def test_a_cancelled_call_ends_at_once_and_the_loop_runs_on(repository: Path, images: list[Path]) -> None:
    """While every thread of the core is held in a batch: the loop is free, and what has not begun never runs."""
    connection = Held("triplet_branch", ScorerOptions(repository=repository, threads=2))

    async def main() -> int:
        async with AsyncScorer("triplet_branch", connection=connection, batch_size=1) as scorer:
            call = asyncio.create_task(scorer.embed(images))
            await asyncio.to_thread(connection.begun.wait, 20)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            connection.released.set()
            np.testing.assert_allclose(await scorer.embed(images[:3]), expected_vectors(images[:3]), atol=TOLERANCE)
            return scorer.scorer.in_flight

    in_flight = asyncio.run(main())
    assert len(connection.runs) <= in_flight + 3  # what had begun to be read may run


def test_closing_while_calls_wait_is_an_error_and_no_cancelling(repository: Path, images: list[Path]) -> None:
    """A task that nobody cancelled must not look cancelled."""
    connection = Held("triplet_branch", ScorerOptions(repository=repository, threads=1))

    async def main() -> list[Any]:
        async with AsyncScorer("triplet_branch", connection=connection, batch_size=1) as scorer:
            calls = [asyncio.create_task(scorer.embed(images)) for _ in range(3)]
            await asyncio.to_thread(connection.begun.wait, 20)
            closing = asyncio.create_task(scorer.close())
            await asyncio.sleep(0)
            connection.released.set()
            await closing
            return await asyncio.gather(*calls, return_exceptions=True)

    for error in asyncio.run(main()):
        assert isinstance(error, UnansweredError | UsageError), repr(error)  # the latter: not begun by then


def test_errors_of_connecting_come_from_entering(repository: Path) -> None:
    """And what is used outside of `async with` says so."""

    async def main() -> None:
        with pytest.raises(ModelNotFoundError):
            async with AsyncScorer("nope", repository=repository):
                pass
        with pytest.raises(UsageError, match=r"^the scorer is not connected; use it in `async with`$"):
            await AsyncScorer("triplet_branch", repository=repository).embed([])
        async with AsyncScorer("triplet_branch", repository=repository) as scorer:
            pass
        with pytest.raises(UsageError, match=r"^the scorer is closed; make another$"):
            await scorer.embed([])

    asyncio.run(main())
    for thread in threading.enumerate():
        if thread.name.startswith(("lookalike-scorer", "lookalike-async")):
            thread.join(20)
            assert not thread.is_alive()
