"""The control modes of the server: who may load, and a repository that is followed without anybody asking."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc as triton

from artifact.errors import ModelNotFoundError, UsageError
from artifact.repository.publishing import publish, rollback
from serving.embedded.models.polling import Watch
from serving.embedded.server import Server
from tests.shared.pictures import noise, png
from tests.shared.plain_models import ask, put, scaled
from tests.shared.tiny_artifact import linear_vectors, publish_tiny, write_tiny_artifact
from tests.shared.triton_client import client_of, index_of, infer, refusal
from tests.shared.triton_server import TritonServer, unavailable
from tests.shared.waiting import eventually

REFUSED = ("UNAVAILABLE", "explicit model load / unload is not allowed if polling is enabled")
POLLING = {"grpc_port": 0, "control": "poll", "poll_s": 0.02}


def refusals(client: triton.InferenceServerClient) -> list[tuple[str, str]]:
    """Loads and unloads, of what is there and what is not."""
    calls: list[Callable[[str], object]] = [client.load_model, client.unload_model]
    return [refusal(lambda call=call, name=name: call(name)) for call in calls for name in ("plain", "nope")]


@pytest.mark.parametrize("control", ["poll", "none"])
def test_nobody_loads_under_poll_and_none(tmp_path: Path, control: str) -> None:
    """Loads and unloads are refused in Triton's words, and everything is served all the same."""
    put(tmp_path, "plain", scaled(1.0))
    with Server(tmp_path, grpc_port=0, control=control) as server, client_of(server) as client:
        assert refusals(client) == [REFUSED] * 4
        assert client.is_model_ready("plain")


@pytest.mark.slow
@pytest.mark.skipif(unavailable() is not None, reason=str(unavailable()))
@pytest.mark.parametrize("control", ["poll", "none"])
def test_triton_says_the_same(tmp_path: Path, control: str) -> None:
    """The words are those of real Triton, for both modes."""
    config = """backend: "onnxruntime" max_batch_size: 4 input { name: "x" data_type: TYPE_FP32 dims: [3] }
    output { name: "y" data_type: TYPE_FP32 dims: [3] }"""
    put(tmp_path, "plain", scaled(1.0), config)
    with TritonServer(tmp_path, control=control) as server, triton.InferenceServerClient(server.grpc_url) as client:
        assert refusals(client) == [REFUSED] * 4


def test_only_what_is_named_is_loaded_at_the_start(tmp_path: Path) -> None:
    """load_models restricts the start: a name of three brings what it needs, the rest may be loaded later."""
    publish_tiny(tmp_path)
    publish_tiny(tmp_path, name="other")
    put(tmp_path, "plain", scaled(1.0))
    named = ("tiny_encoded", "plain")
    with Server(tmp_path, grpc_port=0, load_models=named) as server, client_of(server) as client:
        ready = {name for (name, _), (state, _) in index_of(client).items() if state == "READY"}
        assert ready == {"tiny", "tiny_decode", "tiny_encoded", "plain"}
        assert index_of(client)["other", ""] == ("UNAVAILABLE", "unloaded")
        client.load_model("other")
        assert client.is_model_ready("other")
    with Server(tmp_path, grpc_port=0, load_models=["*"]) as server:
        assert {"tiny_encoded", "other", "plain"} <= set(server.model_names)


def test_wrong_names_and_modes_are_refused_before_anything_is_served(tmp_path: Path) -> None:
    """A name that the repository does not have, a mode that there is not, and names where nobody chooses."""
    put(tmp_path, "plain", scaled(1.0))
    with pytest.raises(ModelNotFoundError, match="no model 'plan': expected one of plain"):
        Server(tmp_path, grpc_port=0, load_models=["plan"]).start()
    for options in ({"control": "all"}, {"control": "poll", "load_models": ["plain"]}, {"poll_s": 0}):
        with pytest.raises(UsageError):
            Server(tmp_path, grpc_port=0, **options)


def test_poll_follows_what_is_published(tmp_path: Path) -> None:
    """New models, new versions, rollbacks, changed configs and removed models, ours and other people's."""
    root, pixels = tmp_path / "repository", noise(2)
    publish_tiny(root)
    with Server(root, **POLLING) as server, client_of(server) as client:

        def becomes(version: str, seed: int) -> None:
            eventually(
                lambda: infer(client, "tiny", {"image": pixels}).get_response().model_version == version,
                f"version {version}",
            )
            files = {"image": [png(row) for row in pixels]}
            got = infer(client, "tiny_encoded", files).as_numpy("embedding")
            np.testing.assert_allclose(got, linear_vectors(pixels, seed=seed), atol=1e-5)

        publish_tiny(root, seed=1)
        becomes("2", 1)
        rollback(root, "tiny")
        becomes("1", 0)
        publish_tiny(root, name="later")
        put(root, "plain", scaled(2.0))
        eventually(lambda: {"later_encoded", "plain"} <= set(server.model_names), "the new models")
        ones = np.ones((1, 3), np.float32)
        put(root, "plain", scaled(3.0), version=2)
        eventually(lambda: ask(client, "plain", {"x": ones}).as_numpy("y")[0, 0] == 3, "the new version")
        (root / "plain" / "config.pbtxt").write_text('backend: "onnxruntime" version_policy { all {} }')
        eventually(lambda: list(client.get_model_metadata("plain").versions) == ["1", "2"], "the changed config")
        for name in ("plain", "later", "later_decode", "later_encoded"):
            shutil.rmtree(root / name)
        left = {"tiny", "tiny_decode", "tiny_encoded"}
        eventually(lambda: {name for name, _ in index_of(client)} == left, "the removed models")
        assert set(server.model_names) == left


def test_poll_keeps_what_it_has_when_the_new_is_broken(tmp_path: Path) -> None:
    """A broken version is told of once, and tried again when it changes; the old one answers on."""
    root, reports = tmp_path / "repository", []
    publish_tiny(root)
    with Server(root, **POLLING, report=reports.append) as server, client_of(server) as client:
        write_tiny_artifact(tmp_path / "new.onnx", seed=1)
        publish(tmp_path / "new.onnx", root)
        eventually(lambda: server._store.versions("tiny") == [2], "the new version")
        file = root / "tiny" / "2" / "model.onnx"
        whole = file.read_bytes()
        rollback(root, "tiny", 1)
        eventually(lambda: server._store.versions("tiny") == [1], "the old version")
        file.write_bytes(whole[:100])
        rollback(root, "tiny", 2)
        eventually(lambda: index_of(client)["tiny", "2"][1] not in ("", "unloaded"), "the reason")
        assert client.is_model_ready("tiny")
        failures = [line for line in reports if "version 2 failed to load" in line]
        file.write_bytes(whole)
        eventually(lambda: server._store.versions("tiny") == [2], "the mended version")
        assert len(failures) <= 2


class Folder:
    """A repository of one unit, as a watch sees it; what is loaded and unloaded is noted."""

    def __init__(self) -> None:
        self.files: dict[str, tuple[tuple[str, int, int, int], ...]] = {}
        self.done: list[str] = []
        self.watch = Watch(
            lambda: self.files, lambda unit: self.done.append(f"+{unit}"), lambda unit: self.done.append(f"-{unit}"), 1
        )

    def look(self, size: int | None) -> list[str]:
        """What is done at a look that finds a file of that size."""
        self.files = {} if size is None else {"m": (("file", size, 0, 0),)}
        self.done.clear()
        self.watch.look_once()
        return list(self.done)


def test_watch_loads_only_what_has_settled() -> None:
    """A copy that grows is not loaded until two looks find the same; what is gone is unloaded after two."""
    folder = Folder()
    folder.watch.take_as_is()
    looks = [folder.look(size) for size in (1, 2, 3, 3, 3, 4, 3, 3, None, None, None, 3, 3)]
    assert looks == [[], [], [], ["+m"], [], [], [], [], [], ["-m"], [], [], ["+m"]]


def test_files_copied_with_their_old_times_are_seen(tmp_path: Path) -> None:
    """`cp -p` over a file: the same size and an old time, but another file."""
    put(tmp_path, "plain", scaled(1.0))
    with Server(tmp_path, **POLLING) as server, client_of(server) as client:
        new = tmp_path / "plain" / "1" / "new"
        new.write_bytes(scaled(5.0).SerializeToString())
        file = tmp_path / "plain" / "1" / "model.onnx"
        os.utime(new, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns))
        new.rename(file)
        ones = np.ones((1, 3), np.float32)
        eventually(lambda: ask(client, "plain", {"x": ones}).as_numpy("y")[0, 0] == 5, "the new file")


def test_repository_that_vanishes_stops_nothing(tmp_path: Path) -> None:
    """What is loaded goes on without its folder; under poll it is followed again once it is back."""
    root = tmp_path / "repository"
    put(root, "plain", scaled(1.0))
    with Server(root, **POLLING) as server, client_of(server) as client:
        root.rename(tmp_path / "moved")
        ones = np.ones((1, 3), np.float32)
        ask(client, "plain", {"x": ones})
        put(tmp_path / "moved", "plain", scaled(2.0), version=2)
        (tmp_path / "moved").rename(root)
        eventually(lambda: ask(client, "plain", {"x": ones}).as_numpy("y")[0, 0] == 2, "the new version")
