"""A hundred reloads under load, none failed: versions change, and every request is answered by one of the two.

Clients in threads ask for pixels and for encoded images as fast as they can, over gRPC and HTTP; meanwhile the model is
rolled back, published and loaded in turn. Then its folder is deleted under it: what is loaded goes on answering, a load
is refused, and once it is published again it is loaded.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from artifact.repository.publishing import publish, rollback
from benchmarks.serving.contenders import ours
from tests.shared.conformance.rest import connected_by_rest
from tests.shared.conformance.served import MOVING, TOLERANCE, Served, column, connected, publish_models
from tests.shared.pictures import pictures

RELOADS, SECOND_SEED = 100, 40
_IMAGES = list(pictures().values())[:2]
_GONE = ("INTERNAL", "failed to load 'moving', failed to poll from model repository")


def run(*, reloads: int = RELOADS) -> dict[str, Any]:
    """Reloads and answers; raises AssertionError for a request that failed or was answered by neither version."""
    with tempfile.TemporaryDirectory(prefix="lookalike-reloads-") as name:
        home = Path(name)
        repository = publish_models(home)
        with (
            ours(repository) as server,
            connected(server.grpc_url, repository) as served,
            connected_by_rest(server.http_url, repository) as by_rest,
        ):
            MOVING.write(home / "second.onnx", seed=SECOND_SEED)
            publish(home / "second.onnx", repository)
            served.call("RepositoryModelLoad", model_name="moving")
            answers = _under_load((served, by_rest), lambda: _change(served, repository, reloads))
            answers += _under_load((served, by_rest), lambda: _delete_and_publish(served, home))
    return {"reloads": reloads, "answers": dict(answers)}


def _change(served: Served, repository: Path, reloads: int) -> None:
    for number in range(reloads):
        rollback(repository, "moving", 1 + number % 2)
        served.call("RepositoryModelLoad", model_name="moving")
        answer = served.infer("moving", {"image": MOVING.pixels(_IMAGES)})["embedding"]
        assert np.allclose(answer, _vectors()[number % 2], rtol=0, atol=TOLERANCE), number


def _delete_and_publish(served: Served, home: Path) -> None:
    for folder in (home / "repository").glob("moving*"):
        shutil.rmtree(folder)
    got = served.refusal(lambda: served.call("RepositoryModelLoad", model_name="moving"))
    assert got == _GONE, got
    assert served.call("ModelReady", name="moving").ready
    publish(home / "second.onnx", home / "repository")
    served.call("RepositoryModelLoad", model_name="moving")


def _vectors() -> list[np.ndarray[Any, Any]]:
    """Of each version."""
    pixels = {"image": MOVING.pixels(_IMAGES)}
    return [MOVING.outputs(pixels, seed=seed)["embedding"] for seed in (MOVING.seed, SECOND_SEED)]


def _under_load(connections: tuple[Served, ...], change: Callable[[], None]) -> Counter[str]:
    """Do something while clients ask; how many answers there were of each kind."""
    done, answers = threading.Event(), Counter[str]()
    tensors = {"moving": MOVING.pixels(_IMAGES), "moving_encoded": column(_IMAGES)}
    expected = _vectors()

    def ask(served: Served, name: str) -> None:
        while not done.is_set():
            got = served.infer(name, {"image": tensors[name]})["embedding"]
            assert any(np.allclose(got, each, rtol=0, atol=TOLERANCE) for each in expected), name
            answers[f"{name} over {'gRPC' if served.is_grpc else 'HTTP'}"] += 1

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask, served, name) for served in connections for name in tensors]
        try:
            change()
        finally:
            done.set()
        for one in asking:
            one.result(60)
    return answers
