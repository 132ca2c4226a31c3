"""A Scorer with `dims`: the client cuts what any place answers, and everything it gives is of the prefixes."""

from __future__ import annotations

import asyncio
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from artifact.errors import UsageError
from rows.vectors.lineage import Lineage
from serving.client.async_scorer import AsyncScorer
from serving.client.connections.local import LocalConnection
from serving.client.options import ScorerOptions
from serving.client.scorer import Scorer
from tests.shared.promising_models import DIM, SHORT, SHORTER, expected_prefixes, publish_promising
from tests.shared.scored_images import BAD

NUM_IMAGES = 12


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Normalised models that promise prefixes."""
    root = tmp_path_factory.mktemp("models") / "repository"
    publish_promising(root, models=("triplet_branch", "triplet_full"))
    return root


@pytest.mark.parametrize("dims", [SHORTER, SHORT])
def test_vectors_are_cut_by_whoever_asks(dims: int, where: dict[str, Any], images: list[Path]) -> None:
    """The server answers whole ones; the prefixes are what numpy makes of them, to the byte."""
    with Scorer("triplet_branch", **where) as whole, Scorer("triplet_branch", **where, dims=dims) as scorer:
        vectors, found = whole.embed(images), scorer.embed(images)
        assert vectors.shape == (NUM_IMAGES, DIM)
        cut = vectors[:, :dims]
        assert found.tobytes() == (cut / np.linalg.norm(cut, axis=1, keepdims=True)).tobytes()
        np.testing.assert_allclose(found, expected_prefixes(images, dims), atol=1e-5)
        assert (scorer.manifest.embedding_dim, scorer.digest) == (dims, whole.digest)
        arrow = scorer.embed(images, as_arrow=True)
        assert arrow.type.list_size == dims
        found_one_by_one = list(scorer.embed_iter([*images[:2], BAD], bad="yield"))
        assert [len(each) for each in found_one_by_one[:2]] == [dims, dims]
        assert "cannot" in str(found_one_by_one[2]) or str(found_one_by_one[2])


def test_vectors_that_are_not_normalised_are_only_cut(tmp_path: Path, images: list[Path]) -> None:
    """They have no sphere to go back to."""
    publish_promising(tmp_path / "models", normalized=False)
    with Scorer("triplet_branch", repository=tmp_path / "models", dims=SHORT) as scorer:
        np.testing.assert_allclose(scorer.embed(images), expected_prefixes(images, SHORT, normalized=False), atol=1e-5)


@pytest.mark.parametrize("model", ["triplet_branch", "triplet_full"])
def test_distances_and_decision_are_those_of_the_prefixes(
    model: str, where: dict[str, Any], images: list[Path]
) -> None:
    """Whatever distances a full artifact computes itself; without a threshold of its own a prefix decides nothing."""
    streams = {"anchor": images[:4], "positive": images[4:8], "negative": images[8:]}
    a, p, n = (expected_prefixes(paths, SHORTER) for paths in streams.values())
    with Scorer(model, **where, dims=SHORTER) as scorer:
        found = scorer.score(streams)
        np.testing.assert_allclose(found["distance_anchor_positive"], np.linalg.norm(a - p, axis=1), atol=1e-5)
        np.testing.assert_allclose(found["distance_anchor_negative"], np.linalg.norm(a - n, axis=1), atol=1e-5)
        assert (found["same"] == (found["distance_anchor_positive"] <= np.float32(0.7))).all()
        table = scorer.score(streams, as_arrow=True)
        assert Lineage.from_metadata(table.schema.metadata) == scorer.lineage
    with Scorer(model, **where, dims=SHORT) as scorer:
        assert "same" not in scorer.score(streams)


def test_the_lineage_tells_dims_threshold_and_promises(where: dict[str, Any]) -> None:
    """Of whole vectors too, so that a table can be cut; of an artifact that promises nothing, the threshold alone."""
    with Scorer("triplet_branch", **where) as scorer:
        whole = scorer.lineage
        assert (whole.dims, whole.prefixes, whole.threshold) == (None, ((SHORTER, 0.7), (SHORT, None)), 1.0)
    with Scorer("triplet_branch", **where, dims=DIM) as scorer:
        assert scorer.lineage == whole
    for dims in (SHORTER, SHORT):
        with Scorer("triplet_branch", **where, dims=dims) as scorer:
            assert scorer.lineage == whole.cut(dims, whole=DIM, where="here")
    with Scorer("plain", **where) as scorer:
        assert not {"dims", "prefixes"} & set(scorer.lineage.to_dict())
        assert scorer.lineage.threshold == 1.0


def test_what_is_not_promised_is_refused(where: dict[str, Any]) -> None:
    """When the Scorer is made, in one line."""
    with pytest.raises(UsageError) as caught:
        Scorer("triplet_branch", **where, dims=4)
    assert str(caught.value) == "dims: expected one of 3, 5 (or 8, the whole vector), got 4 (artifact triplet_branch)"
    with pytest.raises(UsageError, match=r"^dims: expected 8, the whole vector: no prefix of it is promised, got 5 "):
        Scorer("plain", **where, dims=5)
    with pytest.raises(UsageError, match=r"^dims: expected at least 1, got 0$"):
        Scorer("triplet_branch", **where, dims=0)
    for bad in ("3", 3.0):
        with pytest.raises(UsageError, match=rf"^dims: expected a whole number, got {bad!r}$"):
            Scorer("triplet_branch", **where, dims=bad)


def test_dims_of_numpy_are_dims(where: dict[str, Any], images: list[Path]) -> None:
    """The lineage is JSON all the same."""
    with Scorer("triplet_branch", **where, dims=np.int64(SHORT)) as scorer:
        assert b'"dims": 5' in next(iter(scorer.lineage.to_metadata().values()))
        np.testing.assert_allclose(scorer.embed(images), expected_prefixes(images, SHORT), atol=1e-5)


def test_an_async_scorer_and_a_pickled_one_cut_too(repository: Path, images: list[Path]) -> None:
    """`dims` is an option like any other."""

    async def embed() -> Any:
        async with AsyncScorer("triplet_branch", repository=repository, dims=SHORT) as scorer:
            return await scorer.embed(images)

    expected = expected_prefixes(images, SHORT)
    np.testing.assert_allclose(asyncio.run(embed()), expected, atol=1e-5)
    with (
        Scorer("triplet_branch", repository=repository, dims=SHORT) as scorer,
        pickle.loads(pickle.dumps(scorer)) as there,
    ):
        assert there.lineage == scorer.lineage
        np.testing.assert_allclose(there.embed(images), expected, atol=1e-5)


def test_a_connection_of_the_callers_is_cut_by_the_scorer(repository: Path, images: list[Path]) -> None:
    """It answers whole vectors, and stays open where the Scorer is refused."""
    connection = LocalConnection("triplet_branch", ScorerOptions(repository=repository))
    with pytest.raises(UsageError, match=r"^dims: "):
        Scorer("triplet_branch", connection=connection, dims=4)
    with Scorer("triplet_branch", connection=connection, dims=SHORT) as scorer:
        np.testing.assert_allclose(scorer.embed(images), expected_prefixes(images, SHORT), atol=1e-5)
