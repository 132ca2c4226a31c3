"""Adoption of foreign networks: torch is the reference, not the file that was adopted."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from artifact.errors import LookalikeError
from artifact.images.preprocessing import load_pixels
from export.adoption.adopt import adopt
from export.adoption.adopted import Adopted
from serving.check import check_artifact
from serving.client.scorer import Scorer
from serving.embedded.server import Server
from serving.engine import Engine
from serving.probe import probe_pixels
from tests.shared.foreign_networks import (
    MEAN,
    SIZE,
    STD,
    by_torch,
    export,
    save,
    small_graph,
    timm_classifier,
    torchvision_network,
)
from tests.shared.pictures import pictures
from tests.shared.triton_server import TritonServer, unavailable


def run_adopted(adopted: Adopted, file: Path, pixels: np.ndarray) -> np.ndarray:
    """Through the engine that serves artifacts, in one batch."""
    adopted.write(file)
    return Engine(file).run({"image": pixels})["embedding"]


def some_pixels(count: int, size: int = SIZE) -> np.ndarray:
    return probe_pixels(np.random.default_rng(7), count, size, size)


CASES = {
    "timm resnet, opset 17, dynamic": ("test_resnet", {}, SIZE, {"opset": 17, "dynamic": True}, "declared"),
    "timm convnext, new": ("test_convnext", {}, SIZE, {"opset": 20, "dynamo": True, "dynamic": True}, "declared"),
    "timm efficientnet, opset 12, batch 1": ("test_efficientnet", {}, SIZE, {"opset": 12}, "declared"),
    "torchvision squeezenet, opset 11, batch 1": ("tv:squeezenet1_1", {}, SIZE, {"opset": 11}, "declared"),
    "timm vit, opset 14, batch 1": ("test_vit", {}, 160, {"opset": 14}, "rewritten"),
    "timm vit, new exporter, batch 1": ("test_vit", {}, 160, {"opset": 18, "dynamo": True}, "rewritten"),
    "torchvision vit, opset 14, batch 1": (
        "tv:VisionTransformer",
        {"image_size": 32, "patch_size": 16, "num_layers": 1, "num_heads": 2, "hidden_dim": 16, "mlp_dim": 16},
        32,
        {"opset": 14},
        "one by one",
    ),
}


@pytest.mark.parametrize("case", list(CASES))
def test_real_networks_give_torchs_vectors_in_any_batch(case: str, tmp_path: Path) -> None:
    """Old and new exporters, opset 11 to 20, fixed batch and dynamic: batches of 1, 3 and 8 are what torch gives."""
    name, options, size, how, batching = CASES[case]
    make = torchvision_network if name.startswith("tv:") else timm_classifier
    module = make(name.removeprefix("tv:"), **options)
    file = export(module, tmp_path / "net.onnx", size=size, **how)
    adopted = adopt(file, mean=MEAN, std=STD)
    assert adopted.batching == batching
    assert adopted.manifest.opset == 20
    pixels = some_pixels(8, size)
    expected = by_torch(module, pixels)
    for count in (1, 3, 8):
        got = run_adopted(adopted, tmp_path / "out.onnx", pixels[:count])
        assert np.abs(got - expected[:count]).max() <= 2e-4 * np.abs(expected).max()


def test_cut_at_the_value_before_the_classifier(resnet: nn.Module, resnet_file: Path, tmp_path: Path) -> None:
    """The hint names it; the cut graph gives timm's own features, and the classifier is gone from the file."""
    hint = adopt(resnet_file, mean=MEAN, std=STD).dense_input
    assert hint is not None
    adopted = adopt(resnet_file, mean=MEAN, std=STD, output=hint, name="cut")
    features = timm_classifier("test_resnet")
    features.reset_classifier(0)
    pixels = some_pixels(3)
    expected = by_torch(features, pixels)
    got = run_adopted(adopted, tmp_path / "cut.onnx", pixels)
    assert got.shape == expected.shape == (3, resnet.num_features)
    assert np.abs(got - expected).max() <= 2e-4 * np.abs(expected).max()
    assert adopted.dense_input is None
    assert "Gemm" not in {node.op_type for node in onnx.load_from_string(adopted.model).graph.node}
    assert adopted.manifest.space != adopt(resnet_file, mean=MEAN, std=STD).manifest.space


@pytest.mark.parametrize("place", ["in-process", "embedded", "triton"])
def test_adopted_network_is_scored_everywhere(place: str, resnet: nn.Module, resnet_file: Path, tmp_path: Path) -> None:
    """Encoded pictures of every sort through Scorer, our server and real Triton give torch's vectors."""
    if place == "triton" and (reason := unavailable()):
        pytest.skip(f"real Triton cannot run here: {reason}")
    adopted = adopt(resnet_file, mean=MEAN, std=STD, fit="crop")
    assert adopted.publish(tmp_path / "repository").name == "my_net"
    images = list(pictures().values())
    expected = by_torch(resnet, np.stack([load_pixels(image, adopted.manifest.pixels) for image in images]))
    for address in where_it_is(place, tmp_path / "repository"):
        for send in ("pixels", "encoded"):
            with Scorer("my_net", send=send, **address) as scorer:
                assert np.abs(scorer.embed(images) - expected).max() <= 2e-4 * np.abs(expected).max()


def where_it_is(place: str, repository: Path) -> Iterator[dict[str, object]]:
    if place == "in-process":
        yield {"repository": repository}
    elif place == "embedded":
        with Server(repository, grpc_port=0) as server:
            yield {"url": f"127.0.0.1:{server.port}"}
    else:
        with TritonServer(repository) as triton:
            yield {"url": triton.grpc_url}


def test_manifest_tells_where_the_network_came_from(resnet_file: Path, tmp_path: Path) -> None:
    """Hash, producer, opset and cut are in it; no clock, no threshold, no margin; the artifact checks sound."""
    adopted = adopt(resnet_file, mean=MEAN, std=STD, kind="triplet", distance="euclidean", licence="MIT")
    adopted.write(tmp_path / "a.onnx")
    manifest = check_artifact(tmp_path / "a.onnx").manifest
    assert (manifest.kind, manifest.mode, manifest.distance, manifest.embedding_dim) == (
        "triplet",
        "branch",
        "euclidean",
        10,
    )
    assert (manifest.threshold, manifest.margin, manifest.normalized, manifest.created) == (None, None, False, "")
    assert (manifest.promised, manifest.base["licence"]) == ((), "MIT")
    facts = manifest.training
    import hashlib

    assert facts["sha256"] == hashlib.sha256(resnet_file.read_bytes()).hexdigest()
    assert (facts["adopted_from"], facts["opset"], facts["output"]) == ("my net.onnx", 17, "logits")
    assert facts["producer"].startswith("pytorch")
    assert manifest.pixels.mean == MEAN


def test_channels_last_bgr_and_unit_vectors_by_hand(tmp_path: Path) -> None:
    """A float NHWC graph that wants blue first: numpy gives the same vectors, and their length of 1 is noticed."""
    norm = helper.make_node("LpNormalization", ["vector"], ["unit"], axis=1, p=2)
    model = small_graph(
        shape=(1, 6, 8, 3), extra=(norm,), output="unit", weights=np.random.default_rng(3).standard_normal((144, 4))
    )
    file = save(model, tmp_path / "nhwc.onnx")
    adopted = adopt(file, mean=MEAN, std=STD, bgr=True)
    assert adopted.manifest.normalized
    assert (adopted.manifest.pixels.height, adopted.manifest.pixels.width) == (6, 8)
    pixels = probe_pixels(np.random.default_rng(1), 5, 6, 8)
    planes = ((pixels / 255 - MEAN) / STD)[..., ::-1].reshape(5, -1)
    expected = planes @ numpy_helper.to_array(model.graph.initializer[0])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(run_adopted(adopted, tmp_path / "out.onnx", pixels), expected, atol=1e-5)
    plain = adopt(file, mean=MEAN, std=STD)
    assert plain.manifest.space != adopted.manifest.space
    assert np.abs(run_adopted(plain, tmp_path / "plain.onnx", pixels) - expected).max() > 0.1


def test_half_precision_network(tmp_path: Path) -> None:
    """A float16 graph takes uint8 and gives float32; its precision is told."""
    file = save(small_graph(kind=TensorProto.FLOAT16), tmp_path / "half.onnx")
    adopted = adopt(file, mean=MEAN, std=STD)
    assert adopted.manifest.precision == "fp16"
    pixels = probe_pixels(np.random.default_rng(1), 5, 8, 8)
    planes = ((pixels / 255 - MEAN) / STD).transpose(0, 3, 1, 2).reshape(5, -1)
    expected = planes @ numpy_helper.to_array(small_graph().graph.initializer[0])
    np.testing.assert_allclose(run_adopted(adopted, tmp_path / "out.onnx", pixels), expected, atol=0.03)


def test_quantised_network(tmp_path: Path) -> None:
    """Quantised inputs and weights stay so; the precision is told, and the vectors are what NumPy rounds them to."""
    whole = numpy_helper.to_array(small_graph().graph.initializer[0])
    step = float(np.abs(whole).max() / 127)
    weights = np.round(whole / step).astype(np.int8)
    model = small_graph()
    del model.graph.node[1], model.graph.initializer[0]
    scales = {"in_step": np.float32(0.05), "in_zero": np.uint8(128), "step": np.float32(step), "zero": np.int8(0)}
    model.graph.initializer.extend(numpy_helper.from_array(np.asarray(value), name) for name, value in scales.items())
    model.graph.initializer.append(numpy_helper.from_array(weights, "quantised"))
    model.graph.node.extend(
        [
            helper.make_node("QuantizeLinear", ["flat", "in_step", "in_zero"], ["q"]),
            helper.make_node("DequantizeLinear", ["q", "in_step", "in_zero"], ["rounded"]),
            helper.make_node("DequantizeLinear", ["quantised", "step", "zero"], ["weights"]),
            helper.make_node("MatMul", ["rounded", "weights"], ["vector"]),
        ]
    )
    adopted = adopt(save(model, tmp_path / "int8.onnx"), mean=MEAN, std=STD)
    assert adopted.manifest.precision == "int8"
    pixels = probe_pixels(np.random.default_rng(1), 5, 8, 8)
    planes = ((pixels / 255 - MEAN) / STD).transpose(0, 3, 1, 2).reshape(5, -1)
    rounded = (np.round(planes / 0.05) + 128).clip(0, 255) - 128
    expected = rounded * 0.05 @ (weights * np.float64(step))
    got = run_adopted(adopted, tmp_path / "out.onnx", pixels)
    assert np.abs(got - expected).max() <= 5e-2 * np.abs(expected).max()


def test_any_size_takes_the_one_that_is_given(tmp_path: Path) -> None:
    """A fully convolutional graph with dynamic height and width is fixed to --size; without one it is asked for."""
    pool = (helper.make_node("GlobalAveragePool", ["maps"], ["pooled"], name="pool"),)
    model = small_graph(shape=("N", 3, "H", "W"), extra=pool, output="pooled")
    kernel = np.random.default_rng(0).standard_normal((6, 3, 3, 3)).astype(np.float32)
    del model.graph.node[:2]
    model.graph.node.insert(0, helper.make_node("Conv", ["image", "weights"], ["maps"], name="conv"))
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(kernel, "weights"))
    file = save(model, tmp_path / "any.onnx")
    with pytest.raises(LookalikeError, match=r"takes images of any size .*give --size PX"):
        adopt(file, mean=MEAN, std=STD)
    adopted = adopt(file, mean=MEAN, std=STD, size=(9, 11))
    assert run_adopted(adopted, tmp_path / "out.onnx", probe_pixels(np.random.default_rng(0), 2, 9, 11)).shape == (2, 6)
    with pytest.raises(LookalikeError, match=r"'maps': expected one float vector an image.*pooled value.*'pooled'"):
        adopt(file, mean=MEAN, std=STD, size=(9, 11), output="conv")


def test_weights_beside_the_file(tmp_path: Path) -> None:
    """External data in the file's own folder is read into the artifact, which is one file."""
    model = small_graph()
    save(model, tmp_path / "inside.onnx")
    onnx.save_model(model, tmp_path / "net.onnx", save_as_external_data=True, location="net.data", size_threshold=0)
    adopted = adopt(tmp_path / "net.onnx", mean=MEAN, std=STD)
    inside = adopt(tmp_path / "inside.onnx", mean=MEAN, std=STD)
    assert list(adopted.manifest.training["external"]) == ["net.data"]
    os.unlink(tmp_path / "net.data")
    pixels = some_pixels(2, 8)
    np.testing.assert_array_equal(
        run_adopted(adopted, tmp_path / "a.onnx", pixels), run_adopted(inside, tmp_path / "b.onnx", pixels)
    )
