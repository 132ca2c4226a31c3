"""Scorers handed to spawned processes: they connect anew, to the same artifact, or say why not."""

from __future__ import annotations

import asyncio
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from artifact.errors import ServerError, UsageError
from serving.client.async_scorer import AsyncScorer
from serving.client.connections.local import LocalConnection
from serving.client.options import ScorerOptions
from serving.client.scorer import Scorer
from tests.shared.scored_images import expected_vectors

MODEL = "triplet_branch"


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
@pytest.mark.parametrize("kind", [Scorer, AsyncScorer])
def test_scorers_embed_where_they_are_handed_to(
    kind: type[Scorer | AsyncScorer], method: str, repository: Path, images: list[Path]
) -> None:
    """As an argument of a worker's function, before and after this process used it."""
    scorer = kind(MODEL, repository=repository, threads=1)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(method)) as pool:
        found = pool.submit(embedded, scorer, images).result(60)
    np.testing.assert_allclose(found, expected_vectors(images), atol=1e-4)
    np.testing.assert_allclose(embedded(scorer, images), expected_vectors(images), atol=1e-4)


def test_options_travel_and_nothing_else(repository: Path) -> None:
    """Those that were given; a token too, so a pickle is as secret as it."""
    options = {"max_megapixels": 3.0, "batch_size": 5, "read_timeout_s": 2.0}
    with Scorer(MODEL, repository=repository, **options) as scorer, pickle.loads(pickle.dumps(scorer)) as other:
        assert other.core.options == scorer.core.options
        assert (other.version, other.digest) == (scorer.version, scorer.digest)
    scorer = AsyncScorer(MODEL, url="127.0.0.1:1", token="secret")
    assert b"secret" in pickle.dumps(scorer)
    assert pickle.loads(pickle.dumps(scorer))._options == {"url": "127.0.0.1:1", "token": "secret"}


def test_what_belongs_to_a_process_stays_there(repository: Path) -> None:
    """In one line: a connection of the caller's, a report that is no name of a module, what is closed."""
    connection = LocalConnection(MODEL, ScorerOptions(repository=repository))
    with (
        Scorer(MODEL, connection=connection) as scorer,
        pytest.raises(UsageError, match=r"cannot be handed to another process: .* got a connection of the caller's"),
    ):
        pickle.dumps(scorer)
    with pytest.raises(UsageError, match="the scorer is closed"):
        pickle.dumps(scorer)
    scorer = AsyncScorer(MODEL, repository=repository, report=lambda line: None)
    with pytest.raises(UsageError, match="a `report` that cannot be pickled"):
        pickle.dumps(scorer)


def test_another_artifact_is_refused_on_arrival(repository: Path) -> None:
    """Its vectors would be of another space than the caller's."""
    with Scorer(MODEL, repository=repository) as scorer:
        arrive, (*what, version, digest) = scorer.__reduce__()
    arrive(*what, version, digest).close()
    for others in ((version + 1, digest), (version, "0" * 64)):
        with pytest.raises(ServerError, match="is another since the scorer was handed over: expected version "):
            arrive(*what, *others)


def embedded(scorer: Scorer | AsyncScorer, images: list[Path]) -> np.ndarray:
    """What a worker gives."""
    if isinstance(scorer, Scorer):
        with scorer:
            return scorer.embed(images)
    return asyncio.run(embedded_in_loop(scorer, images))


async def embedded_in_loop(scorer: AsyncScorer, images: list[Path]) -> np.ndarray:
    """What an event loop gives."""
    async with scorer:
        return await scorer.embed(images)
