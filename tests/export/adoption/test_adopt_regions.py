"""Boxes in the map of a foreign network: torch's map and plain loops are the reference."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from artifact.errors import ArtifactError, UsageError
from artifact.model.file import read_manifest
from export.adoption.adopt_regions import adopt_regions
from export.adoption.adopted import Adopted
from export.parity import make_session
from lookalike.cli import main
from serving.check import check_artifact
from tests.shared.foreign_networks import MEAN, SIZE, STD, export, save
from tests.shared.plain_regions import plain_regions
from tests.shared.two_towers import two_towers

NAN = np.float32("nan")
BOXES = np.array(
    [
        [[0, 0, 1, 1], [0.1, 0.3, 0.6, 0.95], [NAN] * 4],
        [[0.5, 0, 1, 0.4], [0, 0, 0, 0], [0.2, 0.2, 0.7, 0.9]],
    ],
    np.float32,
)


@pytest.fixture(scope="module")
def value(resnet_file: Path) -> str:
    """The map in front of the pooling of the file's network."""
    import onnx

    graph = onnx.load(resnet_file).graph
    pool = next(node for node in graph.node if node.op_type in ("GlobalAveragePool", "ReduceMean"))
    return str(pool.input[0])


@pytest.fixture(scope="module")
def adopted(resnet_file: Path, value: str) -> Adopted:
    return adopt_regions(resnet_file, value, mean=MEAN, std=STD)


def maps_of(network: nn.Module, pixels: np.ndarray) -> np.ndarray:
    """torch's last map of uint8 [N, H, W, 3]."""
    planes = torch.from_numpy(pixels).permute(0, 3, 1, 2).double() / 255
    planes = (planes - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    with torch.no_grad():
        return network.forward_features(planes.float()).numpy()


@pytest.mark.parametrize("pool", ["avg", "max"])
def test_boxes_have_torchs_map_by_plain_loops(resnet: nn.Module, resnet_file: Path, value: str, pool: str) -> None:
    """Mean and maximum of a box's bins; nothing for what is no box."""
    model = adopt_regions(resnet_file, value, mean=MEAN, std=STD, pool=pool).model
    pixels = np.random.default_rng(0).integers(0, 256, (2, SIZE, SIZE, 3), np.uint8)
    (got,) = make_session(model).run(None, {"image": pixels, "boxes": BOXES})
    maps = maps_of(resnet, pixels)
    assert maps.shape[2:] == (2, 2)
    bins = plain_regions(maps, BOXES, (2, 2), 1, 0.25)
    want = bins.mean(axis=(3, 4)) if pool == "avg" else bins.max(axis=(3, 4))
    want[[0, 1], [2, 1]] = 0
    np.testing.assert_allclose(got, want, atol=1e-4 * np.abs(want).max())
    assert not got[[0, 1], [2, 1]].any()


def test_a_box_of_the_whole_picture_is_the_networks_own_pooled_vector(resnet: nn.Module, adopted: Adopted) -> None:
    """As `adopt` without boxes cuts it: the mean of the map."""
    pixels = np.random.default_rng(1).integers(0, 256, (2, SIZE, SIZE, 3), np.uint8)
    whole = np.tile(np.array([0, 0, 1, 1], np.float32), (2, 1, 1))
    (got,) = make_session(adopted.model).run(None, {"image": pixels, "boxes": whole})
    want = maps_of(resnet, pixels).mean(axis=(2, 3))
    np.testing.assert_allclose(got[:, 0], want, atol=1e-4 * np.abs(want).max())


def test_an_adopted_region_artifact_says_what_it_is(adopted: Adopted, value: str, tmp_path: Path) -> None:
    """Its name has the suffix, its manifest the map, the pooling and what is left out; its goldens pass."""
    adopted.write(tmp_path / "net.onnx")
    manifest = read_manifest(tmp_path / "net.onnx")
    assert (manifest.name, manifest.mode, manifest.embedding_dim) == ("my_net_regions", "regions", 96)
    assert manifest.training["output"] == value
    assert manifest.training["regions"] == {"map": [2, 2], "pooling": "avg", "inset": 0.25}
    assert check_artifact(tmp_path / "net.onnx").num_golden == 4


def test_a_large_map_is_sampled_by_a_fixed_grid(tmp_path: Path) -> None:
    """A map of 16x16 cells in 7x7 bins; one image at a time in the file, any batch behind it."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 5, 3, stride=2, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    file = export(network, tmp_path / "net.onnx", size=32, opset=17)
    model = adopt_regions(file, "/1/Relu_output_0", mean=MEAN, std=STD).model
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    (got,) = make_session(model).run(None, {"image": pixels, "boxes": BOXES})
    planes = (pixels / 255 - np.asarray(MEAN)) / np.asarray(STD)
    with torch.no_grad():
        maps = network[:2](torch.from_numpy(planes.transpose(0, 3, 1, 2)).float()).numpy()
    want = plain_regions(maps, BOXES, (7, 7), 2, 0.25).mean(axis=(3, 4))
    want[[0, 1], [2, 1]] = 0
    np.testing.assert_allclose(got, want, atol=1e-4)


def test_what_is_no_map_is_refused_in_one_line(resnet_file: Path) -> None:
    """The logits, and a value that is not there, with the nearest."""
    with pytest.raises(UsageError, match=r"--regions 'logits': expected a map .* got float32 \[1, 10\]"):
        adopt_regions(resnet_file, "logits", mean=MEAN, std=STD)
    with pytest.raises(UsageError, match=r"no value 'nothing' in the graph: .*; name another with --regions$"):
        adopt_regions(resnet_file, "nothing", mean=MEAN, std=STD)


def test_refusals_of_a_map_name_the_option_that_was_used(tmp_path: Path) -> None:
    """A value that needs the text too, and one that is the same for every picture."""
    file = save(two_towers(), tmp_path / "clip.onnx")
    with pytest.raises(ArtifactError, match="such as --regions "):
        adopt_regions(file, "logits_per_image", mean=MEAN, std=STD, size=(SIZE, SIZE))
    grey = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    nn.init.zeros_(grey[0].weight)
    file = export(grey, tmp_path / "grey.onnx", size=SIZE, opset=17)
    with pytest.raises(ArtifactError, match=r"is constant: .*or name another value with --regions"):
        adopt_regions(file, "/0/Conv_output_0", mean=MEAN, std=STD)


def test_adopt_command_takes_boxes(
    resnet_file: Path, value: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--regions VALUE` publishes NAME_regions; what means nothing beside it is refused."""
    pixels = ["--mean", "0.5,0.4,0.3", "--std", "0.2,0.3,0.25", "--repository", str(tmp_path / "models")]
    assert main(["adopt", str(resnet_file), "--regions", value, *pixels, "--json"]) == 0
    assert (tmp_path / "models" / "my_net_regions_encoded").is_dir()
    capsys.readouterr()
    assert main(["describe", "my_net_regions", "--repository", str(tmp_path / "models")]) == 0
    assert re.search(r"^regions +inset=0\.25, map=2, 2, pooling=avg$", capsys.readouterr().out, re.MULTILINE)
    for wrong, text in (
        (["--output", "logits"], "--output with --regions"),
        (["--fit", "pad"], "boxes are shares of the original picture"),
        (["--pool", "grid:2x2"], "--pool with --regions: expected one of avg, max"),
        (["--box-unit", "share"], "--box-unit with --regions; boxes go into the artifact"),
        (["--box-format", "xywh"], "--box-format with --regions; boxes go into the artifact"),
        (["--boxes", "x"], "--boxes with --regions; boxes go into the artifact"),
        (["--scores", "x"], "--scores with --regions; --regions names the value"),
    ):
        capsys.readouterr()
        assert main(["adopt", str(resnet_file), "--regions", value, *pixels, *wrong]) == 2
        assert text in " ".join(capsys.readouterr().err.split())
