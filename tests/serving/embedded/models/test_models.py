"""A repository as the embedded server sees it: versions that come and go, and models that cannot be loaded."""

from __future__ import annotations

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from artifact.atomic import write_atomically
from artifact.errors import RepositoryError
from artifact.model.file import append_manifest, read_manifest
from artifact.model.manifest import Manifest
from artifact.repository.publishing import publish, rollback
from serving.embedded.server import Server
from tests.shared.held_server import num_waiting, together
from tests.shared.pictures import noise, png
from tests.shared.tiny_artifact import linear_vectors, publish_tiny, write_tiny_artifact
from tests.shared.triton_client import client_of, index_of, infer, refusal
from tests.shared.waiting import WAIT_S, eventually


def test_rollback_and_load_change_the_version(tmp_path: Path) -> None:
    """Publishing and rolling back change nothing until the model is loaded; then every name answers anew."""
    root = tmp_path / "repository"
    publish_tiny(root)
    pixels = noise(2)
    files = [png(row) for row in pixels]
    with Server(root, grpc_port=0) as server, client_of(server) as client:

        def require(version: str, seed: int) -> None:
            by_pixels, by_files = (
                infer(client, "tiny", {"image": pixels}),
                infer(client, "tiny_encoded", {"image": files}),
            )
            assert by_pixels.get_response().model_version == version
            for answer in (by_pixels, by_files):
                expected = linear_vectors(pixels, seed=seed)
                np.testing.assert_allclose(answer.as_numpy("embedding"), expected, atol=1e-5)

        publish_tiny(root, seed=1)
        require("1", 0)
        client.load_model("tiny")
        require("2", 1)
        assert index_of(client)["tiny", "1"] == ("UNAVAILABLE", "unloaded")
        rollback(root, "tiny")
        client.load_model("tiny_encoded")
        require("1", 0)


def test_unchanged_version_is_not_loaded_again(tmp_path: Path) -> None:
    """Loading what did not change keeps the session and its statistics; a changed file is loaded anew."""
    root = tmp_path / "repository"
    publish_tiny(root)
    with Server(root, grpc_port=0) as server, client_of(server) as client:
        infer(client, "tiny", {"image": noise(2)})
        first = server._store.find("tiny")
        client.load_model("tiny")
        assert server._store.find("tiny") is first
        assert client.get_inference_statistics("tiny").model_stats[0].inference_count == 2
        file = root / "tiny" / "1" / "model.onnx"
        write_atomically(file, file.read_bytes())
        client.load_model("tiny")
        assert server._store.find("tiny") is not first


def test_requests_in_flight_survive_a_reload(tmp_path: Path) -> None:
    """A request that waits in the old version is answered by it while the new one is loaded; new ones go to the new."""
    root = tmp_path / "repository"
    publish_tiny(root)
    pixels = noise(3)
    with Server(root, grpc_port=0) as server, client_of(server) as client:
        old = server._store.find("tiny")
        publish_tiny(root, seed=1)
        calls = (lambda: infer(client, "tiny", {"image": pixels}), lambda: client.load_model("tiny"))
        with together(server, *calls) as (answer, loading):
            eventually(lambda: old._batcher.num_waiting == 1, "one waiting")
            eventually(lambda: server._store.versions("tiny") == [2], "the new version")
            new = infer(client, "tiny", {"image": pixels})
            np.testing.assert_allclose(new.as_numpy("embedding"), linear_vectors(pixels, seed=1), atol=1e-5)
            assert not answer.done()
        got = answer.result(WAIT_S)
        loading.result(WAIT_S)
    assert got.get_response().model_version == "1"
    np.testing.assert_allclose(got.as_numpy("embedding"), linear_vectors(pixels), atol=1e-5)


def test_request_that_still_decodes_survives_a_reload(tmp_path: Path) -> None:
    """A version stays while a request of it has not even reached its queue: the version that it began with answers."""
    root, go = tmp_path / "repository", threading.Event()
    publish_tiny(root)
    pixels = noise(1)
    with Server(root, grpc_port=0, threads=1) as server, client_of(server) as client, ThreadPoolExecutor(2) as pool:
        decoder = server._store._decoder._pool
        decoder.submit(go.wait, WAIT_S)  # the one thread that decodes is busy
        try:
            answer = pool.submit(infer, client, "tiny_encoded", {"image": [png(pixels[0])]})
            eventually(lambda: decoder._work_queue.qsize() == 1, "an image that waits")
            publish_tiny(root, seed=1)
            loading = pool.submit(client.load_model, "tiny")
            eventually(lambda: server._store.versions("tiny") == [2], "the new version")
        finally:
            go.set()
        got = answer.result(WAIT_S)
        loading.result(WAIT_S)
    np.testing.assert_allclose(got.as_numpy("embedding"), linear_vectors(pixels), atol=1e-5)


def test_corrupt_artifact_is_listed_and_stops_nothing(tmp_path: Path) -> None:
    """A flipped byte in the weights: that model is UNAVAILABLE with the reason, the other one is served."""
    root, reports = tmp_path / "repository", []
    publish_tiny(root)
    publish_tiny(root, name="broken", seed=1)
    file = root / "broken" / "1" / "model.onnx"
    data = bytearray(file.read_bytes())
    data[300] ^= 1
    file.write_bytes(data)
    with Server(root, grpc_port=0, report=reports.append) as server, client_of(server) as client:
        assert client.is_server_ready()
        state, reason = index_of(client)["broken", "1"]
        assert state == "UNAVAILABLE"
        assert "content does not match its hash" in reason
        assert any("'broken' version 1 failed to load" in line for line in reports)
        assert refusal(lambda: infer(client, "broken", {"image": noise(1)}))[0] == "NOT_FOUND"
        assert refusal(lambda: client.get_model_metadata("broken"))[0] == "NOT_FOUND"
        assert {name for name, state in index_of(client).items() if state[0] == "READY"} >= {("tiny", "1")}
        np.testing.assert_allclose(
            infer(client, "tiny", {"image": noise(1)}).as_numpy("embedding"), linear_vectors(noise(1)), atol=1e-5
        )
        data[300] ^= 1
        file.write_bytes(data)
        client.load_model("broken")  # mended
        assert index_of(client)["broken", "1"] == ("READY", "")


def test_failing_reload_keeps_the_old_version(tmp_path: Path) -> None:
    """A new version that cannot be loaded is refused with the reason; the old one answers on, and no thread is left."""
    root = tmp_path / "repository"
    publish_tiny(root)
    publish_tiny(root, seed=1)
    with Server(root, grpc_port=0) as server, client_of(server) as client:
        publish_tiny(root, seed=2)
        (root / "tiny" / "3" / "model.onnx").write_bytes(b"nothing")
        status, text = refusal(lambda: client.load_model("tiny"))
        assert status == "INVALID_ARGUMENT"
        assert text.startswith("load failed for model 'tiny': version 3 is at UNAVAILABLE state: not an ONNX file")
        assert infer(client, "tiny", {"image": noise(1)}).get_response().model_version == "2"
        assert index_of(client)["tiny", "3"][0] == "UNAVAILABLE"


def test_golden_images_are_checked_at_load(tmp_path: Path) -> None:
    """An artifact whose vectors are not its golden vectors is not served; without the check it is."""
    root = tmp_path / "repository"
    file = tmp_path / "liar.onnx"
    manifest = write_tiny_artifact(file, name="liar")
    other = write_tiny_artifact(tmp_path / "other.onnx", name="liar", seed=9)
    model = file.read_bytes()[: manifest.content.size]
    append_manifest(file, model, Manifest.model_validate(manifest.model_dump() | {"golden": other.golden}))
    publish(file, root)
    with Server(root, grpc_port=0) as server, client_of(server) as client:
        assert "golden images do not give their golden vectors" in index_of(client)["liar", "1"][1]
    with Server(root, grpc_port=0, check_goldens=False) as server, client_of(server) as client:
        assert client.is_model_ready("liar")


def test_artifact_of_nonsense_stops_only_itself(tmp_path: Path) -> None:
    """A manifest that proves itself but whose golden examples are no images: listed with the reason, others served."""
    root, file = tmp_path / "repository", tmp_path / "odd.onnx"
    publish_tiny(root)
    manifest = write_tiny_artifact(file, name="odd")
    assert manifest.golden is not None
    golden = manifest.golden.model_copy(update={"images": ["AAAA"] * len(manifest.golden.images)})
    append_manifest(file, file.read_bytes()[: manifest.content.size], manifest.model_copy(update={"golden": golden}))
    publish(file, root)
    with Server(root, grpc_port=0) as server, client_of(server) as client:
        assert client.is_model_ready("tiny")
        assert index_of(client)["odd", "1"][1].startswith("golden examples cannot be read: got not an image")


def test_load_of_an_absent_companion_leaves_no_thread(tmp_path: Path) -> None:
    """NAME_encoded that was never published cannot be loaded, and what was loaded for it is freed."""
    root = tmp_path / "repository"
    root.mkdir()
    with Server(root, grpc_port=0) as server, client_of(server) as client:
        publish_tiny(root)
        shutil.rmtree(root / "tiny_encoded")
        assert refusal(lambda: client.load_model("tiny_encoded"))[0] == "INTERNAL"
        assert not [thread for thread in threading.enumerate() if thread.name == "lookalike-tiny-1"]
        client.load_model("tiny")
        assert client.is_model_ready("tiny")


def test_artifact_that_is_not_its_configs_is_refused(tmp_path: Path) -> None:
    """A sound file that was put in the place of the published one is not served under the other's digest."""
    root = tmp_path / "repository"
    publish_tiny(root)
    write_tiny_artifact(root / "tiny" / "1" / "model.onnx", seed=5)
    with Server(root, grpc_port=0) as server, client_of(server) as client:
        assert "the file is not the artifact of its config" in index_of(client)["tiny", "1"][1]
        assert not client.is_model_ready("tiny")


def test_empty_repository_is_served_with_a_warning(tmp_path: Path) -> None:
    """Nothing to load: the server is ready, says so, and takes the first model when it comes."""
    root, reports = tmp_path / "repository", []
    root.mkdir()
    with Server(root, grpc_port=0, report=reports.append) as server, client_of(server) as client:
        assert client.is_server_ready()
        assert [line for line in reports if line.startswith("no model to serve")]
        publish_tiny(root)
        assert index_of(client)["tiny", ""] == ("UNAVAILABLE", "unloaded")
        client.load_model("tiny_encoded")
        answer = infer(client, "tiny_encoded", {"image": [png(noise(1)[0])]})
        np.testing.assert_allclose(answer.as_numpy("embedding"), linear_vectors(noise(1)), atol=1e-5)


def test_no_repository_is_an_error(tmp_path: Path) -> None:
    """A folder that is not there is refused before anything listens."""
    with pytest.raises(RepositoryError, match="no model repository: expected a folder, got nothing there"):
        Server(tmp_path / "nowhere", grpc_port=0)


def test_config_without_dynamic_batching_merges_nothing(tmp_path: Path) -> None:
    """The config decides: without dynamic_batching requests that wait together run one by one."""
    root = tmp_path / "repository"
    publish_tiny(root)
    path = root / "tiny" / "config.pbtxt"
    text = path.read_text()
    assert "dynamic_batching {\n}\n" in text
    path.write_text(text.replace("dynamic_batching {\n}\n", "").replace("max_batch_size: 64", "max_batch_size: 4"))
    with Server(root, grpc_port=0) as server, client_of(server) as client:
        calls = [lambda: infer(client, "tiny", {"image": noise(1)})] * 2
        with together(server, *calls):
            eventually(lambda: num_waiting(server) == 2, "two waiting")
        assert client.get_inference_statistics("tiny").model_stats[0].execution_count == 3
        assert refusal(lambda: infer(client, "tiny", {"image": noise(5)}))[1].endswith(
            "inference request batch-size must be <= 4 for 'tiny'"
        )
    assert read_manifest(root / "tiny" / "1" / "model.onnx").name == "tiny"
