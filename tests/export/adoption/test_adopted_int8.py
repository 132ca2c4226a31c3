"""Adopted networks that came quantised: how large their weights are is told, and what it means on some processors."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

from artifact.model.int8_scheme import largest_int8_weight, older_scheme_note
from export.adoption.adopt import adopt
from export.adoption.adopted import Adopted
from lookalike.cli import main
from serving.check import check_artifact
from tests.shared.foreign_networks import MEAN, STD, save, small_graph

NOTE = (
    "int8 weights up to 127, above 64: on x86 processors without VNNI it may give other vectors; quantise the network "
    "with reduced range (reduce_range=True) and adopt it again"
)


def adopt_dynamic(folder: Path, *, reduce_range: bool, kind: QuantType = QuantType.QInt8) -> Adopted:
    """A dense layer that onnxruntime quantises as its users do: DynamicQuantizeLinear and MatMulInteger."""
    save(small_graph(), folder / "whole.onnx")
    file = folder / "dynamic.onnx"
    quantize_dynamic(folder / "whole.onnx", file, weight_type=kind, reduce_range=reduce_range)
    assert "MatMulInteger" in {node.op_type for node in onnx.load(file).graph.node}
    return adopt(file, mean=MEAN, std=STD)


@pytest.mark.parametrize(
    ("reduce_range", "kind", "largest"),
    [(False, QuantType.QInt8, 127), (True, QuantType.QInt8, 64), (False, QuantType.QUInt8, 0)],
)
def test_largest_weight_is_in_the_manifest(tmp_path: Path, reduce_range: bool, kind: QuantType, largest: int) -> None:
    """Read off the weights that are multiplied; uint8 ones are no matter, and only what is too large is told."""
    adopted = adopt_dynamic(tmp_path, reduce_range=reduce_range, kind=kind)
    assert adopted.manifest.precision == "int8"
    assert adopted.manifest.quantization == {"largest_weight": largest}
    assert older_scheme_note(adopted.manifest) == (NOTE if largest > 64 else None)


def test_describe_and_check_tell_of_large_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A note, and exit code 0: the artifact is sound on this machine."""
    for reduce_range, note in ((False, NOTE), (True, None)):
        file = tmp_path / f"{reduce_range}.onnx"
        adopt_dynamic(tmp_path, reduce_range=reduce_range).write(file)
        assert check_artifact(file).note == note
        for command in ("describe", "check"):
            assert main([command, str(file), "--json"]) == 0
            assert json.loads(capsys.readouterr().out).get("note") == note


def test_network_that_is_not_quantised_has_no_such_fact(tmp_path: Path) -> None:
    """Its manifest stays as it was, to the byte."""
    adopted = adopt(save(small_graph(), tmp_path / "net.onnx"), mean=MEAN, std=STD)
    assert adopted.manifest.quantization is None


def _constant(name: str, values: np.ndarray) -> onnx.NodeProto:
    return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(values))


@pytest.mark.parametrize(
    ("operator", "inputs", "largest"),
    [
        ("DequantizeLinear", ["w", "s", "z"], 90),
        ("QLinearConv", ["x", "s", "z", "w", "s", "z", "s", "z"], 90),
        ("QLinearMatMul", ["x", "s", "z", "w", "s", "z", "s", "z"], 90),
        ("MatMulInteger", ["x", "w"], 90),
        ("ConvInteger", ["x", "w", "z", "z"], 90),
        ("QuantizeLinear", ["x", "s", "z"], 0),  # a zero point of an activation is no weight
    ],
)
def test_weights_are_found_by_who_reads_them(operator: str, inputs: list[str], largest: int) -> None:
    """Behind every operator, as initialiser, as Constant, and in a subgraph that sees it from outside."""
    constants = {"w": np.array([[-90, 5]], np.int8), "z": np.array(-128, np.int8), "s": np.array(0.5, np.float32)}
    node = helper.make_node(operator, inputs, ["y"])
    x = [helper.make_tensor_value_info("x", TensorProto.UINT8, ["N", 1])]
    tensors = [numpy_helper.from_array(values, name) for name, values in constants.items()]
    as_initializer = helper.make_graph([node], "g", x, [], tensors)
    as_constant = helper.make_graph([*(_constant(*item) for item in constants.items()), node], "g", x, [])
    branch = helper.make_graph([node], "inner", [], [])
    inside = helper.make_graph([helper.make_node("If", ["c"], ["y"], then_branch=branch)], "g", x, [], tensors)
    for graph in (as_initializer, as_constant, inside):
        assert largest_int8_weight(helper.make_model(graph)) == largest
