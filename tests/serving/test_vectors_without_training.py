"""Artifacts of networks that nobody trained here: the same vectors in-process, from our server and from real Triton.

Pixels without a head and without images, and an inner layer behind a head; both modes, pixels and encoded images.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from artifact.distances import DISTANCES
from artifact.images.preprocessing import load_pixels
from artifact.model.description import describe_manifest
from artifact.model.file import read_manifest
from export.build import deploy
from serving.check import check_artifact
from tests.shared.pictures import pictures
from tests.shared.serving_urls import SCORING_PLACES, Place, scoring_place
from tests.shared.shapes_run import fit_small, write_shapes
from trainer.config.config import make_config
from trainer.loop.fit import fit
from trainer.run.saved_run import Run

Runs = dict[str, Run]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Two runs without a step."""
    root = tmp_path_factory.mktemp("runs")
    pixels = fit(make_config({"epochs": 0, "base": "pixels", "size": 24, "kind": "siamese"}), root / "pixels")
    shapes = write_shapes(root / "shapes")
    layer = fit_small(shapes, root / "layer", epochs=0, cut="blocks.9", head="pca", dim=8, kind="siamese")
    return {"pixels": pixels, "layer": layer}


@pytest.fixture(scope="module")
def repository(runs: Runs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both, published in both modes."""
    root = tmp_path_factory.mktemp("published") / "repository"
    for run in runs.values():
        deploy(run, root)
    return root


@pytest.fixture(scope="module", params=SCORING_PLACES)
def place(request: pytest.FixtureRequest, repository: Path) -> Iterator[Place]:
    """This process, the embedded server, and Triton where that can run."""
    with scoring_place(request.param, repository) as place:
        yield place


@pytest.mark.parametrize("send", ["pixels", "encoded"])
@pytest.mark.parametrize("name", ["pixels", "layer"])
def test_every_place_gives_torchs_vectors(place: Place, runs: Runs, name: str, send: Any) -> None:
    """Within 1e-4 of torch; the distance of the full artifact is that of its vectors."""
    run, images = runs[name], list(pictures().values())
    pixels = np.stack([load_pixels(image, run.preprocessing) for image in images])
    with torch.no_grad():
        expected = run.branch(torch.from_numpy(pixels)).numpy()
    if name == "pixels":
        np.testing.assert_allclose(expected, pixels.reshape(len(pixels), -1) / 255, atol=1e-6)
    limit = 1e-4 * max(1.0, float(np.abs(expected).max()))
    with place.scorer(name, send=send) as scorer:
        assert np.abs(scorer.embed(images) - expected).max() <= limit
    with place.scorer(f"{name}_full", send=send) as scorer:
        scored = scorer.score({"left": images, "right": images[1:] + images[:1]})
    want = DISTANCES[run.distance](expected, np.roll(expected, -1, axis=0))
    assert np.abs(scored["distance_left_right"] - want).max() <= 2 * limit


def test_artifacts_prove_and_describe_themselves(repository: Path) -> None:
    """Golden examples hold; the manifest says what the vectors are."""
    for name in ("pixels", "pixels_full", "layer", "layer_full"):
        file = repository / name / "1" / "model.onnx"
        check_artifact(file)
    manifest = read_manifest(repository / "pixels" / "1" / "model.onnx")
    assert manifest.base == {
        "name": "pixels",
        "source": "lookalike",
        "weights": "none",
        "pretrained": False,
        "licence": None,
    }
    assert manifest.training["head"]["name"] == "none"
    assert manifest.threshold is None
    assert manifest.embedding_dim == 24 * 24 * 3
    assert describe_manifest(manifest)["base"]["name"] == "pixels"
    assert read_manifest(repository / "layer" / "1" / "model.onnx").base["cut"] == "blocks.9"
