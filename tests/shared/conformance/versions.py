"""Publishing, rolling back, breaking and unloading a model while the server runs; model `moving` of served.py.

One check of several steps, because each goes on from the last: what a server answers depends on what was loaded.
"""

from __future__ import annotations

import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from artifact.model.file import read_manifest
from artifact.repository.publishing import publish, rollback
from tests.shared.conformance.served import (
    BRANCH,
    FULL,
    MOVING,
    TIMEOUT_S,
    TOLERANCE,
    Model,
    Served,
    column,
    eventually,
    request,
    require_close,
)
from tests.shared.pictures import pictures

IMAGES = [pictures()["jpeg"], pictures()["png, alpha"]]
SECOND_SEED = 40
GONE = "has no available versions"


def versions_come_and_go(served: Served) -> None:
    """Publish, roll back, break, unload, load again: every answer comes from the right version."""
    _require_version(served, 1, MOVING.seed)
    with tempfile.TemporaryDirectory() as folder:
        _publish_and_load_second(served, Path(folder) / "second.onnx")
        _roll_back_to_first(served)
        _change_versions_under_load(served)
        _unload_and_load(served)
        _refuse_damaged_third(served, Path(folder) / "third.onnx")
    _load_second_again(served)
    _refuse_broken_config(served)


def loads_and_unloads_under_traffic(served: Served) -> None:
    """A branch and full artifacts of every kind: while they come and go an answer is right, or says that it is gone.

    Of an ensemble Triton may say that its step is gone, before the ensemble begins or from within it. How many requests
    meet the gap differs: all of a model may wait behind one that loads.
    """
    done = threading.Event()
    models = (BRANCH, *FULL)
    seen = {model.name: {"right": 0, "gone": 0} for model in models}

    def ask_until_done(model: Model) -> None:
        rows = {stream: IMAGES[shift % 2 :] + IMAGES[: shift % 2] for shift, stream in enumerate(model.streams)}
        encoded = {stream: column(those) for stream, those in rows.items()}
        pixels = {stream: model.pixels(those) for stream, those in rows.items()}
        expected = model.outputs(pixels)
        while not done.is_set():
            for name, tensors in ((model.name, pixels), (f"{model.name}_encoded", encoded)):
                answer, refusal = served.answer_or_refusal(lambda: served.infer(name, tensors))  # noqa: B023
                if refusal is None:
                    require_close(answer, expected)
                else:
                    gone = [
                        f"Request for unknown model: '{one}' has no available versions" for one in (name, model.name)
                    ]
                    assert refusal[0] == "NOT_FOUND"
                    assert refusal[1].removeprefix(f"in ensemble '{name}', ") in gone
                seen[model.name]["right" if refusal is None else "gone"] += 1

    def is_enough() -> bool:
        return min(counts["right"] for counts in seen.values()) >= 5 <= sum(counts["gone"] for counts in seen.values())

    with ThreadPoolExecutor(len(models)) as pool:
        asking = [pool.submit(ask_until_done, model) for model in models]
        try:
            deadline = time.monotonic() + TIMEOUT_S
            while not is_enough() and time.monotonic() < deadline:
                for model in models:
                    served.call("RepositoryModelUnload", model_name=model.name)
                    served.call("RepositoryModelLoad", model_name=f"{model.name}_encoded")
                if any(one.done() for one in asking):
                    break
        finally:
            done.set()
        for one in asking:
            one.result(TIMEOUT_S)
    assert is_enough(), seen
    for model in models:
        config = served.call("ModelConfig", name=model.name).config
        assert config.parameters["lookalike.digest.1"].string_value == _digest(served, 1, model.name)
        for suffix in ("", "_decode", "_encoded"):
            assert served.call("ModelReady", name=model.name + suffix).ready


def _publish_and_load_second(served: Served, file: Path) -> None:
    """A version that is published is served once that is asked for; the one before is not there any more."""
    manifest = MOVING.write(file, seed=SECOND_SEED)
    publish(file, served.repository)
    _require_version(served, 1, MOVING.seed)
    _load(served)
    _require_version(served, 2, SECOND_SEED)
    _require_gone(served, 1)
    _require_states(served, {"1": "UNAVAILABLE", "2": "READY"})
    config = served.call("ModelConfig", name="moving").config
    assert config.parameters["lookalike.digest.1"].string_value == _digest(served, 1)
    assert config.parameters["lookalike.digest.2"].string_value == manifest.digest
    assert served.call("ModelMetadata", name="moving").versions == ["2"]


def _roll_back_to_first(served: Served) -> None:
    """A rollback is a load like any other."""
    rollback(served.repository, "moving")
    _load(served)
    _require_version(served, 1, MOVING.seed)
    _require_gone(served, 2)
    _require_states(served, {"1": "READY", "2": "UNAVAILABLE"})


def _change_versions_under_load(served: Served) -> None:
    """While versions change, every request is answered, and by one of the two: there is no gap and no mixture."""
    pixels = MOVING.pixels(IMAGES)
    vectors = [MOVING.outputs({"image": pixels}, seed=seed)["embedding"] for seed in (MOVING.seed, SECOND_SEED)]
    done = threading.Event()
    answers = {"moving": 0, "moving_encoded": 0}

    def ask_until_done(name: str, array: np.ndarray) -> None:
        while not done.is_set():
            got = served.infer(name, {"image": array})["embedding"]
            assert any(np.allclose(got, expected, rtol=0, atol=TOLERANCE) for expected in vectors)
            answers[name] += 1

    with ThreadPoolExecutor(2) as pool:
        asking = [pool.submit(ask_until_done, *one) for one in (("moving", pixels), ("moving_encoded", column(IMAGES)))]
        try:
            while min(answers.values()) < 20 and not any(one.done() for one in asking):
                for version in (2, 1):
                    rollback(served.repository, "moving", version)
                    _load(served)
        finally:
            done.set()
        for one in asking:
            one.result(TIMEOUT_S)
    _require_version(served, 1, MOVING.seed)


def _unload_and_load(served: Served) -> None:
    """NAME unloaded takes NAME_encoded along; loading NAME_encoded brings both back."""
    served.call("RepositoryModelUnload", model_name="moving")
    pixels = np.zeros((1, 8, 8, 3), np.uint8)
    for name, array in (("moving", pixels), ("moving_encoded", column(IMAGES[:1]))):
        gone = ("NOT_FOUND", f"Request for unknown model: '{name}' has no available versions")
        assert served.refusal(lambda name=name, array=array: served.infer(name, {"image": array})) == gone
        assert served.refusal(lambda name=name: served.call("ModelMetadata", name=name)) == gone
        assert not served.call("ModelReady", name=name).ready
    eventually(lambda: served.call("ServerReady").ready, "ready with a model unloaded")
    served.call("RepositoryModelLoad", model_name="moving_encoded")
    _require_version(served, 1, MOVING.seed)


def _refuse_damaged_third(served: Served, file: Path) -> None:
    """A version whose file is cut off is refused, and what was served goes on.

    ServerReady is not asked from here on: with its default --strict-readiness real Triton says no until the version
    that failed has been loaded well, though every model answers.
    """
    MOVING.write(file, seed=SECOND_SEED + 1)
    publish(file, served.repository)
    damaged = served.repository / "moving" / "3" / "model.onnx"
    damaged.write_bytes(damaged.read_bytes()[:2000])
    status, text = served.refusal(lambda: _load(served))
    assert status == "INVALID_ARGUMENT"
    assert text.startswith("load failed for model 'moving': version 3 is at UNAVAILABLE state: ")
    _require_version(served, 1, MOVING.seed)


def _load_second_again(served: Served) -> None:
    rollback(served.repository, "moving", 2)
    _load(served)
    _require_version(served, 2, SECOND_SEED)


def _refuse_broken_config(served: Served) -> None:
    """A config.pbtxt that does not parse is refused, and what was served goes on."""
    path = served.repository / "moving" / "config.pbtxt"
    whole = path.read_text()
    path.write_text("name: 7 {")
    refusal = ("INTERNAL", "failed to load 'moving', failed to poll from model repository")
    assert served.refusal(lambda: _load(served)) == refusal
    path.write_text(whole)
    _require_version(served, 2, SECOND_SEED)


def _load(served: Served) -> None:
    served.call("RepositoryModelLoad", model_name="moving")


def _require_version(served: Served, version: int, seed: int) -> None:
    """Pixels and encoded images are both answered by this version, and only by it."""
    pixels = MOVING.pixels(IMAGES)
    answer = served.stub.ModelInfer(request("moving", {"image": pixels}), timeout=TIMEOUT_S)
    assert answer.model_version == str(version)
    expected = MOVING.outputs({"image": pixels}, seed=seed)
    require_close(served.infer("moving", {"image": pixels}), expected)
    require_close(served.infer("moving", {"image": pixels}, version=str(version)), expected)
    require_close(served.infer("moving_encoded", {"image": column(IMAGES)}), expected)
    assert served.call("ModelReady", name="moving", version=str(version)).ready


def _require_gone(served: Served, version: int) -> None:
    pixels = MOVING.pixels(IMAGES)
    assert served.refusal(lambda: served.infer("moving", {"image": pixels}, version=str(version))) == (
        "UNAVAILABLE",
        f"Request for unknown model: 'moving' version {version} is not at ready state",
    )
    assert not served.call("ModelReady", name="moving", version=str(version)).ready


def _require_states(served: Served, expected: dict[str, str]) -> None:
    def states() -> dict[str, str]:
        models = served.call("RepositoryIndex").models
        return {model.version: model.state for model in models if model.name == "moving"}

    eventually(lambda: states() == expected, f"the versions {expected}")


def _digest(served: Served, version: int, name: str = "moving") -> str:
    return read_manifest(served.repository / name / str(version) / "model.onnx").digest


CHECKS = (versions_come_and_go, loads_and_unloads_under_traffic)
