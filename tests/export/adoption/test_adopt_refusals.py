"""Refusals of adoption: each network in one line that says why, and nothing is written."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from artifact.errors import LookalikeError
from export.adoption.adopt import adopt
from tests.shared.foreign_networks import MEAN, STD, save, small_graph


def damaged() -> onnx.ModelProto:
    model = small_graph()
    model.graph.initializer[0].dims[0] = 191
    return model


def of_unknown_type() -> onnx.ModelProto:
    model = small_graph()
    model.graph.input[0].type.tensor_type.elem_type = 99
    return model


def with_nan() -> onnx.ModelProto:
    weights = np.ones((192, 4), np.float32)
    weights[5, 1] = np.nan
    return small_graph(weights=weights)


def node(operator: str, *inputs: str, output: str = "out", **options: object) -> tuple[onnx.NodeProto]:
    return (helper.make_node(operator, list(inputs), [output], name=operator, **options),)


def in_training() -> onnx.ModelProto:
    model = small_graph(extra=node("BatchNormalization", "vector", "s", "b", "m", "v", training_mode=1), output="out")
    model.graph.node[-1].output.extend(["mean_out", "var_out"])
    model.graph.initializer.extend(numpy_helper.from_array(np.ones(4, np.float32), name) for name in "sbmv")
    return model


def with_dropout() -> onnx.ModelProto:
    model = small_graph(extra=node("Dropout", "vector", "ratio", "on"), output="out")
    model.graph.initializer.append(numpy_helper.from_array(np.float32(0.5), "ratio"))
    model.graph.initializer.append(numpy_helper.from_array(np.bool_(True), "on"))
    return model


def with_noise() -> onnx.ModelProto:
    nodes = (
        helper.make_node("RandomNormalLike", ["vector"], ["noise"], name="noise", scale=1e-4),
        helper.make_node("Add", ["vector", "noise"], ["out"]),
    )
    return small_graph(extra=nodes, output="out")


def with_dropout_by_brightness() -> onnx.ModelProto:
    nodes = (
        helper.make_node("ReduceMax", ["flat"], ["most"], keepdims=0),
        helper.make_node("Cast", ["most"], ["on"], to=TensorProto.BOOL),
        helper.make_node("Dropout", ["vector", "ratio", "on"], ["out"]),
    )
    model = small_graph(extra=nodes, output="out")
    model.graph.initializer.append(numpy_helper.from_array(np.float32(0.5), "ratio"))
    return model


def two_inputs() -> onnx.ModelProto:
    nodes = (
        helper.make_node("ReduceMean", ["other"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Unsqueeze", ["mean", "axis"], ["column"]),
        helper.make_node("Add", ["vector", "column"], ["out"]),
    )
    model = small_graph(extra=nodes, output="out", extra_inputs=("other",))
    model.graph.initializer.append(numpy_helper.from_array(np.array([1]), "axis"))
    return model


def of_batch_4() -> onnx.ModelProto:
    nodes = (
        helper.make_node("Reshape", ["vector", "two"], ["mixed"], name="mix"),
        helper.make_node("Transpose", ["mixed"], ["turned"], name="turn", perm=[1, 0]),
        helper.make_node("Reshape", ["turned", "four"], ["out"], name="unmix"),
    )
    model = small_graph(shape=(4, 3, 8, 8), extra=nodes, output="out")
    model.graph.initializer.append(numpy_helper.from_array(np.array([8, 2]), "two"))
    model.graph.initializer.append(numpy_helper.from_array(np.array([4, 4]), "four"))
    return model


def two_outputs() -> onnx.ModelProto:
    model = small_graph(extra=node("Relu", "vector"))
    model.graph.output.add().CopyFrom(helper.make_tensor_value_info("out", TensorProto.FLOAT, None))
    return model


def coupled() -> onnx.ModelProto:
    model = small_graph(extra=node("CumSum", "vector", "axis"), output="out")  # a batch of 1 is left as it is
    model.graph.initializer.append(numpy_helper.from_array(np.array(0), "axis"))
    return model


def integers() -> onnx.ModelProto:
    return small_graph(extra=node("ArgMax", "vector", axis=1), output="out", output_kind=TensorProto.INT64)


def unseeing() -> onnx.ModelProto:
    return small_graph(extra=node("Neg", "weights", output="neg"))


def of_opset_6() -> onnx.ModelProto:
    model = small_graph(extra=node("PRelu", "vector", "slope"), output="out", opset=6)
    model.graph.initializer.append(numpy_helper.from_array(np.ones(4, np.float32), "slope"))
    return model


def custom() -> onnx.ModelProto:
    model = small_graph(extra=node("Wonder", "vector", domain="my.company"), output="out")
    model.opset_import.append(helper.make_opsetid("my.company", 1))
    return model


REFUSALS = {
    "two inputs": (two_inputs, {}, r"inputs that 'out' needs: expected one.*got 2: 'image', 'other'"),
    "uint8 input": (lambda: small_graph(kind=TensorProto.UINT8), {}, r"expected float32 or float16.*got uint8"),
    "grey": (lambda: small_graph(shape=(1, 1, 8, 24)), {}, r"no axis of 3 channels: got float \[1, 1, 8, 24\].*RGB"),
    "ambiguous layout": (lambda: small_graph(shape=(1, 3, 64, 3)), {}, "give --layout nchw or nhwc"),
    "other layout": (small_graph, {"layout": "nhwc"}, "no axis of 3 channels where nhwc has it"),
    "NaN weights": (with_nan, {}, "weights 'weights' hold NaN: expected numbers, got 1 NaN of 768"),
    "damaged weights": (damaged, {}, "weights 'weights' are damaged: got .*reshape"),
    "unknown type": (of_unknown_type, {}, r"expected float32 or float16.*got an unknown type \[N, 3, 8, 8\]"),
    "constant output": (lambda: small_graph(weights=np.zeros((192, 4))), {}, "output 'vector' is constant"),
    "training mode": (in_training, {}, "BatchNormalization 'BatchNormalization' is in training mode.*eval mode"),
    "dropout": (with_dropout, {}, "Dropout 'Dropout' is in training mode.*eval mode"),
    "random": (with_noise, {}, "RandomNormalLike 'noise' draws random numbers.*eval mode"),
    "dropout told as it runs": (with_dropout_by_brightness, {}, "another vector each time it runs.*eval mode"),
    "coupled images": (coupled, {}, "depend on the other images of its batch: .* in a batch of 2"),
    "fixed batch of 4": (of_batch_4, {}, "batch of 4 cannot be made dynamic: .*one by one: needs a network of batch 1"),
    "integer output": (integers, {}, r"expected one float vector an image.*got int64 \[1, 1\]"),
    "unknown output": (small_graph, {"output": "vectr"}, "no value 'vectr' in the graph: expected such as 'vector'"),
    "output without the image": (unseeing, {"output": "neg"}, "does not depend on the image"),
    "several outputs": (two_outputs, {}, "several outputs: got 'vector', 'out'.*--output"),
    "other size": (small_graph, {"size": (9, 8)}, "expected 8x8, which the graph fixes, got 9x8"),
    "custom operator": (custom, {}, "onnxruntime cannot load the network: got .*Wonder"),
    "old opset": (of_opset_6, {}, r"onnxruntime cannot load the network: got .*PRelu\(6\)"),
    "opset of tomorrow": (lambda: small_graph(opset=99), {}, "opset|Opset"),
    "overflow": (small_graph, {"std": (1e-39,) * 3}, "'vector' is not finite on a picture"),
    "std of zero": (small_graph, {"std": (0.0, 1.0, 1.0)}, "std above 0"),
    "kind": (small_graph, {"kind": "twins"}, "'twins'.*siamese"),
    "name": (small_graph, {"name": "a/b"}, "model name 'a/b'"),
}


@pytest.mark.parametrize("case", list(REFUSALS))
def test_what_cannot_be_adopted_says_why(case: str, tmp_path: Path) -> None:
    """One line with the reason; nothing is written."""
    make, options, words = REFUSALS[case]
    file = save(make(), tmp_path / "net.onnx")
    with pytest.raises(LookalikeError, match=words) as caught:
        adopt(file, **({"mean": MEAN, "std": STD} | options))
    assert len(str(caught.value).splitlines()) == 1
    assert list(tmp_path.iterdir()) == [file]


def test_files_that_are_no_networks(tmp_path: Path) -> None:
    """Nothing there, text, half a file, and an artifact, which wants to be installed."""
    whole = save(small_graph(), tmp_path / "whole.onnx")
    adopt(whole, mean=MEAN, std=STD).write(tmp_path / "artifact.onnx")
    (tmp_path / "text.onnx").write_text("no network")
    (tmp_path / "half.onnx").write_bytes(whole.read_bytes()[:2000])
    (tmp_path / "empty.onnx").touch()
    for name, words in (
        ("none", "no such file"),
        ("text", "not an ONNX"),
        ("half", "not an ONNX"),
        ("empty", "not an ONNX network"),
        ("artifact", r"an artifact already.*`lookalike install artifact.onnx`"),
    ):
        with pytest.raises(LookalikeError, match=words):
            adopt(tmp_path / f"{name}.onnx", mean=MEAN, std=STD)


def test_damaged_files_never_end_in_a_traceback(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Bytes changed anywhere but in the weights: adopted, or refused in one line; nothing is printed by the runtime."""
    data = small_graph(extra=node("Relu", "vector"), output="out").SerializeToString()
    random = np.random.default_rng(0)
    places = [i for i in range(len(data)) if not 0 <= i - data.index(b"weightsJ") - 20 < 3000]
    lines = []
    for _ in range(150):
        changed = bytearray(data)
        for place in random.choice(places, random.integers(1, 4)):
            changed[place] = random.integers(0, 256)
        (tmp_path / "net.onnx").write_bytes(changed)
        try:
            adopt(tmp_path / "net.onnx", mean=MEAN, std=STD)
        except LookalikeError as error:
            lines.append(str(error))
    assert len(lines) > 100
    assert not [line for line in lines if len(line.splitlines()) != 1]
    assert capfd.readouterr() == ("", "")
