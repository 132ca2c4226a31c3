"""Configs with Triton's defaults; tests/serving/test_rest_json.py holds whole ones beside real Triton's."""

from __future__ import annotations

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from serving.embedded.answering.filled_config import filled_config


def filled(text: str, device: str = "cpu") -> str:
    """A config of folder `m` with its defaults, in the form of config.pbtxt on one line."""
    config = text_format.Parse(text, model_config_pb2.ModelConfig())
    before = config.SerializeToString()
    told = filled_config("m", config, device=device)
    assert config.SerializeToString() == before
    return str(text_format.MessageToString(told, as_one_line=True))


MEMORY = "optimization { input_pinned_memory { enable: true } output_pinned_memory { enable: true } }"


def test_network_gets_policy_platform_file_and_instances() -> None:
    """Where nothing is said; a group of no kind runs where the server runs."""
    told = filled('backend: "onnxruntime" max_batch_size: 8 dynamic_batching {}')
    for part in (
        'name: "m"',
        'platform: "onnxruntime_onnx"',
        'default_model_filename: "model.onnx"',
        "version_policy { latest { num_versions: 1 } }",
        "dynamic_batching { preferred_batch_size: 8 }",
        MEMORY,
        'instance_group { name: "m_0" count: 1 kind: KIND_CPU }',
    ):
        assert part in told
    assert "kind: KIND_GPU" in filled('backend: "onnxruntime"', device="cuda")
    assert "preferred_batch_size" not in filled('backend: "onnxruntime" dynamic_batching {}')


def test_what_is_said_stays() -> None:
    """Every field that has a default."""
    told = filled(
        'name: "other" backend: "python" platform: "p" default_model_filename: "f" max_batch_size: 4 '
        "version_policy { all {} } dynamic_batching { preferred_batch_size: 2 } "
        "optimization { input_pinned_memory { enable: false } } "
        'instance_group { name: "g" count: 3 kind: KIND_GPU } instance_group { kind: KIND_MODEL }'
    )
    for part in (
        'name: "m" platform: "p"',
        'default_model_filename: "f"',
        "version_policy { all { } }",
        "dynamic_batching { preferred_batch_size: 2 }",
        "input_pinned_memory { } output_pinned_memory { enable: true }",
        'instance_group { name: "g" count: 3 kind: KIND_GPU }',
        'instance_group { name: "m_1" count: 1 kind: KIND_MODEL }',
    ):
        assert part in told


def test_ensemble_has_no_instances() -> None:
    """Nor memory of its own."""
    told = filled('platform: "ensemble" ensemble_scheduling {}')
    assert "instance_group" not in told
    assert "optimization" not in told
    assert "model_transaction_policy { }" in told
    assert "version_policy { latest { num_versions: 1 } }" in told
