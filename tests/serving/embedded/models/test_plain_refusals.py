"""Other people's models that are not served: each is UNAVAILABLE with the reason, and stops no other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from serving.embedded.models.folders import inside
from serving.embedded.server import Server
from tests.shared.plain_models import ask, identity, model, put, scaled
from tests.shared.triton_client import client_of, index_of, refusal

FLOATS = {"x": (TensorProto.FLOAT, ("N", 2))}, {"y": (TensorProto.FLOAT, ("N", 2))}


def weighted(location: str) -> onnx.ModelProto:
    """A model whose weights lie elsewhere."""
    weights = numpy_helper.from_array(np.ones((2, 2), np.float32), "w")
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value=location)
    weights.external_data.add(key="length", value="16")
    return model([helper.make_node("MatMul", ["x", "w"], ["y"])], *FLOATS, [weights])


def with_node(*names: str, domain: str = "", **attributes: object) -> onnx.ModelProto:
    """A model of one node."""
    node = helper.make_node(names[0], ["x"], ["y"], domain=domain, **attributes)
    return model([node], *FLOATS, domains=[domain] if domain else [])


def in_a_branch() -> onnx.ModelProto:
    """A foreign operator in a subgraph."""
    inner = helper.make_graph(
        [helper.make_node("Evil", ["x"], ["z"], domain="evil")],
        "branch",
        [],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, ("N", 2))],
    )
    node = helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=inner)
    return model([node], *FLOATS, [numpy_helper.from_array(np.array(True), "c")], domains=["evil"])


def blown_up() -> onnx.ModelProto:
    """A constant of a terabyte in a few bytes."""
    nodes = [helper.make_node("ConstantOfShape", ["s"], ["big"]), helper.make_node("Add", ["x", "big"], ["y"])]
    return model(nodes, *FLOATS, [numpy_helper.from_array(np.array([2**38, 2], np.int64), "s")])


ACCELERATED = 'backend: "onnxruntime" optimization { execution_accelerators { %s } }'
CONFIGS = {
    'backend: "python"': "backend 'python' is not served here",
    'backend: "pytorch"': "backend 'pytorch' is not served here",
    'platform: "tensorflow_savedmodel"': "backend 'tensorflow_savedmodel' is not served here",
    'platform: "ensemble" ensemble_scheduling {}': "ensembles of other people's models are not served here",
    'backend: "onnxruntime" platform: "tensorrt_plan"': "unexpected 'platform' and 'backend' pair",
    'backend: "onnxruntime" model_operations { op_library_filename: "ops.so" }': (
        "op_library_filename 'ops.so' would load a library"
    ),
    'backend: "onnxruntime" parameters { key: "EXECUTION_ENV_PATH" value { string_value: "env.tar.gz" } }': (
        "parameter 'EXECUTION_ENV_PATH' would run or load code"
    ),
    'backend: "onnxruntime" parameters { key: "TRITON_BATCH_STRATEGY_PATH" value { string_value: "b.so" } }': (
        "parameter 'TRITON_BATCH_STRATEGY_PATH' would run or load code"
    ),
    'backend: "onnxruntime" runtime: "libtriton_evil.so"': "runtime 'libtriton_evil.so' would load a library",
    'backend: "onnxruntime" model_repository_agents { agents { name: "a" } }': "model_repository_agents would load",
    'backend: "onnxruntime" sequence_batching {}': "sequence_batching is not served here",
    'backend: "onnxruntime" model_transaction_policy { decoupled: true }': "decoupled transactions are not served",
    'backend: "onnxruntime" input { name: "x" allow_ragged_batch: true }': "ragged batches",
    'backend: "onnxruntime" default_model_filename: "../../secret.onnx"': "a file outside its folder",
    'backend: "onnxruntime" default_model_filename: "/etc/passwd"': "a file outside its folder",
    'backend: "onnxruntime" default_model_filename: "absent.onnx"': "unable to find",
    'backend: "onnxruntime" instance_group { kind: KIND_MODEL }': "has kind KIND_MODEL",
    'backend: "onnxruntime" instance_group { kind: KIND_GPU }': "has kind KIND_GPU but this server runs on the CPU",
    'backend: "onnxruntime" instance_group { kind: KIND_CPU gpus: [0] }': "has kind KIND_CPU but specifies one or more",
    ACCELERATED % 'cpu_execution_accelerator { name: "openvino" }': (
        "execution accelerator 'openvino' is not there: expected one that this server has: none"
    ),
    ACCELERATED % 'gpu_execution_accelerator { name: "tensorrt" }': ("execution accelerator 'tensorrt' is not there"),
    'backend: "onnxruntime" max_batch_size: -1': "'max_batch_size' must be non-negative value for odd",
    'backend: "onnxruntime" max_batch_size: 8 input { name: "x" data_type: TYPE_INT8 dims: [2] } '
    'output { name: "y" data_type: TYPE_FP32 dims: [2] }': (
        "configuration expects datatype TYPE_INT8 for input 'x', model provides TYPE_FP32"
    ),
    'backend: "onnxruntime" max_batch_size: 8 input { name: "x" data_type: TYPE_FP32 dims: [3] } '
    'output { name: "y" data_type: TYPE_FP32 dims: [2] }': (
        "model 'odd', tensor 'x': the model expects 2 dimensions (shape [-1,2]) but the model configuration specifies "
        "2 dimensions"
    ),
    'backend: "onnxruntime" input { name: "other" data_type: TYPE_FP32 dims: [2] } '
    'output { name: "y" data_type: TYPE_FP32 dims: [2] }': (
        "unexpected inference input 'other', allowed inputs are: x"
    ),
    'backend: "onnxruntime" output { name: "y" data_type: TYPE_FP32 dims: [2] label_filename: "../../secret" }': (
        "a file outside its folder"
    ),
    'name: "another" backend: "onnxruntime"': "unexpected directory name 'odd' for model 'another'",
    'backend: "onnxruntime" model_warmup { name: "w" batch_size: 1 inputs { key: "x" value { data_type: TYPE_FP32 '
    'dims: [2] input_data_file: "../../secret" } } }': "a file outside its folder",
}


@pytest.fixture(scope="module")
def reasons(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """{config: the reason in the index}, of servers that serve a sound model beside it."""
    found = {}
    for config in CONFIGS:
        root = tmp_path_factory.mktemp("configs")
        put(root, "sound", scaled(1.0))
        put(root, "odd", identity(), config)
        with Server(root, grpc_port=0) as server, client_of(server) as client:
            assert client.is_model_ready("sound")
            assert not client.is_model_ready("odd")
            ((_, found[config]),) = [told for (name, _), told in index_of(client).items() if name == "odd"]
    return found


@pytest.mark.parametrize("config", CONFIGS)
def test_configs_that_are_not_served_say_why(reasons: dict[str, str], config: str) -> None:
    """Code, files elsewhere, what is not built here, and what Triton refuses too."""
    assert CONFIGS[config] in reasons[config]


GRAPHS: dict[str, tuple[Callable[[], onnx.ModelProto | bytes], str]] = {
    "operator": (lambda: with_node("Evil", domain="evil"), "operator 'Evil' of domain 'evil' needs a library"),
    "branch": (in_a_branch, "operator 'Evil' of domain 'evil' needs a library"),
    "compiled": (lambda: with_node("EPContext", domain="com.microsoft"), "an EPContext node holds compiled code"),
    "unknown": (lambda: with_node("Nonsense"), "onnxruntime cannot load the graph"),
    "above": (lambda: weighted("../../secret"), "external data of tensor 'w': a file outside its folder"),
    "absolute": (lambda: weighted("/etc/passwd"), "external data of tensor 'w': a file outside its folder"),
    "nothing": (lambda: weighted("absent"), "external data of tensor 'w': a file that is named is missing"),
    "link": (lambda: weighted("link"), "external data of tensor 'w': a symbolic link"),
    "folder": (lambda: weighted("linked/secret"), "external data of tensor 'w': a symbolic link"),
    "short": (lambda: weighted("short"), "external data 'short' is shorter than a tensor's place in it"),
    "blown": (blown_up, "the model is too large"),
    "garbage": (lambda: b"\xff" * 100, "not an ONNX file"),
    "empty": (lambda: b"", "not an ONNX file"),
    "cut": (lambda: scaled(2.0).SerializeToString()[:-20], "not an ONNX file"),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_files_that_are_not_served_say_why(tmp_path: Path, name: str) -> None:
    """Operators of others, compiled code, weights elsewhere, and what is no model at all."""
    make, reason = GRAPHS[name]
    (tmp_path / "secret").write_bytes(b"\0" * 16)
    root = tmp_path / "repository"
    folder = put(root, "odd", make())
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "linked").symlink_to(tmp_path)
    (folder / "short").write_bytes(b"\0" * 15)
    put(root, "sound", scaled(1.0))
    with Server(root, grpc_port=0) as server, client_of(server) as client:
        assert client.is_model_ready("sound")
        state, told = index_of(client)["odd", "1"]
        assert (state, reason in told) == ("UNAVAILABLE", True), told
        code, text = refusal(lambda: client.load_model("odd"))
        assert (code, text) == (
            "INVALID_ARGUMENT",
            f"load failed for model 'odd': version 1 is at UNAVAILABLE state: {told};",
        )
        x = np.ones((1, 2), np.float32)
        assert refusal(lambda: ask(client, "odd", {"x": x})) == (
            "NOT_FOUND",
            "Request for unknown model: 'odd' has no available versions",
        )


@pytest.mark.parametrize("part", ["model", "version", "file", "config"])
def test_links_out_of_the_repository_are_refused(tmp_path: Path, part: str) -> None:
    """A link in any part of the path that leads out; one that stays inside is followed."""
    outside, root = tmp_path / "outside", tmp_path / "repository"
    put(outside, "m", scaled(2.0), 'backend: "onnxruntime"')
    put(root, "sound", scaled(2.0), 'backend: "onnxruntime"')
    (root / "same").symlink_to(root / "sound")
    (root / "same2" / "1").mkdir(parents=True)
    (root / "same2" / "1" / "model.onnx").symlink_to(root / "sound" / "1" / "model.onnx")
    folder = root / "odd"
    if part == "model":
        folder.symlink_to(outside / "m")
    else:
        put(root, "odd", scaled(2.0), 'backend: "onnxruntime"')
        link = {"version": "1", "file": "1/model.onnx", "config": "config.pbtxt"}[part]
        (folder / link).rename(tmp_path / "before")
        (folder / link).symlink_to(outside / "m" / link)
    with Server(root, grpc_port=0) as server, client_of(server) as client:
        ((_, reason),) = [told for (name, _), told in index_of(client).items() if name == "odd"]
        assert "a link that leads out of the repository" in reason
        assert not client.is_model_ready("odd")
        assert [client.is_model_ready(name) for name in ("sound", "same", "same2")] == [True, True, True]


def test_size_is_bounded_by_an_option(tmp_path: Path) -> None:
    """A file larger than max_model_bytes is not read."""
    put(tmp_path, "large", scaled(1.0))
    with Server(tmp_path, grpc_port=0, max_model_bytes=50) as server, client_of(server) as client:
        assert "the model is too large: expected at most 50 bytes" in index_of(client)["large", "1"][1]


@pytest.mark.parametrize("name", ["", "..", "a/../b", "/a", "a\0b", "..\\a", "link/x", "absent"])
def test_names_within_a_folder(tmp_path: Path, name: str) -> None:
    """Only what lies in the folder, without a link in any part, is named by it."""
    (tmp_path / "link").symlink_to("/")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "file").touch()
    assert inside(tmp_path, "sub/file") == tmp_path / "sub" / "file"
    with pytest.raises(Exception, match=r"outside its folder|symbolic link|missing"):
        inside(tmp_path, name)
