"""Tuning: what is measured and for how long, what is chosen, what stands in the configs then, and who obeys it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from artifact.errors import ModelNotFoundError, RepositoryError
from artifact.repository.publishing import publish, rollback
from artifact.repository.reading import open_repository
from artifact.repository.triton_config import read_config
from artifact.repository.tuning import INTRA_THREADS, TUNING_PARAMETER, settings_for
from lookalike.cli import main
from serving.client.connections.grpc_connection import GrpcConnection
from serving.client.options import ScorerOptions
from serving.embedded import instances, tuning
from serving.embedded.instances import instances_here
from serving.embedded.server import Server
from serving.embedded.tuning import Layout, Measured, choose, is_noisy, layouts, measure, tune
from tests.shared.server_fixtures import Held, client_of, eventually, infer, noise
from tests.shared.tiny_artifact import linear_vectors, write_tiny_artifact

VARIANTS = ("cpu", "cuda", "tensorrt")


class Machine:
    """A machine of known speed: rates of (instances, batch size) in rows a second, and a clock that runs advance."""

    def __init__(self, rate: Callable[[int, int], float], *, noise: float = 0.0) -> None:
        self.rate, self.noise, self.now_s = rate, noise, 0.0
        self.ran: list[tuple[int, int]] = []
        self._draw = random.Random(0)

    def __call__(self, layout: Layout, batch_size: int, slice_s: float) -> tuple[float, float]:
        run_s = batch_size * layout.instances / self.rate(layout.instances, batch_size)
        slowed = 1 + self.noise * self._draw.random()
        self.now_s += max(slice_s, run_s * slowed)
        self.ran.append((layout.instances, batch_size))
        return self.rate(layout.instances, batch_size) / slowed, run_s * slowed

    def clock(self) -> float:
        return self.now_s


TWO = [Layout(1, 2), Layout(2, 1)]


def cells(rates: dict[tuple[int, int], float]) -> list[Measured]:
    """{(instances, batch size): rows a second} on two cores."""
    return [Measured(count, 2 // count, size, rate, 5) for (count, size), rate in rates.items()]


def test_layouts_share_the_cores_out() -> None:
    """One session of all cores, one a core, and the powers of two between; copies of a large network are bounded."""
    assert layouts(1) == [Layout(1, 1)]
    assert layouts(2) == [Layout(1, 2), Layout(2, 1)]
    assert layouts(12) == [Layout(1, 12), Layout(2, 6), Layout(4, 3), Layout(8, 1), Layout(12, 1)]
    assert layouts(16, weights_bytes=500 * 2**20) == [Layout(1, 16), Layout(2, 8), Layout(4, 4)]
    assert layouts(4, weights_bytes=10 * 2**30) == [Layout(1, 4)]


def test_measuring_is_interleaved_and_ends_in_time() -> None:
    """Every cell gets a slice before any gets the next, and all is over when it should be."""
    machine = Machine(lambda count, size: 1000.0 * size / (1 + size / 8))
    measured = measure(TWO, machine, seconds=20, clock=machine.clock)
    assert [(cell.instances, cell.batch_size) for cell in measured] == [
        (count, size) for count in (1, 2) for size in tuning.BATCH_SIZES
    ]
    assert 20 <= machine.now_s < 21
    assert {cell.slices for cell in measured} <= {4, 5}, "about five rounds, none a round ahead"
    sliced = machine.ran[2 * len(measured) :]
    for start in range(0, len(sliced) - len(measured), len(measured)):
        assert len(set(sliced[start : start + len(measured)])) == len(measured)


def test_measuring_leaves_out_what_is_too_slow_for_the_time() -> None:
    """A network of 4 rows a second: large batches are not tried, one row is, and the time is still kept."""
    machine = Machine(lambda count, size: 4.0)
    measured = measure(TWO, machine, seconds=20, clock=machine.clock)
    assert (1, 1) in [(cell.instances, cell.batch_size) for cell in measured]
    assert max(size for _, size in machine.ran) <= 2
    assert machine.now_s < 22
    slow = Machine(lambda count, size: 0.01)
    assert [cell.batch_size for cell in measure(TWO, slow, seconds=1, clock=slow.clock)] == [1]
    assert slow.ran == [(1, 1)], "100 seconds are enough"


def test_measuring_takes_the_median() -> None:
    """Another program that takes the machine away for one slice does not change the figure of that cell."""
    machine = Machine(lambda count, size: 100.0 * count)
    hit: list[int] = []

    def run_slice(layout: Layout, batch_size: int, slice_s: float) -> tuple[float, float]:
        rate, run_s = machine(layout, batch_size, slice_s)
        if slice_s and (layout.instances, batch_size) == (2, 4) and not hit:
            hit.append(1)
            return rate / 50, run_s
        return rate, run_s

    measured = measure(TWO, run_slice, seconds=30, batch_sizes=(1, 4), clock=machine.clock)
    assert hit
    assert {(cell.instances, cell.rows_per_s) for cell in measured} == {(1, 100.0), (2, 200.0)}
    assert [cell.spread > 0.9 for cell in measured] == [False, False, False, True]


def test_noise_is_noticed() -> None:
    """A machine whose slices differ by five percent is quiet, one where they differ by half is not."""
    for noise_, noisy in ((0.05, False), (1.0, True)):
        machine = Machine(lambda count, size: 1000.0, noise=noise_)
        assert is_noisy(measure(TWO, machine, seconds=20, clock=machine.clock)) is noisy


def test_command_says_that_the_machine_was_busy(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Settings are written all the same, with a line that says what they are worth."""
    monkeypatch.setattr(tuning, "measure", lambda *_, **__: [Measured(1, 2, 8, 100.0, 5, 0.7)])
    assert main(["tune", "tiny", "--repository", str(root)]) == 0
    assert "this machine did other work meanwhile" in capsys.readouterr().err
    assert list(config_of(root).dynamic_batching.preferred_batch_size) == [8]


def test_choice_is_the_small_batch_where_large_ones_are_slower() -> None:
    """MobileNetV3-small at 224 px: 8 rows at a time are faster than 32."""
    rates = {1: 424, 2: 640, 4: 880, 8: 1016, 16: 960, 32: 824, 64: 790}
    assert choose(cells({(1, size): rate for size, rate in rates.items()})).batch_size == 8


def test_choice_takes_the_smallest_of_equals() -> None:
    """On a plateau, as noisy as machines are, what waits for a larger batch would wait for nothing."""
    rates = {1: 500, 2: 900, 4: 985, 8: 1000, 16: 1010, 32: 1012, 64: 1009}
    assert choose(cells({(1, size): rate for size, rate in rates.items()})).batch_size == 4


def test_choice_takes_more_instances_only_where_they_are_clearly_faster() -> None:
    """Five percent are not worth a second copy of the weights, thirty are; then its own best batch counts."""
    one = {(1, 1): 500.0, (1, 8): 1000.0}
    assert choose(cells(one | {(2, 1): 700.0, (2, 8): 1050.0})) == Measured(1, 2, 8, 1000.0, 5)
    assert choose(cells(one | {(2, 1): 1290.0, (2, 8): 1300.0})) == Measured(2, 1, 1, 1290.0, 5)


def test_choice_of_a_noisy_machine_is_nearly_its_best() -> None:
    """Whatever the noise draws, what is chosen loses at most what the rules allow."""

    def rate(count: int, size: int) -> float:
        return 900.0 * count**0.1 * size / (2 + size) - 3 * size

    machine = Machine(rate, noise=0.05)
    chosen = choose(measure(TWO, machine, seconds=20, clock=machine.clock))
    best = max(rate(count, size) for count in (1, 2) for size in tuning.BATCH_SIZES)
    assert rate(chosen.instances, chosen.batch_size) > 0.8 * best


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with version 1 of `tiny`, and files beside it of two more versions."""
    for seed in (0, 1, 2):
        write_tiny_artifact(tmp_path / f"{seed}.onnx", seed=seed)
    publish(tmp_path / "0.onnx", tmp_path / "repository")
    return tmp_path / "repository"


@pytest.fixture
def fast_measure(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which two instances and batches of 4 are fastest; nothing is timed."""
    rates = {(1, 4): 100.0, (2, 1): 150.0, (2, 4): 200.0, (2, 8): 190.0}
    monkeypatch.setattr(tuning, "measure", lambda *_, **__: cells(rates))
    monkeypatch.setattr(tuning, "available_cores", lambda: 2)


def config_of(root: Path, variant: str | None = None, name: str = "tiny") -> Any:
    return read_config(root / name / (f"configs/{variant}.pbtxt" if variant else "config.pbtxt"))


def settings(config: Any) -> tuple[list[tuple[int, int]], list[int], dict[str, str]]:
    """Instance groups, preferred batch sizes and threads of a config."""
    threads = {key: each.string_value for key, each in config.parameters.items() if key.endswith("_thread_count")}
    groups = [(group.count, group.kind) for group in config.instance_group]
    return groups, list(config.dynamic_batching.preferred_batch_size), threads


KIND_CPU, KIND_GPU = 2, 1
TUNED = ([(2, KIND_CPU)], [4], {"intra_op_thread_count": "1", "inter_op_thread_count": "1"})


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


def test_real_sessions_are_measured(root: Path) -> None:
    """One second on this machine: every figure is a rate, and one of them was chosen and written."""
    tuned = tune(root, "tiny", seconds=1)
    measured = tuned.record["measured"]
    assert all(cell["rows_per_s"] > 0 for cell in measured)
    chosen = (tuned.instances, tuned.threads, tuned.preferred_rows)
    assert chosen in [(cell["instances"], cell["threads"], cell["batch_size"]) for cell in measured]
    assert settings(config_of(root))[1] == [tuned.preferred_rows]


def test_server_runs_what_was_tuned(root: Path, fast_measure: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two requests run at once, what waits is merged up to four rows, and every answer is right."""
    monkeypatch.setattr(instances, "available_cores", lambda: 8)
    tune(root, "tiny")
    with Server(root, grpc_port=0) as server, client_of(server) as client, ThreadPoolExecutor(8) as pool:
        held = Held(server)
        try:
            asked = [noise(1, seed=seed) for seed in range(8)]
            futures = [pool.submit(infer, client, "tiny", {"image": rows}) for rows in asked]
            eventually(lambda: held.num_rows == [1, 1] and held.batcher.num_waiting == 6, "two run and six wait")
        finally:
            held.release()
        for rows, future in zip(asked, futures, strict=True):
            got = future.result().as_numpy("embedding")
            np.testing.assert_allclose(got, linear_vectors(rows), rtol=0, atol=1e-5)
        assert sorted(held.num_rows[2:]) == [2, 4]
        config = client.get_model_config("tiny").config
        assert settings(config) == TUNED
        large = noise(64, seed=9)
        answer = infer(client, "tiny", {"image": large}).as_numpy("embedding")
        np.testing.assert_allclose(answer, linear_vectors(large), rtol=0, atol=1e-5)


def test_client_keeps_every_instance_busy(root: Path) -> None:
    """A request is never split, so a client has one more in flight than the server has instances, within bounds."""
    path = root / "tiny" / "config.pbtxt"
    with Server(root, grpc_port=0) as server, client_of(server) as client:
        for count, in_flight in ((1, 4), (7, 8), (500, 16)):
            config = config_of(root)
            config.instance_group[0].count = count
            path.write_text(str(config))
            client.load_model("tiny")
            with closing(GrpcConnection("tiny", ScorerOptions(url=server.url))) as connection:
                assert connection.in_flight == in_flight


def test_server_follows_a_tuning_when_it_loads_again(root: Path, fast_measure: None) -> None:
    """The same version with other settings is not the session that is already there."""
    with Server(root, grpc_port=0) as server, client_of(server) as client:
        before = server._store.find("tiny")
        client.load_model("tiny")
        assert server._store.find("tiny") is before, "nothing changed, nothing was loaded"
        tune(root, "tiny")
        client.load_model("tiny")
        assert server._store.find("tiny") is not before


def test_settings_fit_the_machine_that_serves(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A smaller machine starts fewer; --threads puts what was tuned aside; another device's settings do not count."""
    monkeypatch.setattr(instances, "available_cores", lambda: 4)
    config = config_of(root)

    def here(device: str = "cpu", threads: int | None = None) -> tuple[int, int, int]:
        got = instances_here(config, device, threads, where=root)
        return got.instances, got.threads, got.preferred_rows

    assert here() == (1, 4, 0)
    config.instance_group[0].count, config.instance_group[0].kind = 16, KIND_CPU
    config.parameters[INTRA_THREADS].string_value = "6"
    config.dynamic_batching.preferred_batch_size.extend([4, 8])
    assert here() == (4, 4, 8)
    assert here(threads=3) == (1, 3, 8)
    assert here(device="cuda") == (1, 4, 0)
    config.parameters[INTRA_THREADS].string_value = "many"
    with pytest.raises(RepositoryError, match="parameter 'intra_op_thread_count': expected a number, got 'many'"):
        settings_for(config, "cpu", where=root)


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


def test_command_prints_and_writes(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`lookalike tune`: a table for people, one document for machines; a wrong name is one line."""
    assert main(["tune", "tiny", "--repository", str(root), "--seconds", "1"]) == 0
    printed = capsys.readouterr()
    assert "rows a second" in printed.out
    assert "written: batches of" in printed.out
    assert printed.err.startswith("measuring tiny on this machine for 1 s\n")
    assert main(["tune", "tiny", "--repository", str(root), "--seconds", "1", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["preferred_batch_size"] == config_of(root).dynamic_batching.preferred_batch_size[0]
    assert facts["name"] == "tiny"
    assert main(["tune", "nope", "--repository", str(root), "--seconds", "1"]) == 1
    assert capsys.readouterr().err == (
        f"measuring nope on this machine for 1 s\nlookalike: no model 'nope': expected one of tiny ({root})\n"
    )
    with pytest.raises(ModelNotFoundError):
        tune(root, "tiny", version=7)


def test_export_tunes_published_models_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--tune without a repository has nowhere to write."""
    assert main(["export", str(tmp_path), "--file", str(tmp_path / "x.onnx"), "--tune"]) == 2
    assert capsys.readouterr().err == (
        "lookalike: --tune needs --repository DIR: it writes into the config of a published model\n"
    )
