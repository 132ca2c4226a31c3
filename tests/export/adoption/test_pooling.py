"""Maps of foreign networks pooled into vectors: torch is the reference; what is too large is refused with what fits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from artifact.errors import LookalikeError, UsageError
from benchmarks.scene_networks import MEAN as SCENE_MEAN
from benchmarks.scene_networks import STD as SCENE_STD
from benchmarks.scene_networks import normalised, read_scenes
from export.adoption.adopt import adopt
from export.adoption.pooling import Pooling, parse_pooling
from serving.engine import Engine
from serving.probe import probe_pixels
from tests.shared.command_line import Cli, one_line
from tests.shared.foreign_networks import save
from tests.shared.scene_files import SIZE, SceneFiles

CHANNELS, HEIGHT, WIDTH = 6, 10, 14
OPTIONS = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}


def _kernel() -> np.ndarray:
    return np.random.default_rng(1).standard_normal((CHANNELS, 3, 3, 3)).astype(np.float32)


def map_graph(batch: object = "N", kind: int = TensorProto.FLOAT) -> onnx.ModelProto:
    """image [N, 3, 10, 14] -> Conv `map` [N, 6, 10, 14] -> mean `pooled` [N, 6]."""
    kernel = _kernel().astype(np.float16 if kind == TensorProto.FLOAT16 else np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["image", "kernel"], ["map"], pads=[1, 1, 1, 1]),
            helper.make_node("ReduceMean", ["map"], ["pooled"], axes=[2, 3], keepdims=0),
        ],
        "map",
        [helper.make_tensor_value_info("image", kind, [batch, 3, HEIGHT, WIDTH])],
        [helper.make_tensor_value_info("pooled", kind, [batch, CHANNELS])],
        [numpy_helper.from_array(kernel, "kernel")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def by_torch(pixels: np.ndarray, pooling: Pooling) -> np.ndarray:
    planes = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    maps = torch.nn.functional.conv2d(planes, torch.from_numpy(_kernel()), padding=1)
    if pooling.kind == "max":
        return maps.amax((2, 3)).numpy()
    return torch.nn.functional.adaptive_avg_pool2d(maps, (pooling.rows, pooling.columns)).flatten(1).numpy()


@pytest.mark.parametrize("batch", ["N", 1])
@pytest.mark.parametrize("text", ["avg", "max", "grid:1x1", "grid:3x4", "grid:10x14", "grid:7x5"])
def test_pooled_vectors_are_torchs(text: str, batch: object, tmp_path: Path) -> None:
    """Of any grid up to the map's own size, in any batch."""
    file = save(map_graph(batch), tmp_path / "map.onnx")
    adopted = adopt(file, output="map", pool=text, **OPTIONS)
    adopted.write(tmp_path / "adopted.onnx")
    pixels = probe_pixels(np.random.default_rng(2), 5, HEIGHT, WIDTH)
    vectors = Engine(tmp_path / "adopted.onnx").run({"image": pixels})["embedding"]
    np.testing.assert_allclose(vectors, by_torch(pixels, parse_pooling(text)), atol=2e-5)
    assert adopted.manifest.training["pooling"] == text
    assert adopted.manifest.training["output"] == "map"


def test_half_precision_and_one_by_one_are_pooled_in_float32(tmp_path: Path) -> None:
    """A map of float16, in a network that only runs one image at a time."""
    model = map_graph(1, TensorProto.FLOAT16)
    fixed = np.array([1, 3, HEIGHT, WIDTH], np.int64)  # a shape that cannot be freed: it is computed at run time
    model.graph.initializer.append(numpy_helper.from_array(fixed, "fixed"))
    model.graph.node.insert(0, helper.make_node("Add", ["fixed", "zeros"], ["shape"]))
    model.graph.node.insert(1, helper.make_node("Shape", ["image"], ["seen"]))
    model.graph.node.insert(0, helper.make_node("Sub", ["fixed", "fixed"], ["zeros"]))
    model.graph.node.insert(3, helper.make_node("Reshape", ["image", "shape"], ["same"]))
    model.graph.node[4].input[0] = "same"
    adopted = adopt(save(model, tmp_path / "half.onnx"), output="map", pool="grid:2x2", **OPTIONS)
    assert adopted.manifest.precision == "fp16"
    adopted.write(tmp_path / "adopted.onnx")
    pixels = probe_pixels(np.random.default_rng(2), 3, HEIGHT, WIDTH)
    vectors = Engine(tmp_path / "adopted.onnx").run({"image": pixels})["embedding"]
    np.testing.assert_allclose(vectors, by_torch(pixels, parse_pooling("grid:2x2")), atol=2e-2)


def test_pooling_is_part_of_the_space_and_absent_without_it(tmp_path: Path) -> None:
    """Two poolings are two spaces; what is not pooled says nothing of it."""
    file = save(map_graph(), tmp_path / "map.onnx")
    spaces = {adopt(file, output="map", pool=text, **OPTIONS).manifest.space for text in ("avg", "max", "grid:1x1")}
    plain = adopt(file, **OPTIONS).manifest
    assert len(spaces | {plain.space}) == 4
    assert "pooling" not in plain.training


REFUSALS = {
    "no pooling": ({}, "pool it with --pool avg, max or grid:KxK"),
    "other words": ({"pool": "mean"}, "--pool: expected avg, max or grid:KxK, such as grid:2x2, got 'mean'"),
    "grid of nothing": ({"pool": "grid:0x2"}, "such as grid:2x2"),
    "finer than the map": ({"pool": "grid:11x3"}, "at most the map's own 10x14 cells (FILE); try grid:10x3"),
    "too long": ({"pool": "grid:9x9", "limit": 100}, "at most 100 numbers, got 486 (FILE); grid:4x4 gives 96"),
    "only the mean fits": ({"pool": "grid:2x2", "limit": 6}, "got 24 (FILE); avg gives 6"),
    "nothing fits": ({"pool": "avg", "limit": 5}, "name a layer of fewer channels than 6, or raise --limit"),
    "no limit": ({"pool": "avg", "limit": 0}, "--limit: expected 1 or more numbers, got 0"),
    "pooled already": ({"output": "pooled", "pool": "avg"}, "got [1, 6] (FILE); leave --pool out"),
    "long without pooling": ({"output": "pooled", "limit": 5}, "at most 5 numbers, got 6"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refusals_say_what_would_fit(case: str, tmp_path: Path) -> None:
    """Nothing is adopted."""
    options, words = REFUSALS[case]
    file = save(map_graph(1), tmp_path / "map.onnx")
    with pytest.raises(UsageError) as error:
        adopt(file, **{"output": "map", **OPTIONS, **options})
    assert words.replace("FILE", str(file)) in str(error.value)


def test_default_limit_holds_for_what_is_pooled(tmp_path: Path) -> None:
    """10,000 numbers unless told otherwise."""
    model = map_graph(1)
    wide = np.random.default_rng(0).standard_normal((100, 3, 3, 3)).astype(np.float32)
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(wide, "kernel"))
    file = save(model, tmp_path / "wide.onnx")
    with pytest.raises(UsageError, match=r"at most 10,000 numbers, got 14,000 .*grid:10x10 gives 10,000"):
        adopt(file, output="map", pool="grid:10x14", **OPTIONS)
    assert adopt(file, output="map", pool="grid:10x14", limit=14_000, **OPTIONS).manifest.embedding_dim == 14_000


def test_command_refuses_in_one_line(cli: Cli, tmp_path: Path) -> None:
    """And takes what fits."""
    save(map_graph(1), tmp_path / "map.onnx")
    words = ("adopt", "map.onnx", "--mean", "0", "--std", "1", "--output", "map", "--repository", "models")
    code, _, err = cli(*words, "--pool", "grid:9x9", "--limit", 100)
    assert (code, "grid:4x4 gives 96" in one_line(err)) == (2, True)
    code, out, _ = cli(*words, "--pool", "grid:4x4", "--limit", 100)
    assert code == 0
    assert "96" in out


@pytest.mark.slow
def test_bottleneck_of_a_trained_unet_tells_scenes_apart(scene_files: SceneFiles, tmp_path: Path) -> None:
    """It segments scenes that it never saw; its pooled bottleneck is torch's, and knows a scene in other light."""
    images, _, _, masks = read_scenes(scene_files.scenes, SIZE)
    with torch.no_grad():
        found = (torch.sigmoid(scene_files.unet(images)) > 0.5).float()
        bottleneck = scene_files.unet.bottleneck
    assert 2 * (found * masks).sum() / (found.sum() + masks.sum()) > 0.7
    channels = bottleneck.shape[1]
    options = {"mean": SCENE_MEAN, "std": SCENE_STD, "output": "bottleneck"}
    with pytest.raises(LookalikeError, match="pool it with --pool"):
        adopt(scene_files.unet_file, **options)
    with pytest.raises(UsageError, match=r"at most 10,000 numbers.*grid:8x8 gives 8,192"):
        adopt(scene_files.unet_file, pool="grid:12x16", **options)
    adopted = adopt(scene_files.unet_file, pool="grid:4x4", **options)
    assert adopted.manifest.embedding_dim == 16 * channels
    adopted.write(tmp_path / "adopted.onnx")
    engine = Engine(tmp_path / "adopted.onnx")
    pixels = ((images.permute(0, 2, 3, 1) * 0.25 + 0.5) * 255).round().clip(0, 255).to(torch.uint8).numpy()
    with torch.no_grad():
        scene_files.unet(normalised(pixels))
        want = torch.nn.functional.adaptive_avg_pool2d(scene_files.unet.bottleneck, 4).flatten(1).numpy()
    vectors = engine.run({"image": pixels})["embedding"]
    np.testing.assert_allclose(vectors, want, atol=1e-3 * np.abs(want).max())
    dimmer = engine.run({"image": (pixels * 0.85).astype(np.uint8)})["embedding"]
    unit, other = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (vectors, dimmer))
    assert ((other @ unit.T).argmax(axis=1) == np.arange(len(unit))).all()
