"""fp16 graphs: what is halved and what stays float32, and the parity that they must keep."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from artifact.errors import ParityError
from export.graph import export_branch
from export.half import to_half
from export.parity import check_parity
from tests.shared.shapes_run import small_run
from tests.shared.small_graphs import SPEC, network_graph


def test_half_graph_keeps_pixels_and_last_layer_in_float() -> None:
    """All convolutions take float16 weights; the embedding layer and the scaling of pixels stay float32."""
    graph = network_graph("resnet18")
    half = to_half(graph)
    onnx.checker.check_model(half, full_check=True)
    types = {tensor.name: tensor.data_type for tensor in half.graph.initializer}
    kinds = {node.op_type: {types[node.input[1]]} for node in half.graph.node if node.op_type in ("Conv", "Gemm")}
    assert kinds == {"Conv": {TensorProto.FLOAT16}, "Gemm": {TensorProto.FLOAT}}
    scaling = [node for node in half.graph.node if node.op_type in ("Mul", "Add")][:2]
    assert {types[node.input[1]] for node in scaling} == {TensorProto.FLOAT}
    assert half.ByteSize() < 0.52 * graph.ByteSize()


def test_parity_of_fp16_catches_other_weights(tmp_path: Path) -> None:
    """Its limit is wider than that of fp32, and still narrow: one layer off by a twentieth is refused."""
    run = small_run(tmp_path / "shapes")
    graph = to_half(export_branch(run.branch, preprocessing=SPEC))
    signature = {"kind": run.kind, "mode": "branch", "distance": run.distance, "precision": "fp16"}
    check_parity(run.branch, graph.SerializeToString(), preprocessing=SPEC, **signature)
    tensor = next(each for each in graph.graph.initializer if each.data_type == TensorProto.FLOAT16)
    tensor.CopyFrom(numpy_helper.from_array((numpy_helper.to_array(tensor) * 1.05).astype(np.float16), tensor.name))
    with pytest.raises(ParityError, match="differ in 'embedding'"):
        check_parity(run.branch, graph.SerializeToString(), preprocessing=SPEC, **signature)
