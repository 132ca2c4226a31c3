"""Region artifacts of two towers, without an embedding layer or cut behind a layer; and what cannot be one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from artifact.errors import UsageError
from artifact.kinds import ATTRIBUTES
from artifact.model.file import read_manifest
from artifact.modes import REGIONS
from export.build import build
from export.parity import make_session
from rows.regions import RegionOptions
from rows.tables import open_table
from serving.check import check_artifact
from serving.difference import compare_artifacts
from tests.shared.attribute_run import fit_towers, write_squares
from trainer.config.config import make_config
from trainer.loop.fit import fit
from trainer.run.saved_run import Run

WHOLE = np.array([[[0, 0, 1, 1]]], np.float32)


@pytest.fixture(scope="module")
def towers(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Trained once for all tests here."""
    folder = tmp_path_factory.mktemp("towers")
    return fit_towers(write_squares(folder / "squares", count=48), folder / "run", epochs=1)


def features_of(output: Path, **values: object) -> Run:
    """A run whose features are its vectors."""
    return fit(make_config({"epochs": 0, "base": "conv4", "size": 32} | values), output)


def vectors_of_whole(run: Run, model: bytes, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Of one picture of the branch's own size: of a box of all of it, and of the branch."""
    pixels = np.random.default_rng(0).integers(0, 256, (1, side, side, 3), np.uint8)
    (got,) = make_session(model).run(None, {"image": pixels, "boxes": WHOLE})
    with torch.no_grad():
        return got[:, 0], run.branch(torch.from_numpy(pixels)).numpy()


def test_regions_of_two_towers_are_of_the_image_tower(towers: Run, tmp_path: Path) -> None:
    """Weights of the attribute tower are no part of it, and its vectors of whole pictures are the image tower's."""
    built = build(towers, REGIONS, size=(16, 16))
    assert (built.manifest.mode, built.manifest.attribute_set) == (REGIONS, towers.attributes)
    assert [tensor.name for tensor in built.manifest.inputs] == ["image", "boxes"]
    got, expected = vectors_of_whole(towers, built.model, 16)
    np.testing.assert_allclose(got, expected, atol=1e-4)
    built.write(tmp_path / "regions.onnx")
    assert check_artifact(tmp_path / "regions.onnx").num_golden == 4
    assert not [name for name in towers.branch.towers.state_dict() if name.encode() in built.model]
    assert built.manifest.space != build(towers, ATTRIBUTES).manifest.space


def test_regions_are_compared_with_regions_alone(towers: Run, tmp_path: Path) -> None:
    """Of the six modes only those that take the same can be told apart by their golden examples."""
    files = {mode: tmp_path / f"{mode}.onnx" for mode in ("branch", "full", ATTRIBUTES, REGIONS)}
    for mode, file in files.items():
        build(towers, mode).write(file)
    for mode in ("branch", "full", ATTRIBUTES):
        for pair in ((files[mode], files[REGIONS]), (files[REGIONS], files[mode])):
            found = compare_artifacts(*pair)
            assert found.movement is None
            assert "do not take the same" in str(found.reason)
    same = compare_artifacts(files[REGIONS], files[REGIONS]).movement
    assert same is not None
    assert (same.num_images, same.within_tolerance) == (4, True)


@pytest.mark.parametrize("cut", [None, "blocks.7"])
def test_regions_without_an_embedding_layer_are_features_of_the_map(cut: str | None, tmp_path: Path) -> None:
    """Of the whole network, and cut behind a layer."""
    run = features_of(tmp_path / "run", **({} if cut is None else {"cut": cut}))
    built = build(run, REGIONS, size=(32, 32))
    got, expected = vectors_of_whole(run, built.model, 32)
    np.testing.assert_allclose(got, expected, atol=1e-4)
    built.write(tmp_path / "regions.onnx")
    assert read_manifest(tmp_path / "regions.onnx").embedding_dim == run.embedding_dim


def test_a_last_layer_that_is_not_there_is_not_fitted(tmp_path: Path) -> None:
    """One line, before any object is read."""
    Image.new("RGB", (40, 40)).save(tmp_path / "a.png")
    (tmp_path / "t.csv").write_text("image,x,y,width,height,label\na.png,0,0,20,20,a\na.png,9,9,20,20,b\n")
    table = open_table(str(tmp_path / "t.csv"), regions=RegionOptions())
    with pytest.raises(UsageError, match="objects to fit the last layer to: expected a run with an embedding layer"):
        build(features_of(tmp_path / "run"), REGIONS, fit=table)


@pytest.mark.parametrize("base", ["pixels", "deep_ranking:conv4"])
def test_a_network_without_a_map_has_no_regions(base: str, tmp_path: Path) -> None:
    """It is refused without advice, for none would help."""
    with pytest.raises(UsageError, match="got a vector whose map is not known") as caught:
        build(features_of(tmp_path / "run", base=base), REGIONS)
    assert caught.value.mend is None
