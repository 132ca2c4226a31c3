"""Vectors that are not finite: bad rows with their reason, wherever the network ran, and nobody else's row."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from artifact.errors import ArtifactError, InvalidRequestError
from artifact.repository.reading import open_repository
from serving.check import check_engine
from serving.client.async_scorer import AsyncScorer
from serving.client.scorer import Scorer
from serving.client.vector_error import VectorError
from serving.difference import compare_artifacts
from serving.engine import Engine
from tests.shared.serving_urls import Place
from tests.shared.unsound_networks import NOT_FINITE, expected_vector, grey, noise, publish_unsound, soft

SAME = {"rtol": 1e-4, "atol": 1e-5}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`unsound` and `unsound_full`, with NaN of grey pictures and vectors of 1e30 of black and white noise."""
    root = tmp_path_factory.mktemp("unsound") / "models"
    publish_unsound(root, loud=1e30)
    return root


@pytest.mark.parametrize("send", ["pixels", "encoded"])
@pytest.mark.parametrize("model", ["unsound", "unsound_full"])
def test_a_vector_that_is_not_finite_is_a_bad_row(place: Place, model: str, send: str) -> None:
    """Grey pictures, one of them twice: each row is bad; their neighbours are what NumPy gives."""
    rows = [soft(0), grey(), soft(1), grey(255), grey(), soft(0), grey(0)]
    with place.scorer(model, send=send) as scorer:
        (scored,) = scorer.stream([{"image": rows}])
        with pytest.raises(InvalidRequestError) as caught:
            scorer.embed([*rows, b""])
        with pytest.raises(InvalidRequestError, match=f"^cannot embed image 1: got {NOT_FINITE}$"):
            list(scorer.embed_iter(rows))
        found = list(scorer.embed_iter(rows, bad="yield"))
    assert scored.bad == [(row, "image", NOT_FINITE) for row in (1, 3, 4, 6)]
    assert scored.rows.tolist() == [0, 2, 5]
    assert scored.num_images == 2
    expected = [expected_vector(rows[row]) for row in (0, 2, 5)]
    np.testing.assert_allclose(scored.columns["embedding"], expected, **SAME)
    assert str(caught.value) == (
        "cannot read 1 of 8 images: [row 7, image] empty (0 bytes); "
        f"cannot embed 4 of 8 images: [row 1,3,4,6, image] {NOT_FINITE}"
    )
    assert [isinstance(each, VectorError) for each in found] == [False, True, False, True, True, False, True]
    assert scored.unembedded == {(row, "image") for row in (1, 3, 4, 6)}


def test_tuples_with_such_a_vector_are_bad_rows(place: Place) -> None:
    """The stream is named; a tuple whose vectors are finite and too far apart for float32 is bad too, with a reason."""
    streams = {
        "anchor": [soft(0), grey(), soft(1), soft(2), noise(3)],
        "positive": [soft(3), soft(4), grey(), noise(0), noise(4)],
        "negative": [soft(5), soft(6), grey(), soft(7), soft(8)],
    }
    too_long = "the network gave a vector so long that the distance to"
    for model in ("unsound", "unsound_full"):
        with place.scorer(model) as scorer:
            (scored,) = scorer.stream([streams])
            assert scored.bad == [
                (1, "anchor", NOT_FINITE),
                (2, "negative", NOT_FINITE),
                (2, "positive", NOT_FINITE),
                (3, "positive", f"{too_long} anchor is not finite"),
                (4, "anchor", f"{too_long} negative is not finite"),
                (4, "positive", f"{too_long} anchor is not finite"),
            ]
            assert scored.rows.tolist() == [0]
            assert all(np.isfinite(values).all() and len(values) == 1 for values in scored.columns.values())
            with pytest.raises(InvalidRequestError, match=r"cannot embed 6 of 15 images: \[row 1, anchor\]"):
                scorer.score(streams)


def test_asyncio_says_the_same(repository: Path) -> None:
    """`embed` and `embed_iter` of AsyncScorer."""

    async def scored() -> list[object]:
        async with AsyncScorer("unsound", repository=repository) as scorer:
            with pytest.raises(InvalidRequestError, match=f"1 of 2 images: .row 1, image. {NOT_FINITE}"):
                await scorer.embed([soft(0), grey()])
            return [vector async for vector in scorer.embed_iter([grey(), soft(0)], bad="yield")]

    bad, good = asyncio.run(scored())
    assert str(bad) == NOT_FINITE
    np.testing.assert_allclose(good, expected_vector(soft(0)), **SAME)


def test_many_bad_vectors_make_one_short_line(repository: Path) -> None:
    """A thousand rows of one grey picture: one reason, and the first hundred rows."""
    with Scorer("unsound", repository=repository) as scorer, pytest.raises(InvalidRequestError) as caught:
        scorer.embed([grey()] * 1000)
    assert str(caught.value).startswith("cannot embed 1000 of 1000 images: [row 0,1,2,3,")
    assert str(caught.value).endswith(f"98,99,..., image] {NOT_FINITE}")


@pytest.mark.parametrize("place_of_nan", range(5))
def test_one_nan_fails_the_check_of_an_artifact(
    repository: Path, monkeypatch: pytest.MonkeyPatch, place_of_nan: int
) -> None:
    """Whichever of the five outputs it stands in: max() of Python would drop one that is not the first."""
    engine = Engine(open_repository(repository).model("unsound_full").artifact(1))
    check_engine(engine)

    def run(feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        outputs = Engine.run(engine, feeds)
        outputs[list(outputs)[place_of_nan]][1, 0] = np.nan
        return outputs

    monkeypatch.setattr(engine, "run", run)
    with pytest.raises(ArtifactError, match=r"do not give their golden vectors: .*got nan"):
        check_engine(engine)


def test_the_difference_to_an_artifact_with_nan_has_no_movement(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reason in its place, and no NaN in the answer for machines."""
    path = open_repository(repository).model("unsound").artifact(1)
    whole = compare_artifacts(path, path)
    assert whole.movement is not None
    assert whole.movement.within_tolerance
    monkeypatch.setattr(Engine, "run", lambda self, feeds: {"embedding": np.full((len(feeds["image"]), 4), np.nan)})
    spoiled = compare_artifacts(path, path)
    assert spoiled.movement is None
    assert spoiled.reason == "the second artifact gives vectors that are not finite for golden examples"
