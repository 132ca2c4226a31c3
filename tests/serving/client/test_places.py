"""Images in object storage: as text and as UPath one image, and the vector of the same file here."""

from __future__ import annotations

from pathlib import Path

import fsspec
import numpy as np
import pytest
from upath import UPath

from artifact.errors import UsageError
from serving.client.pictures import picture
from serving.client.scorer import Scorer
from tests.shared.scored_images import expected_vectors, publish_models, write_images


def test_a_upath_is_an_image_as_its_url_is(tmp_path: Path) -> None:
    """Local ones too; one alone is refused as any other path is."""
    repository = publish_models(tmp_path / "repository", tmp_path / "files", models=["triplet_branch"])
    (path,) = write_images(tmp_path / "images", 1)
    url = f"memory://scorer-places/{path.name}"
    UPath(url).parent.mkdir(parents=True)
    try:
        UPath(url).write_bytes(path.read_bytes())
        assert picture(UPath(url)) == picture(url)
        with Scorer("triplet_branch", repository=repository) as scorer:
            vectors = scorer.embed([UPath(url), url, UPath(path), UPath(path.as_uri())])
            with pytest.raises(UsageError, match=r"^images: expected a list or another iterable of them, got one"):
                scorer.embed(UPath(url))  # type: ignore[arg-type]
    finally:
        fsspec.filesystem("memory").rm("/scorer-places", recursive=True)
    np.testing.assert_allclose(vectors, expected_vectors([path] * 4), atol=1e-5)
