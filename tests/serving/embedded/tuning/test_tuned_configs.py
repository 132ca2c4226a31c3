"""The configs of a tuned model: its own and those of each kind of machine, through versions and rollbacks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from artifact.errors import RepositoryError
from artifact.repository.publishing import publish, rollback
from artifact.repository.reading import open_repository
from artifact.repository.tuning import TUNING_PARAMETER
from serving.embedded.tuning.tune import tune
from tests.shared.tiny_artifact import write_tiny_artifact
from tests.shared.tuned_models import (
    KIND_GPU,
    TUNED,
    config_of,
    settings,
)

VARIANTS = ("cpu", "cuda", "tensorrt")


def test_tuning_writes_the_config_and_not_the_artifact(root: Path, fast_measure: None) -> None:
    """Batch size, instances and threads stand in it, with what was measured, when, on what and of which artifact."""
    before = (root / "tiny" / "1" / "model.onnx").read_bytes()
    assert settings(config_of(root)) == ([(1, 0)], [], {})
    tuned = tune(root, "tiny")
    assert (tuned.instances, tuned.threads, tuned.preferred_rows) == (2, 1, 4)
    assert (root / "tiny" / "1" / "model.onnx").read_bytes() == before
    config = config_of(root)
    assert settings(config) == TUNED
    assert config.max_batch_size == 64, "what clients may send stays as it was"
    record = json.loads(config.parameters[TUNING_PARAMETER + "cpu"].string_value)
    assert record["chosen"] == {"instances": 2, "threads": 1, "preferred_batch_size": 4}
    last = {"instances": 2, "threads": 1, "batch_size": 8, "rows_per_s": 190.0, "slices": 5, "spread": 0.0}
    assert record["measured"][-1] == last
    assert record["noisy"] is False
    assert record["digest"] == open_repository(root).model("tiny").manifest(1).digest
    assert record["machine"]["cores"] == 2
    assert record["time"].endswith("+00:00")


def test_tuning_outlives_versions_and_rollbacks(root: Path, fast_measure: None, tmp_path: Path) -> None:
    """Version 2 and a rollback keep the settings, and so does every variant."""
    tune(root, "tiny")
    publish(tmp_path / "1.onnx", root)
    assert settings(config_of(root)) == settings(config_of(root, "cpu")) == TUNED
    rollback(root, "tiny")
    assert settings(config_of(root)) == settings(config_of(root, "cpu")) == TUNED


def test_variants_are_for_their_machines(root: Path, fast_measure: None) -> None:
    """What was measured on a CPU is in the CPU's; the others run on the GPU, without TF32, one through TensorRT."""
    tune(root, "tiny")
    assert settings(config_of(root, "cpu")) == TUNED
    for variant in ("cuda", "tensorrt"):
        config = config_of(root, variant)
        assert settings(config) == ([(1, KIND_GPU)], [], {})
        assert config.parameters["cudnn_conv_algo_search"].string_value == "1"
        assert config.optimization.execution_accelerators.gpu_execution_accelerator[0].parameters["use_tf32"] == "0"
    assert not config_of(root, "cpu").HasField("optimization")
    tensorrt = config_of(root, "tensorrt").optimization.execution_accelerators.gpu_execution_accelerator[1]
    digest = open_repository(root).model("tiny").manifest(1).digest
    assert tensorrt.name == "tensorrt"
    assert dict(tensorrt.parameters) == {
        "precision_mode": "FP16",
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": f"lookalike-tensorrt-{digest[:16]}",
        "trt_profile_min_shapes": "image:1x8x8x3",
        "trt_profile_opt_shapes": "image:16x8x8x3",
        "trt_profile_max_shapes": "image:64x8x8x3",
    }


def test_variants_say_what_the_config_says(root: Path, tmp_path: Path) -> None:
    """Signature, version policy, digests and manifests are the same in all four, after a version and a rollback too."""

    def require_same() -> None:
        config = config_of(root)
        for variant in VARIANTS:
            other = config_of(root, variant)
            for part in ("name", "backend", "max_batch_size", "input", "output", "version_policy"):
                assert getattr(other, part) == getattr(config, part), (variant, part)
            ours = {key for key in config.parameters if key.startswith("lookalike.")}
            assert {key for key in other.parameters if key.startswith("lookalike.")} == ours
            assert all(other.parameters[key] == config.parameters[key] for key in ours)

    require_same()
    publish(tmp_path / "1.onnx", root)
    require_same()
    assert "lookalike.manifest.2" in config_of(root, "cuda").parameters
    rollback(root, "tiny")
    require_same()
    assert list(config_of(root, "tensorrt").version_policy.specific.versions) == [1]


def test_each_version_has_its_own_cache_of_engines(root: Path, tmp_path: Path) -> None:
    """onnxruntime finds a cached engine by the names of nodes: another version's would be taken for this one's."""

    def cache() -> str | None:
        accelerators = config_of(root, "tensorrt").optimization.execution_accelerators.gpu_execution_accelerator
        return dict(accelerators[1].parameters).get("trt_engine_cache_path")

    digests = {}
    caches = [cache()]
    for seed in (1, 2):
        publish(tmp_path / f"{seed}.onnx", root)
        caches.append(cache())
    rollback(root, "tiny", 2)
    digests = {version: each.digest for version, each in open_repository(root).model("tiny").manifests.items()}
    assert caches == [f"lookalike-tensorrt-{digests[version][:16]}" for version in (1, 2, 3)]
    assert cache() == caches[1]


def test_full_artifacts_leave_their_shapes_to_tensorrt(root: Path, tmp_path: Path) -> None:
    """Their streams are joined before what TensorRT takes, so shapes of the streams would be refused."""
    write_tiny_artifact(tmp_path / "full.onnx", name="full", mode="full", kind="quartet")
    publish(tmp_path / "full.onnx", root)
    accelerators = config_of(root, "tensorrt", "full").optimization.execution_accelerators.gpu_execution_accelerator
    assert "trt_engine_cache_path" in accelerators[1].parameters
    assert not [key for key in accelerators[1].parameters if "shapes" in key]


def test_models_of_an_older_lookalike_get_their_variants(root: Path, tmp_path: Path) -> None:
    """A folder without configs/ has it after the next change."""
    for file in (root / "tiny" / "configs").iterdir():
        file.unlink()
    (root / "tiny" / "configs").rmdir()
    publish(tmp_path / "1.onnx", root)
    assert {file.name for file in (root / "tiny" / "configs").iterdir()} == {f"{one}.pbtxt" for one in VARIANTS}


def test_broken_record_says_how_it_is_mended(root: Path, fast_measure: None, tmp_path: Path) -> None:
    """A record that somebody spoilt stops the next change with one line, and `lookalike tune` writes it anew."""
    path = root / "tiny" / "config.pbtxt"
    tune(root, "tiny")
    for spoilt in ('"chosen":{}', '"chosen":7', "nonsense"):
        config = config_of(root)
        config.parameters[TUNING_PARAMETER + "cpu"].string_value = "{" + spoilt + "}"
        path.write_text(str(config))
        with pytest.raises(RepositoryError, match="`lookalike tune` writes it anew"):
            publish(tmp_path / "1.onnx", root)
        tune(root, "tiny")
    assert publish(tmp_path / "1.onnx", root).served == [2]
