"""A trained run with two towers on both servers: its three models give the network's vectors, tuned and rolled back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from artifact.repository.publishing import rollback
from export.build import deploy
from serving.embedded.server import Server
from serving.embedded.tuning.tune import tune
from tests.shared.attribute_run import fit_towers, write_squares
from tests.shared.conformance.served import TOLERANCE, Served, connected
from tests.shared.triton_server import TritonServer, unavailable
from trainer.run.saved_run import Run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Trained once for all tests here."""
    folder = tmp_path_factory.mktemp("towers")
    return fit_towers(write_squares(folder / "squares", count=60), folder / "run", epochs=1)


@pytest.fixture(scope="module")
def repository(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """NAME, NAME_attributes and NAME_full, the second measured on this machine."""
    root = tmp_path_factory.mktemp("served") / "repository"
    deploy(run, root, name="two")
    assert tune(root, "two_attributes", seconds=0.2).preferred_rows >= 1
    return root


@pytest.fixture(scope="module", params=["embedded", pytest.param("triton", marks=pytest.mark.slow)])
def served(request: pytest.FixtureRequest, repository: Path) -> Iterator[Served]:
    """One of the two servers."""
    if request.param == "triton" and (reason := unavailable()):
        pytest.skip(f"real Triton cannot run here: {reason}")
    if request.param == "triton":
        with TritonServer(repository) as server, connected(server.grpc_url, repository) as found:
            yield found
    else:
        with Server(repository, grpc_port=0) as server, connected(f"127.0.0.1:{server.port}", repository) as found:
            yield found


def vectors(run: Run, arrays: dict[str, Any]) -> dict[str, np.ndarray]:
    """By torch."""
    networks = {"image": run.branch, "attributes": run.branch.towers["attributes"]}
    with torch.no_grad():
        return {name: networks[name](torch.from_numpy(array)).numpy() for name, array in arrays.items()}


def test_every_model_of_a_run_with_two_towers_is_ready(served: Served) -> None:
    """And no companion of the two that take rows."""
    index = {model.name: model.state for model in served.call("RepositoryIndex").models}
    names = ["two", "two_attributes", "two_decode", "two_encoded", "two_full"]
    assert index == dict.fromkeys(names, "READY")


@pytest.mark.parametrize("num_rows", [1, 5, 64])
def test_models_answer_with_the_network_s_vectors(served: Served, run: Run, num_rows: int) -> None:
    """Rows alone, and rows with images in one request."""
    random = np.random.default_rng(num_rows)
    arrays: dict[str, Any] = {
        "image": random.integers(0, 256, (num_rows, 16, 16, 3), np.uint8),
        "attributes": random.standard_normal((num_rows, 6)).astype(np.float32),
    }
    expected = vectors(run, arrays)
    found = served.infer("two_attributes", {"attributes": arrays["attributes"]})
    assert list(found) == ["embedding"]
    np.testing.assert_allclose(found["embedding"], expected["attributes"], atol=TOLERANCE)
    both = served.infer("two_full", arrays)
    for name, want in expected.items():
        np.testing.assert_allclose(both[f"embedding_{name}"], want, atol=TOLERANCE)
    apart = np.linalg.norm(expected["image"] - expected["attributes"], axis=1, keepdims=True)
    np.testing.assert_allclose(both["distance_image_attributes"], apart, atol=TOLERANCE)


def test_a_second_run_is_a_second_version_and_is_rolled_back(run: Run, tmp_path: Path) -> None:
    """Of all three; a server that begins then answers with the first."""
    root = tmp_path / "repository"
    deploy(run, root, name="two")
    other = fit_towers(run.config.images, tmp_path / "other", epochs=1, seed=1)
    deploy(other, root, name="two")
    rows = np.random.default_rng(0).standard_normal((3, 6)).astype(np.float32)
    for which, which_run in ((2, other), (1, run)):
        if which == 1:
            rollback(root, "two_attributes")
        with Server(root, grpc_port=0) as server, connected(f"127.0.0.1:{server.port}", root) as found:
            got = found.infer("two_attributes", {"attributes": rows})["embedding"]
        np.testing.assert_allclose(got, vectors(which_run, {"attributes": rows})["attributes"], atol=TOLERANCE)
