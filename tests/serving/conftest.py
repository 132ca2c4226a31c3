"""Fixtures of the tests of serving: tiny models of a module's own, images, and the two places where those are scored.

A module that wants fewer models than one of each kind and mode, or more images, says so: MODELS, NUM_IMAGES.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.shared.scored_images import MODELS, publish_models, write_images
from tests.shared.serving_urls import serve

NUM_IMAGES = 41


@pytest.fixture(scope="module")
def repository(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models named KIND_MODE, all of the same weights."""
    folder = tmp_path_factory.mktemp("models")
    models = getattr(request.module, "MODELS", MODELS)
    return publish_models(folder / "repository", folder / "files", models=models)


@pytest.fixture(scope="module")
def images(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Noise, no two alike, in the folder `images` of a folder of the module's own."""
    folder = tmp_path_factory.mktemp("pictures") / "images"
    return write_images(folder, getattr(request.module, "NUM_IMAGES", NUM_IMAGES))


@pytest.fixture(scope="module", params=["local", "embedded"])
def where(request: pytest.FixtureRequest, repository: Path) -> Iterator[dict[str, Any]]:
    """Options of a Scorer: in this process, and over gRPC."""
    if request.param == "local":
        yield {"repository": repository}
        return
    with serve("embedded", repository) as url:
        yield {"url": url}
