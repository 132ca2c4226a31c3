"""Instances and devices of models: groups of instances, providers that are there or not, the cache of engines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from artifact.errors import RepositoryError, UsageError
from artifact.repository.tuning import TUNING_PARAMETER, settings_for
from serving import sessions
from serving.embedded.models.accelerators import accelerated
from serving.embedded.models.instances import gpus_here
from serving.embedded.models.placement import Place, places_of, require_groups
from serving.embedded.server import Server
from serving.sessions import SessionSettings, make_session
from tests.shared.plain_models import ask, put, scaled
from tests.shared.tiny_artifact import publish_tiny, write_tiny_artifact
from tests.shared.triton_client import client_of, index_of, infer

PROVIDER = "optimization { execution_accelerators { gpu_execution_accelerator { name: %r %s } } }"


def config_of(text: str) -> Any:
    return text_format.Parse(text, model_config_pb2.ModelConfig(name="m"))


@pytest.mark.parametrize(
    ("groups", "device", "places"),
    [
        ("", "cpu", [Place("cpu")]),
        ("", "cuda", [Place("cuda")]),
        ("instance_group { count: 3 }", "cpu", [Place("cpu")] * 3),
        ("instance_group { count: 2 }", "tensorrt", [Place("tensorrt")] * 2),
        ("instance_group { count: 2 kind: KIND_CPU }", "cuda", [Place("cpu")] * 2),
        ("instance_group { kind: KIND_GPU gpus: [1, 3] count: 2 }", "cuda", [Place("cuda", 1), Place("cuda", 3)] * 2),
        (
            "instance_group { kind: KIND_GPU } instance_group { kind: KIND_CPU count: 2 }",
            "cuda",
            [Place("cuda"), Place("cpu"), Place("cpu")],
        ),
    ],
)
def test_groups_say_where_instances_run(groups: str, device: str, places: list[Place]) -> None:
    """Counts, kinds, lists of GPUs and several groups; KIND_AUTO and nothing follow the server's device."""
    config = config_of(groups)
    require_groups(config, device, where="here")
    assert places_of(config, device) == places


@pytest.mark.parametrize(
    ("groups", "device", "why"),
    [
        ("kind: KIND_MODEL", "cuda", "instance group m_0 of model m has kind KIND_MODEL"),
        ("kind: KIND_GPU", "cpu", "has kind KIND_GPU but this server runs on the CPU: expected a server with"),
        ("kind: KIND_CPU gpus: [0]", "cuda", "has kind KIND_CPU but specifies one or more GPUs"),
        ("count: -1", "cpu", "has a negative number"),
    ],
)
def test_groups_that_cannot_be_followed_are_refused(groups: str, device: str, why: str) -> None:
    """No instance runs elsewhere than its group says."""
    with pytest.raises(RepositoryError, match=why):
        require_groups(config_of(f"instance_group {{ {groups} }}"), device, where="here")


def test_group_that_tune_wrote_is_for_its_device_only() -> None:
    """A network tuned on a GPU is served on a CPU as before: its group says what is fast there, and asks nothing."""
    config = config_of("instance_group { count: 2 kind: KIND_GPU gpus: [0, 1] }")
    config.parameters[TUNING_PARAMETER + "cuda"].string_value = "{}"
    require_groups(config, "cpu", where="here")
    assert settings_for(config, "cpu", where="here").instances == 1
    assert settings_for(config, "cuda", where="here").instances == 4
    assert (gpus_here(config, "cuda"), gpus_here(config, "cpu")) == ([0, 0, 1, 1], [])


def test_network_of_ours_that_asks_for_a_gpu_is_not_served_without(tmp_path: Path) -> None:
    """Written into its config by hand: UNAVAILABLE with the reason, and no silent fallback."""
    publish_tiny(tmp_path)
    path = tmp_path / "tiny" / "config.pbtxt"
    path.write_text(
        path.read_text().replace("KIND_AUTO", "KIND_GPU").replace("count: 1\n", "count: 1\n  kind: KIND_GPU\n")
    )
    with Server(tmp_path, grpc_port=0) as server, client_of(server) as client:
        assert "has kind KIND_GPU but this server runs on the CPU" in index_of(client)["tiny", "1"][1]


def test_several_instances_of_a_plain_model_answer(tmp_path: Path) -> None:
    """Two groups of the CPU are as many instances, but never more than there are cores."""
    text = (
        'backend: "onnxruntime" instance_group { count: 1 kind: KIND_CPU } instance_group { count: 9 kind: KIND_CPU }'
    )
    put(tmp_path, "plain", scaled(2.0), text)
    ones = np.ones((1, 3), np.float32)
    with Server(tmp_path, grpc_port=0) as server, client_of(server) as client:
        np.testing.assert_array_equal(ask(client, "plain", {"x": ones}).as_numpy("y"), 2 * ones)


def test_accelerators_become_providers() -> None:
    """TensorRT by a config on a server with a GPU; options by name; engines have a place of their own."""
    params = (
        'parameters { key: "precision_mode" value: "FP16" } parameters { key: "max_workspace_size_bytes" value: "9" }'
    )
    ours = 'parameters { key: "trt_engine_cache_path" value: "/tmp/elsewhere" }'
    config = config_of(PROVIDER % ("tensorrt", params + ours))
    assert accelerated(config, "cuda", where="") == (
        "tensorrt",
        {"trt_fp16_enable": "1", "trt_max_workspace_size": "9"},
    )
    assert accelerated(config_of(""), "cuda", where="") == ("cuda", {})


@pytest.mark.parametrize(
    ("name", "parameters", "device", "why"),
    [
        (
            "tensorrt",
            "",
            "cpu",
            "execution accelerator 'tensorrt' is not there: expected one that this server has: none",
        ),
        ("auto_mixed", "", "cuda", "execution accelerator 'auto_mixed' is not there: .* cuda, tensorrt"),
        (
            "tensorrt",
            "trt_extra_plugin_lib_paths:/tmp/x.so",
            "cuda",
            "parameter 'trt_extra_plugin_lib_paths' .* not taken",
        ),
        ("tensorrt", "trt_timing_cache_path:/etc/x", "cuda", "parameter 'trt_timing_cache_path' .* not taken"),
        ("tensorrt", "precision_mode:INT8", "cuda", "parameter 'precision_mode' .* not taken"),
        ("cuda", "gpu_mem_limit:/etc/x", "cuda", "parameter 'gpu_mem_limit' .* not taken"),
    ],
)
def test_accelerators_that_are_not_there_are_refused(name: str, parameters: str, device: str, why: str) -> None:
    """An accelerator that is not there, and options that name files or libraries."""
    key, _, value = parameters.partition(":")
    text = f'parameters {{ key: "{key}" value: "{value}" }}' if key else ""
    with pytest.raises(RepositoryError, match=why):
        accelerated(config_of(PROVIDER % (name, text)), device, where="")


class Session:
    """What onnxruntime would make, and what it was asked for."""

    def __init__(self, path: str, options: object, providers: list[tuple[str, dict[str, str]]], **more: int) -> None:
        self.providers, self.enable_fallback = providers, more["enable_fallback"]

    def get_providers(self) -> list[str]:
        return [name for name, _ in self.providers]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: list(sessions.PROVIDERS.values()))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.usefixtures("made")
def test_engines_of_tensorrt_lie_under_the_digest_in_the_users_cache(tmp_path: Path) -> None:
    """Two versions have the same names of nodes; a path with the digest keeps their engines apart."""
    session = make_session(tmp_path, SessionSettings(threads=1, device="tensorrt", gpu=2, digest="d1" * 32))
    (tensorrt, options), (cuda, more) = session.providers
    assert (tensorrt, cuda) == ("TensorrtExecutionProvider", "CUDAExecutionProvider")
    folder = tmp_path / "cache" / "lookalike" / "tensorrt" / ("d1" * 32)
    assert options == {"device_id": "2", "trt_engine_cache_enable": "1", "trt_engine_cache_path": str(folder)}
    assert folder.is_dir()
    assert session.enable_fallback == 0, "neither at the start nor in a run"
    assert (more["device_id"], more["use_tf32"]) == ("2", "0")


@pytest.mark.usefixtures("made")
def test_device_that_does_not_start_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """onnxruntime goes on without a provider that fails; a server that was asked for it does not."""
    monkeypatch.setattr(Session, "get_providers", lambda _: ["CPUExecutionProvider"])
    with pytest.raises(UsageError, match="device 'cuda' failed to start: got CPUExecutionProvider"):
        make_session(tmp_path, SessionSettings(threads=1, device="cuda"))


def test_device_that_is_not_installed_stops_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The refusal names what there is."""
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    for device in ("cuda", "tensorrt"):
        with pytest.raises(UsageError, match=f"device '{device}' is not available: got CPUExecutionProvider"):
            Server(tmp_path, grpc_port=0, device=device)


def test_network_is_warm_before_it_is_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every session runs one row and as many as the config prefers, before the first request."""
    from serving.engine import Engine

    rows: list[int] = []
    run = Engine.run

    def noting(self: Engine, feeds: Any) -> Any:
        rows.append(len(next(iter(feeds.values()))))
        return run(self, feeds)

    monkeypatch.setattr(Engine, "run", noting)
    publish_tiny(tmp_path)
    path = tmp_path / "tiny" / "config.pbtxt"
    path.write_text(
        path.read_text().replace("dynamic_batching {\n}", "dynamic_batching {\n  preferred_batch_size: 7\n}")
    )
    with Server(tmp_path, grpc_port=0, check_goldens=False) as server, client_of(server) as client:
        assert rows == [1, 7]
        infer(client, "tiny", {"image": np.zeros((2, 8, 8, 3), np.uint8)})
        assert rows == [1, 7, 2]


@pytest.mark.parametrize(
    ("version", "entries"),
    [("1.25.2", {"allow_spinning": "0"}), ("1.26.0", {"allow_spinning": "1", "spin_duration_us": "20"})],
)
def test_threads_of_a_session_spin_for_a_moment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: str, entries: dict[str, str]
) -> None:
    """Where onnxruntime cannot be told how long they do not: its own is tens of milliseconds of a core."""
    made: list[Any] = []
    real = onnxruntime.InferenceSession

    def noted(path: str, options: Any, **others: Any) -> Any:
        made.append(options)
        return real(path, options, **others)

    monkeypatch.setattr(onnxruntime, "InferenceSession", noted)
    monkeypatch.setattr(onnxruntime, "__version__", version)
    write_tiny_artifact(tmp_path / "tiny.onnx")
    make_session(tmp_path / "tiny.onnx", SessionSettings(threads=2))
    for name, value in entries.items():
        assert made[0].get_session_config_entry(f"session.intra_op.{name}") == value
