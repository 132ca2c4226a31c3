"""Versions of a model: policies, several at once, reloads under load, and what becomes of a deleted folder."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from artifact.repository.publishing import rollback
from serving.embedded.server import Server
from tests.shared.pictures import noise, png
from tests.shared.plain_models import ask, put, scaled
from tests.shared.tiny_artifact import linear_vectors, publish_tiny
from tests.shared.triton_client import client_of, index_of, infer, refusal

ONES = np.ones((1, 3), np.float32)
POLICIES = {
    "": [12],
    "version_policy { latest { num_versions: 2 } }": [3, 12],
    "version_policy { all {} }": [1, 3, 12],
    "version_policy { specific { versions: [1, 3] } }": [1, 3],
}


@pytest.mark.parametrize("policy", POLICIES)
def test_plain_versions_follow_the_policy(tmp_path: Path, policy: str) -> None:
    """Versions by number and not by name, each with its own answers; folders that are no versions do not count."""
    for version in (1, 3, 12):
        put(tmp_path, "plain", scaled(float(version)), f'backend: "onnxruntime" {policy}', version=version)
    for name in ("0", "04", "v5", "-6"):
        (tmp_path / "plain" / name).mkdir()
    with Server(tmp_path, grpc_port=0) as server, client_of(server) as client:
        served = POLICIES[policy]
        assert list(client.get_model_metadata("plain").versions) == [str(version) for version in served]
        for version in served:
            assert ask(client, "plain", {"x": ONES}, version=str(version)).as_numpy("y")[0, 0] == version
        assert ask(client, "plain", {"x": ONES}).as_numpy("y")[0, 0] == max(served)
        assert refusal(lambda: ask(client, "plain", {"x": ONES}, version="2"))[0] == "NOT_FOUND"


def test_published_versions_follow_the_policy(tmp_path: Path) -> None:
    """Several versions of a network, and of its companions, whose own configs say which."""
    pixels = noise(2)
    files = [png(row) for row in pixels]
    for seed in (0, 1, 2):
        publish_tiny(tmp_path, seed=seed)
    for name in ("tiny", "tiny_decode", "tiny_encoded"):
        config = tmp_path / name / "config.pbtxt"
        text = config.read_text().replace("version_policy {\n  latest {\n    num_versions: 1\n  }\n}", "")
        config.write_text(text + "version_policy { all {} }")
    for name in ("tiny_decode", "tiny_encoded"):
        shutil.copytree(tmp_path / name / "1", tmp_path / name / "7")
    with Server(tmp_path, grpc_port=0) as server, client_of(server) as client:
        assert list(client.get_model_metadata("tiny").versions) == ["1", "2", "3"]
        for seed in (0, 1, 2):
            got = infer(client, "tiny", {"image": pixels}, model_version=str(seed + 1)).as_numpy("embedding")
            np.testing.assert_allclose(got, linear_vectors(pixels, seed=seed), atol=1e-5)
        for name in ("tiny_decode", "tiny_encoded"):
            assert list(client.get_model_metadata(name).versions) == ["1", "7"]
        for version in ("", "1", "7"):
            got = infer(client, "tiny_encoded", {"image": files}, model_version=version)
            assert got.get_response().model_version == (version or "7")
            np.testing.assert_allclose(got.as_numpy("embedding"), linear_vectors(pixels, seed=2), atol=1e-5)


def test_reloads_under_load_fail_no_request(tmp_path: Path) -> None:
    """Ten changes of version of ours, ten of other people's: every request is answered, by one of the two versions."""
    for seed in (0, 1):
        publish_tiny(tmp_path, seed=seed)
    put(tmp_path, "plain", scaled(1.0))
    put(tmp_path, "plain", scaled(2.0), version=2)
    pixels, done = noise(2), threading.Event()
    vectors = [linear_vectors(pixels, seed=seed) for seed in (0, 1)]
    with Server(tmp_path, grpc_port=0) as server, client_of(server) as client:

        def ask_ours() -> int:
            count = 0
            while not done.is_set() or not count:
                answer = infer(client, "tiny", {"image": pixels})
                expected = vectors[int(answer.get_response().model_version) - 1]
                np.testing.assert_allclose(answer.as_numpy("embedding"), expected, atol=1e-5)
                count += 1
            return count

        def ask_plain() -> int:
            count = 0
            while not done.is_set() or not count:
                answer = ask(client, "plain", {"x": ONES})
                assert answer.as_numpy("y")[0, 0] == int(answer.get_response().model_version)
                count += 1
            return count

        with ThreadPoolExecutor(2) as pool:
            asking = [pool.submit(each) for each in (ask_ours, ask_plain)]
            try:
                for index in range(10):
                    rollback(tmp_path, "tiny", 1 + index % 2)
                    policy = f"version_policy {{ specific {{ versions: [{1 + index % 2}] }} }}"
                    (tmp_path / "plain" / "config.pbtxt").write_text(f'backend: "onnxruntime" {policy}')
                    client.load_model("tiny")
                    client.load_model("plain")
            finally:
                done.set()
            assert all(each.result() for each in asking)


def test_model_whose_folder_is_deleted_goes_on(tmp_path: Path) -> None:
    """What is loaded answers on; a reload says why it cannot be, to the client and to the operator."""
    reports: list[str] = []
    publish_tiny(tmp_path)
    put(tmp_path, "plain", scaled(2.0))
    with Server(tmp_path, grpc_port=0, report=reports.append) as server, client_of(server) as client:
        for name in ("tiny", "tiny_decode", "tiny_encoded", "plain"):
            shutil.rmtree(tmp_path / name)
        for name in ("tiny", "plain"):
            assert refusal(lambda name=name: client.load_model(name)) == (
                "INTERNAL",
                f"failed to load '{name}', failed to poll from model repository",
            )
            assert any(f"model '{name}' cannot be loaded: no model '{name}'" in line for line in reports)
            assert index_of(client)[name, "1"] == ("READY", "")
        infer(client, "tiny", {"image": noise(1)})
        ask(client, "plain", {"x": ONES})


def test_readiness_after_a_failed_load(tmp_path: Path) -> None:
    """Ready while it answers; with strict_readiness not while anything is missing, and again once it is mended."""
    put(tmp_path, "sound", scaled(1.0))
    put(tmp_path, "broken", b"nothing")
    for strict in (False, True):
        with Server(tmp_path, grpc_port=0, strict_readiness=strict) as server, client_of(server) as client:
            assert client.is_server_ready() is not strict
            assert [client.is_model_ready(name) for name in ("sound", "broken")] == [True, False]
            client.unload_model("sound")
            put(tmp_path, "broken", scaled(1.0))
            client.load_model("broken")
            assert client.is_server_ready()
            assert index_of(client)["sound", "1"] == ("UNAVAILABLE", "unloaded")
            put(tmp_path, "broken", b"nothing")


MEMORY = """
import numpy as np, onnx, sys, pathlib
from onnx import TensorProto, helper, numpy_helper
from serving.embedded.server import Server
from tests.shared.plain_models import model, put

root = pathlib.Path(sys.argv[1])
draw = np.random.default_rng(0)
def large():
    weights = numpy_helper.from_array(draw.standard_normal((1024, 4096)).astype(np.float32), "w")
    return model([helper.make_node("MatMul", ["x", "w"], ["y"])], {"x": (TensorProto.FLOAT, ("N", 1024))},
                 {"y": (TensorProto.FLOAT, ("N", 4096))}, [weights])
def rss():
    return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20
put(root, "large", large())
sizes = []
with Server(root, grpc_port=0) as server:
    for _ in range(30):
        put(root, "large", large())
        server._store.load("large")
        sizes.append(rss())
    server._store.unload("large")
    print(f"{sizes[4]:.0f} {max(sizes[5:]):.0f} {rss():.0f}")
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_of_what_was_unloaded_is_given_back(tmp_path: Path) -> None:
    """Thirty reloads of 16 MiB of weights leave the process no larger than five did, and an unload makes it smaller."""
    command = [sys.executable, "-c", MEMORY, str(tmp_path)]
    printed = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    after_five, most, unloaded = map(int, printed.split())
    assert most < after_five + 24, (after_five, most)
    assert unloaded < most - 8, (most, unloaded)


def test_no_model_is_ready_while_the_server_stops(tmp_path: Path) -> None:
    """ModelReady tells whether a request would be answered; loads are refused too."""
    put(tmp_path, "plain", scaled(1.0))
    with Server(tmp_path, grpc_port=0) as server, client_of(server) as client:
        assert client.is_model_ready("plain")
        server._store.stop_accepting()
        assert not client.is_model_ready("plain")
        assert not client.is_server_ready()
        assert refusal(lambda: client.load_model("plain"))[0] == "UNAVAILABLE"
