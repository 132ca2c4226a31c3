"""Other people's plain ONNX models, served by the embedded server as Triton's onnxruntime backend serves them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from serving.embedded.server import Server
from tests.shared.plain_models import TYPES, ask, identity, model, put, scaled, values
from tests.shared.tiny_artifact import publish_tiny
from tests.shared.triton_client import client_of, index_of, refusal

CONFIG = """backend: "onnxruntime" max_batch_size: 8
input {{ name: "x" data_type: TYPE_{type} dims: [2] }}
output {{ name: "y" data_type: TYPE_{type} dims: [2] }}
"""


def config_name(datatype: str) -> str:
    """The config's name of a data type of the protocol."""
    return "STRING" if datatype == "BYTES" else datatype


def test_every_data_type_comes_back(tmp_path: Path) -> None:
    """Every data type of the protocol, in a batch of three, is answered as it came."""
    for datatype in TYPES:
        put(tmp_path, datatype, identity(datatype), CONFIG.format(type=config_name(datatype)))
    with Server(tmp_path, grpc_port=0) as server, client_of(server) as client:
        for datatype in TYPES:
            rows = values(datatype, (3, 2))
            answer = ask(client, datatype, {"x": rows}, datatypes={"x": datatype})
            (output,) = answer.get_response().outputs
            assert (output.datatype, list(output.shape)) == (datatype, [3, 2])
            if datatype == "BF16":
                assert answer.get_response().raw_output_contents[0] == rows.tobytes()
            else:
                np.testing.assert_array_equal(answer.as_numpy("y"), rows)
            metadata = client.get_model_metadata(datatype)
            assert (metadata.platform, metadata.inputs[0].datatype, list(metadata.inputs[0].shape)) == (
                "onnxruntime_onnx",
                datatype,
                [-1, 2],
            )


def test_string_that_is_no_text_is_refused_alone(tmp_path: Path) -> None:
    """onnxruntime takes text only; a string that is no UTF-8 is the client's mistake."""
    put(tmp_path, "strings", identity("BYTES"), CONFIG.format(type="STRING"))
    with Server(tmp_path, grpc_port=0) as server, client_of(server) as client:
        rows = np.array([[b"\xff", b"a"]], object)
        code, text = refusal(lambda: ask(client, "strings", {"x": rows}))
        assert (code, text.split(":")[0]) == ("INVALID_ARGUMENT", "input 'x' has a string that is no UTF-8")


def test_config_is_completed_from_the_file(tmp_path: Path) -> None:
    """Without a config.pbtxt: names and shapes of the file; batches of 4 where every first length is open."""
    nodes = [helper.make_node("ReduceSum", ["b", "axes"], ["sum"], keepdims=0), helper.make_node("Neg", ["a"], ["neg"])]
    axes = numpy_helper.from_array(np.array([1], np.int64), "axes")
    batched = model(
        nodes,
        {"b": (TensorProto.FLOAT, ("N", "any")), "a": (TensorProto.INT64, ("N", 5))},
        {"sum": (TensorProto.FLOAT, ("N",)), "neg": (TensorProto.INT64, ("N", 5))},
        [axes],
    )
    put(tmp_path, "batched", batched)
    put(tmp_path, "fixed", scaled(2.0, (1, 3)))
    with Server(tmp_path, grpc_port=0) as server, client_of(server) as client:
        config = client.get_model_config("batched").config
        assert (config.name, config.backend, config.platform) == ("batched", "onnxruntime", "onnxruntime_onnx")
        assert (config.max_batch_size, config.HasField("dynamic_batching")) == (4, True)
        assert [(one.name, list(one.dims)) for one in config.input] == [("a", [5]), ("b", [-1])]
        assert [(one.name, list(one.dims), one.HasField("reshape")) for one in config.output] == [
            ("neg", [5], False),
            ("sum", [1], True),
        ]
        feeds = {"a": np.arange(10).reshape(2, 5), "b": np.arange(6, dtype=np.float32).reshape(2, 3)}
        answer = ask(client, "batched", feeds)
        np.testing.assert_array_equal(answer.as_numpy("sum"), [[3.0], [12.0]])
        np.testing.assert_array_equal(answer.as_numpy("neg"), -feeds["a"])
        fixed = client.get_model_config("fixed").config
        assert (fixed.max_batch_size, list(fixed.input[0].dims)) == (0, [1, 3])
        assert not fixed.HasField("dynamic_batching")
        ones = np.ones((1, 3), np.float32)
        np.testing.assert_array_equal(ask(client, "fixed", {"x": ones}).as_numpy("y"), 2 * ones)


def test_model_without_a_batch_takes_shapes_as_they_are(tmp_path: Path) -> None:
    """max_batch_size 0: dims are the whole shape, open lengths may differ, and each request is one run."""
    config = CONFIG.format(type="FP32").replace("[2]", "[-1, -1]").replace("max_batch_size: 8", "")
    put(tmp_path, "free", identity("FP32", ("a", "b")), config)
    with Server(tmp_path, grpc_port=0) as server, client_of(server) as client:
        for shape in ((1, 1), (3, 5), (5, 3)):
            rows = values("FP32", shape)
            np.testing.assert_array_equal(ask(client, "free", {"x": rows}).as_numpy("y"), rows)
        counted = client.get_inference_statistics("free").model_stats[0]
        assert (counted.inference_count, counted.execution_count) == (3, 3)
        code, text = refusal(lambda: ask(client, "free", {"x": np.zeros(3, np.float32)}))
        assert code == "INVALID_ARGUMENT"
        assert "unexpected shape for input 'x' for model 'free'. Expected [-1,-1], got [3]." in text


def test_scalars_and_reshapes(tmp_path: Path) -> None:
    """A scalar a row by an empty reshape, a scalar without a batch, and open lengths that move."""
    put(tmp_path, "rows", identity("FP32", ("N",)), CONFIG.format(type="FP32").replace("[2]", "[1] reshape {}"))
    alone = CONFIG.format(type="FP32").replace("[2]", "[1]").replace("max_batch_size: 8", "")
    put(tmp_path, "scalar", identity("FP32", ()), alone)
    moved = CONFIG.format(type="FP32").replace("[2]", "[2, -1, 6] reshape { shape: [2, -1, 2, 3] }")
    put(tmp_path, "moved", identity("FP32", ("N", 2, "k", 2, 3)), moved)
    with Server(tmp_path, grpc_port=0) as server, client_of(server) as client:
        for name, shape in (("rows", (4, 1)), ("scalar", (1,)), ("moved", (3, 2, 5, 6))):
            rows = values("FP32", shape)
            answer = ask(client, name, {"x": rows}).as_numpy("y")
            assert answer.shape == shape
            np.testing.assert_array_equal(answer, rows)


def test_optional_input_may_be_left_out(tmp_path: Path) -> None:
    """An initialiser that is an input too: its value stands unless a request brings another."""
    graph = model(
        [helper.make_node("Add", ["x", "bias"], ["y"])],
        {"x": (TensorProto.FLOAT, (2,)), "bias": (TensorProto.FLOAT, (2,))},
        {"y": (TensorProto.FLOAT, (2,))},
        [numpy_helper.from_array(np.array([1, 2], np.float32), "bias")],
    )
    config = """backend: "onnxruntime"
input { name: "x" data_type: TYPE_FP32 dims: [2] }
input { name: "bias" data_type: TYPE_FP32 dims: [2] optional: true }
output { name: "y" data_type: TYPE_FP32 dims: [2] }"""
    put(tmp_path, "biased", graph, config)
    x = np.array([10, 20], np.float32)
    with Server(tmp_path, grpc_port=0) as server, client_of(server) as client:
        np.testing.assert_array_equal(ask(client, "biased", {"x": x}).as_numpy("y"), [11, 22])
        np.testing.assert_array_equal(ask(client, "biased", {"x": x, "bias": x}).as_numpy("y"), [20, 40])
        for feeds in ({}, {"bias": x}):
            assert "missing required input(s) ['x']" in refusal(lambda feeds=feeds: ask(client, "biased", feeds))[1]


def test_classification_has_labels(tmp_path: Path) -> None:
    """`value:place:label` of the label file; places beyond it have none; a model without a batch has one row."""
    config = CONFIG.format(type="FP32").replace("[2]", "[3]").replace("8\n", "4\n")
    labelled = config.replace("dims: [3] }\n", 'dims: [3] label_filename: "labels.txt" }\n')
    labelled = labelled.replace('[3] label_filename: "labels.txt"', "[3]", 1)  # outputs have labels, inputs not
    put(tmp_path, "named", identity("FP32", ("N", 3)), labelled)
    (tmp_path / "named" / "labels.txt").write_text("cat\ndog\n")
    put(tmp_path, "single", identity("FP32", (3,)), config.replace("max_batch_size: 4", ""))
    rows = np.array([[1, 3, 2], [9, 7, 8]], np.float32)
    with Server(tmp_path, grpc_port=0) as server, client_of(server) as client:
        answer = ask(client, "named", {"x": rows}, classes=2, outputs=["y"]).as_numpy("y")
        expected = [[b"3.000000:1:dog", b"2.000000:2"], [b"9.000000:0:cat", b"8.000000:2"]]
        assert answer.tolist() == expected
        single = ask(client, "single", {"x": rows[0]}, classes=2, outputs=["y"]).as_numpy("y")
        assert single.tolist() == [b"3.000000:1", b"2.000000:2"]


def test_classification_of_texts_is_refused(tmp_path: Path) -> None:
    """Of what cannot be sorted. Real Triton 2.51 ends with a floating point exception here; newer ones refuse."""
    put(tmp_path, "texts", identity("BYTES"))
    with Server(tmp_path, grpc_port=0) as server, client_of(server) as client:
        asked = {"x": values("BYTES", (1, 2))}
        assert refusal(lambda: ask(client, "texts", asked, classes=1, outputs=["y"])) == (
            "INVALID_ARGUMENT",
            "class result not available for output due to unsupported type 'BYTES'",
        )


def test_file_of_another_name_and_weights_beside_it(tmp_path: Path) -> None:
    """default_model_filename is obeyed, and external data in the version's folder is read."""
    weights = np.arange(12, dtype=np.float32).reshape(4, 3)
    graph = model(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        {"x": (TensorProto.FLOAT, ("N", 4))},
        {"y": (TensorProto.FLOAT, ("N", 3))},
        [numpy_helper.from_array(weights, "w")],
    )
    folder = put(tmp_path, "large", graph, 'backend: "onnxruntime" default_model_filename: "net.onnx"')
    (folder / "model.onnx").unlink()
    onnx.save(graph, folder / "net.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0)
    x = np.eye(4, dtype=np.float32)
    with Server(tmp_path, grpc_port=0) as server, client_of(server) as client:
        before = ask(client, "large", {"x": x})
        np.testing.assert_array_equal(before.as_numpy("y"), weights)
        digest = before.get_response().parameters["lookalike.digest"].string_param
        client.load_model("large")
        assert ask(client, "large", {"x": x}).get_response().parameters["lookalike.digest"].string_param == digest
        (folder / "weights.bin").write_bytes((2 * weights).tobytes())
        client.load_model("large")
        after = ask(client, "large", {"x": x})
        np.testing.assert_array_equal(after.as_numpy("y"), 2 * weights)
        assert after.get_response().parameters["lookalike.digest"].string_param != digest


def test_plain_and_published_models_stand_side_by_side(tmp_path: Path) -> None:
    """Also one whose name ends as a companion's does, and only the model that is asked for is loaded again."""
    publish_tiny(tmp_path)
    put(tmp_path, "other_encoded", scaled(3.0))
    x = np.ones((1, 3), np.float32)
    with Server(tmp_path, grpc_port=0) as server, client_of(server) as client:
        assert index_of(client).keys() == {
            (name, "1") for name in ("tiny", "tiny_decode", "tiny_encoded", "other_encoded")
        }
        np.testing.assert_array_equal(ask(client, "other_encoded", {"x": x}).as_numpy("y"), 3 * x)
        assert client.get_model_metadata("other_encoded").platform == "onnxruntime_onnx"
        client.unload_model("other_encoded")
        assert not client.is_model_ready("other_encoded")
        client.load_model("other_encoded")
        assert client.is_model_ready("other_encoded")
        assert client.is_model_ready("tiny_encoded")


@pytest.mark.parametrize("data", ["zero_data: true", "random_data: true", 'input_data_file: "sample"'])
def test_warm_up_runs_before_the_model_is_ready(tmp_path: Path, data: str) -> None:
    """model_warmup: zeros, random numbers, a file of the folder `warmup`; a sample that fails stops the load."""
    sample = 'model_warmup {{ name: "s" batch_size: {rows} inputs {{ key: "x" value {{ {kind} dims: [2] {data} }} }} }}'
    good = sample.format(rows=2, kind="data_type: TYPE_FP32", data=data)
    bad = sample.format(rows=2, kind="data_type: TYPE_INT8", data=data)
    for name, text in (("good", good), ("bad", bad)):
        put(tmp_path, name, identity(), CONFIG.format(type="FP32") + text)
        (tmp_path / name / "warmup").mkdir()
        (tmp_path / name / "warmup" / "sample").write_bytes(np.ones(2, np.float32).tobytes())
    with Server(tmp_path, grpc_port=0) as server, client_of(server) as client:
        assert client.is_model_ready("good")
        assert (
            "failed to run warmup sample 's': input 'x': expected FP32 [2], got INT8 [2]"
            in (index_of(client)["bad", "1"][1])
        )
