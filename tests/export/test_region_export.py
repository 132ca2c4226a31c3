"""Region artifacts of a run: what torch's map, plain loops and torch's head give, and what cannot be one."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch

from artifact.errors import UsageError
from artifact.images.preprocessing import Preprocessing
from artifact.model.file import read_manifest
from artifact.repository.reading import open_repository
from export.build import Built, build
from export.parity import Parity, make_session
from export.region_build import RegionGraph, region_space
from lookalike.cli import main
from serving.check import check_artifact
from tests.shared.plain_regions import plain_regions
from tests.shared.shapes_run import small_run
from trainer.networks.base_networks import branch_of, build_base
from trainer.networks.branch import Branch
from trainer.networks.regional import regional_branch
from trainer.run.saved_run import Run

NAN = np.float32("nan")
BOXES = np.array(
    [[[0, 0, 1, 1], [0.1, 0.3, 0.45, 0.8], [NAN] * 4], [[0.5, 0, 1, 0.4], [0.2] * 4, [0, 0, 0.3, 0.3]]], "f4"
)


REGION_GRAPH = RegionGraph(
    model=b"", preprocessing=Preprocessing(height=64, width=96), parity=Parity(0, 0), golden=None, facts={}
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Conv4, whose map is flattened."""
    return small_run(tmp_path_factory.mktemp("run") / "shapes", epochs=1)


@pytest.fixture(scope="module")
def built(run: Run) -> Built:
    return build(run, "regions", size=(64, 96))


def pictures(height: int, width: int, count: int = 2) -> np.ndarray:
    """uint8 [count, height, width, 3]."""
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), np.uint8)


def branch_named(name: str, **options: object) -> Branch:
    torch.manual_seed(0)
    base = build_base(name, size=32, **options)
    return branch_of(base, embedding_dim=6, normalize=False).eval()


def test_regions_equal_torch_around_plain_loops(run: Run, built: Built) -> None:
    """The map of the branch's own layers, its boxes by plain loops, flattened into the branch's own head."""
    pixels = pictures(64, 96)
    with torch.no_grad():
        maps = run.branch.base.blocks(run.branch.planes(torch.from_numpy(pixels))).numpy()
        bins = plain_regions(maps, BOXES, (4, 4), 1, 0.25).reshape(6, -1).astype(np.float32)
        vectors = run.branch.head(torch.from_numpy(bins)).numpy().reshape(2, 3, 8)
    vectors[[0, 1], [2, 1]] = 0
    (got,) = make_session(built.model).run(None, {"image": pixels, "boxes": BOXES})
    np.testing.assert_allclose(got, vectors, atol=1e-4)
    assert np.abs(vectors[0, 1]).max() > 1e-2


def test_a_box_of_a_whole_picture_of_the_branchs_size_has_the_branchs_vector(run: Run) -> None:
    """To rounding, for a flattened map: its bins are the map's cells."""
    pixels = pictures(32, 32)
    regions = make_session(build(run, "regions", size=(32, 32)).model)
    whole = np.tile(np.array([0, 0, 1, 1], np.float32), (2, 1, 1))
    (got,) = regions.run(None, {"image": pixels, "boxes": whole})
    with torch.no_grad():
        np.testing.assert_allclose(got[:, 0], run.branch(torch.from_numpy(pixels)).numpy(), atol=1e-4)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("conv4", {"pooling": "avg"}),
        ("conv4", {"pooling": "gem"}),
        ("test_resnet", {"pooling": "max"}),
        ("test_resnet", {}),
        ("test_resnet", {"cut": 2}),
        ("test_convnext", {}),
    ],
)
def test_parts_of_a_branch_are_the_branch(name: str, options: dict[str, object]) -> None:
    """Every pooling of a map of rows and columns, a timm network's own head, and its first stages."""
    branch = branch_named(name, **options)
    parts = regional_branch(branch, name=name, size=32)
    pixels = torch.from_numpy(pictures(32, 32))
    with torch.no_grad():
        maps = parts.maps(pixels)
        assert tuple(maps.shape[2:]) == parts.sides
        torch.testing.assert_close(parts.tail(maps), branch(pixels))


def test_networks_without_a_map_are_refused_in_one_line() -> None:
    """Patches in a row have no rows and columns; of a vector nobody knows the map."""
    with pytest.raises(UsageError, match="base network test_vit: expected a map of rows and columns"):
        regional_branch(branch_named("test_vit"), name="test_vit", size=32)
    bare = Branch(
        torch.nn.Flatten(), num_features=3072, embedding_dim=4, mean=(0, 0, 0), std=(1, 1, 1), normalize=False
    )
    with pytest.raises(UsageError, match=r"a vector whose map is not known .*train with --pooling"):
        regional_branch(bare, name="mine:net", size=32)


def test_a_region_artifact_says_what_it_is(run: Run, built: Built, tmp_path: Path) -> None:
    """Its size is its own, its fit stretch, its space another, and nothing that was measured is claimed of boxes."""
    manifest = built.write(tmp_path / "regions.onnx")
    branch = build(run, "branch").manifest
    assert (manifest.name, manifest.mode) == ("shapes_regions", "regions")
    assert [manifest.preprocessing[key] for key in ("height", "width", "fit")] == [64, 96, "stretch"]
    assert manifest.space != branch.space
    assert manifest.threshold is None
    assert "whole pictures" in manifest.training["why_no_threshold"]
    assert manifest.training["regions"] == {"map": [4, 4], "inset": 0.25, "trained_px": [32, 32]}
    assert check_artifact(tmp_path / "regions.onnx").num_golden == 4


def test_same_run_gives_the_same_bytes_twice_and_another_size_another_space(run: Run, built: Built) -> None:
    """No clock, no chance; the same box of a larger picture has another vector."""
    again = build(run, "regions", size=(64, 96))
    assert hashlib.sha256(again.model).digest() == hashlib.sha256(built.model).digest()
    assert again.manifest == built.manifest
    graph = dataclasses.replace(REGION_GRAPH, preprocessing=Preprocessing(height=64, width=64))
    assert region_space("a branch", REGION_GRAPH) != region_space("a branch", graph)


def test_half_precision_keeps_parity(run: Run) -> None:
    """The map is halved, the boxes are not."""
    half = build(run, "regions", size=(64, 64), precision="fp16")
    assert half.manifest.name == "shapes_fp16_regions"
    assert half.parity.max_abs <= half.parity.limit


def test_export_command_publishes_regions(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--as regions --size` beside a file; the size defaults to four times the branch's."""
    options = ["--as", "regions", "--repository", str(tmp_path / "models"), "--file", str(tmp_path / "r.onnx")]
    assert main(["export", str(run.path), *options, "--json"]) == 0
    manifest = read_manifest(tmp_path / "r.onnx")
    assert [manifest.preprocessing[key] for key in ("height", "width")] == [128, 128]
    published = open_repository(tmp_path / "models").model("shapes_regions")
    assert published.manifest(1) == manifest.model_copy(update={"golden": None})
    for wrong, text in (
        (["--size", "64"], "--size is for --as regions"),
        (["--as", "regions", "--size", "0x9"], "--size: expected PX or HEIGHTxWIDTH"),
        (["--as", "regions", "--precision", "int8"], "--precision: expected fp32 or fp16, got int8"),
        (["--as", "regions", "--fit", "x.json", "--file", "./x.json"], "--file would overwrite the objects of --fit"),
    ):
        capsys.readouterr()
        assert main(["export", str(run.path), *wrong]) == 2
        assert text in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("name", ["r.json", "r.textproto"])
def test_an_artifact_is_binary_whatever_its_files_name(built: Built, tmp_path: Path, name: str) -> None:
    """onnx takes the ending of a name for the form of the file, unless it is told."""
    assert built.write(tmp_path / name).digest == built.write(tmp_path / "r.onnx").digest
