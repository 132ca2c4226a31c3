"""What starts a server of its own: polling, stray folders, configs for a kind of machine, and no real Triton at all.

The checks that run against both servers lie in test_triton_grpc.py and test_triton_rest.py.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from artifact.repository.publishing import publish, rollback
from artifact.repository.reading import open_repository
from artifact.repository.triton_config import read_config, write_config
from serving.embedded.server import Server
from serving.embedded.tuning.tune import tune
from tests.shared.conformance.served import MOVING, TOLERANCE, column, connected, eventually, publish_models
from tests.shared.pictures import pictures
from tests.shared.places import SHARED
from tests.shared.triton_server import TritonServer, unavailable

ENVIRONMENT = SHARED / "real_triton" / "environment.sh"


@pytest.mark.slow
def test_published_version_is_found_by_a_polling_triton(tmp_path: Path) -> None:
    """With --model-control-mode=poll a published version and a rollback are served without anybody asking for it."""
    if reason := unavailable():
        pytest.skip(f"real Triton cannot run here: {reason}")
    repository, images = tmp_path / "repository", [pictures()["png"]]
    expected = [MOVING.outputs({"image": MOVING.pixels(images)}, seed=seed)["embedding"] for seed in (1, 2)]
    for seed in (1, 2):
        MOVING.write(tmp_path / f"{seed}.onnx", seed=seed)
    publish(tmp_path / "1.onnx", repository)
    with TritonServer(repository, control="poll") as server, connected(server.grpc_url, repository) as served:

        def serves(which: int) -> bool:
            got = served.infer("moving_encoded", {"image": column(images)})["embedding"]
            return bool(np.abs(got - expected[which]).max() < TOLERANCE)

        assert serves(0)
        publish(tmp_path / "2.onnx", repository)
        eventually(lambda: serves(1), "version 2 is served")
        rollback(repository, "moving")
        eventually(lambda: serves(0), "version 1 is served again")


def test_stray_folder_stops_triton_only(tmp_path: Path) -> None:
    """A folder that is no model: the embedded server lists it with the reason, real Triton does not start beside it."""
    repository = publish_models(tmp_path)
    (repository / "stray").mkdir()
    with Server(repository, grpc_port=0) as server, connected(f"127.0.0.1:{server.port}", repository) as served:
        index = {model.name: (model.state, model.reason) for model in served.call("RepositoryIndex").models}
        assert index["stray"] == ("UNAVAILABLE", "no config.pbtxt")
        assert served.call("ModelReady", name="quartets_encoded").ready
    if reason := unavailable():
        pytest.skip(f"real Triton cannot run here: {reason}")
    with pytest.raises(RuntimeError, match="stray"), TritonServer(repository):
        pass


@pytest.mark.slow
@pytest.mark.parametrize("control", ["explicit", "poll"])
def test_triton_reads_the_variant_of_its_machine(tmp_path: Path, control: str) -> None:
    """Started with --model-config-name=cpu it runs what was tuned for a CPU, also after a version and a rollback.

    NAME_decode and NAME_encoded have no variants and run from their config.pbtxt, as on every machine.
    """
    if reason := unavailable():
        pytest.skip(f"real Triton cannot run here: {reason}")
    repository, images = tmp_path / "repository", [pictures()["png"]]
    for seed in (1, 2):
        MOVING.write(tmp_path / f"{seed}.onnx", seed=seed)
    publish(tmp_path / "1.onnx", repository)
    tuned = tune(repository, "moving", seconds=1)
    path = repository / "moving" / "config.pbtxt"
    config = read_config(path)
    config.dynamic_batching.preferred_batch_size[:] = [7]  # no measured size: shows which of the two is read
    write_config(path, config)
    with (
        TritonServer(repository, control=control, config_name="cpu") as server,
        connected(server.grpc_url, repository) as served,
    ):

        def serves(version: int) -> bool:
            expected = MOVING.outputs({"image": MOVING.pixels(images)}, seed=version)["embedding"]
            got = served.infer("moving_encoded", {"image": column(images)})["embedding"]
            return bool(np.abs(got - expected).max() < TOLERANCE)

        def change(version: int, made: Callable[[], object]) -> None:
            made()
            if control == "explicit":
                served.call("RepositoryModelLoad", model_name="moving")
            eventually(lambda: serves(version), f"version {version} is served")
            config = served.call("ModelConfig", name="moving").config
            group = config.instance_group[0]
            assert (group.count, group.kind) == (tuned.instances, group.KIND_CPU)
            assert list(config.dynamic_batching.preferred_batch_size) == [tuned.preferred_rows]
            assert config.parameters["intra_op_thread_count"].string_value == str(tuned.threads)
            digest = config.parameters[f"lookalike.digest.{version}"].string_value
            assert digest == open_repository(repository).model("moving").manifest(version).digest

        change(1, lambda: None)
        change(2, lambda: publish(tmp_path / "2.onnx", repository))
        change(1, lambda: rollback(repository, "moving"))
    assert list(read_config(path).dynamic_batching.preferred_batch_size) == [7]


def test_environment_says_why_it_cannot(tmp_path: Path) -> None:
    """No cache folder can be made here: exit status 1, and the reason is kept for the tests that skip to repeat."""
    folder = tmp_path / "tests" / "shared" / "real_triton"
    folder.mkdir(parents=True)
    (folder / "environment.sh").write_bytes(ENVIRONMENT.read_bytes())
    (tmp_path / "constraints.txt").touch()
    (tmp_path / "cache").touch()  # a file where the folder should be
    done = subprocess.run(
        ["sh", str(folder / "environment.sh")],
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "TRITON_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    status, _, reason = (folder / "result").read_text().strip().partition(": ")
    assert status == "unavailable"
    assert done.stderr.strip() == f"real Triton cannot run here: {reason}"
    assert reason
