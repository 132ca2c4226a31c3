"""int8 graphs: near fp32 in every family, 7-bit weights per channel, what stays float, and integer kernels."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from artifact.errors import ArtifactError
from export.calibration import Range, find_ranges
from export.half import to_half
from export.quantize import plan_quantization, quantize
from export.reduce import embedder
from tests.shared.small_graphs import FAMILY_PARAMETERS, blocks, network_graph, one_convolution, quantized


@pytest.mark.parametrize("base_name", FAMILY_PARAMETERS)
def test_int8_graph_of_every_family_stays_near_fp32(base_name: str) -> None:
    """Vectors keep their direction, the signature stays, and almost all weights are int8."""
    graph = network_graph(base_name)
    small = quantized(graph)
    onnx.checker.check_model(small, full_check=True)
    assert small.ByteSize() < 0.4 * graph.ByteSize() or base_name == "mobilenetv3_small_100"
    assert [value.SerializeToString() for value in (*graph.graph.input, *graph.graph.output)] == [
        value.SerializeToString() for value in (*small.graph.input, *small.graph.output)
    ]
    pixels = blocks(8)
    cosines = (embedder(graph)(pixels) * embedder(small)(pixels)).sum(axis=1)
    assert cosines.min() > 0.98


def test_weights_are_int8_per_channel_within_half_a_step() -> None:
    """Each dequantised weight is within half its channel's step of the original, and every channel uses all 64."""
    graph = network_graph("resnet18")
    small = quantized(graph)
    before = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.graph.initializer}
    after = {tensor.name: numpy_helper.to_array(tensor) for tensor in small.graph.initializer}
    convolutions = [node for node in graph.graph.node if node.op_type == "Conv"]
    assert len(convolutions) == 20
    for node in convolutions:
        original, values = before[node.input[1]], after[f"{node.name}_weight"]
        steps = after[f"{node.name}_weight_scale"].reshape(-1, 1, 1, 1)
        assert values.dtype == np.int8
        assert len(steps) == len(original)
        assert (np.abs(values * steps - original) <= steps * 0.5001).all()
        assert (np.abs(values).max(axis=(1, 2, 3)) == 64).all()
        assert after[f"{node.name}_bias"].dtype == np.int32


def test_onnxruntime_runs_every_convolution_in_int8(tmp_path: Path) -> None:
    """What onnxruntime makes of the graph has 20 integer convolutions and no float one: the speed depends on it."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # it warns that the file is for this machine
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    onnxruntime.InferenceSession(quantized(network_graph("resnet18")).SerializeToString(), options)
    ops = [node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node]
    assert ops.count("QLinearConv") == 20
    assert not {"Conv", "FusedConv"} & set(ops)


def test_last_layer_and_layers_on_averages_stay_float() -> None:
    """The embedding layer and the squeeze-and-excite layers of MobileNetV3, and nothing else."""
    graph = network_graph("mobilenetv3_small_100")
    skipped = plan_quantization(graph).skipped
    assert sorted(skipped.values()) == ["last layer"] + ["works on averages"] * 19
    layers = [node for node in graph.graph.node if node.op_type in ("Conv", "Gemm")]
    averages = [node for node in layers if skipped.get(node.name) == "works on averages"]
    weights = {tensor.name: tensor.dims for tensor in graph.graph.initializer}
    assert all(list(weights[node.input[1]][2:]) == [1, 1] for node in averages)


def test_a_dead_channel_keeps_its_bias() -> None:
    """Weights of a billionth would need a bias of 2**38 steps, which int32 has not: the channel's step grows."""
    weights = np.array([[0.01, 0.02, -0.01], [1e-9, -1e-9, 1e-9]])[:, :, None, None]
    graph = one_convolution(weights, np.array([0.5, 3.0]))
    pixels = np.random.default_rng(0).integers(0, 256, (40, 4, 4, 3), dtype=np.uint8)
    plan = plan_quantization(graph)
    small = quantize(graph, plan, find_ranges(graph, plan.tensors, pixels))
    want, got = embedder(graph)(pixels), embedder(small)(pixels)
    assert np.abs(got[:, 1] - 3.0).max() < 0.02
    assert np.abs(got - want).max() < 0.06  # steps of pixels and of the output together


def test_nothing_to_quantise_is_said() -> None:
    """A network of one layer has nothing but its last one."""
    graph = one_convolution(np.ones((2, 3, 1, 1)), np.zeros(2))
    del graph.graph.node[3]
    graph.graph.node[2].output[0] = "embedding"
    for reduce, precision in ((plan_quantization, "int8"), (to_half, "fp16")):
        with pytest.raises(ArtifactError, match=f"{precision}: expected a convolution or dense layer besides the last"):
            reduce(graph)


def test_ranges_are_those_of_all_images_and_hold_zero() -> None:
    """The brightest image, which is in the last batch, decides; a tensor far above 0 still has 0 in its range."""
    graph = one_convolution(np.eye(3)[:, :, None, None], np.array([5.0, 0.0, -300.0]))
    pixels = np.full((34, 4, 4, 3), 10, np.uint8)
    pixels[33] = 200
    ranges = find_ranges(graph, ["planes", "hidden"], pixels)
    assert ranges == {"planes": Range(0.0, 200.0), "hidden": Range(-290.0, 205.0)}
