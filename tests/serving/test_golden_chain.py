"""The golden chain: the same encoded images through torch, onnxruntime in-process, our server and real Triton.

A really trained network, exported and published unchanged; both modes, all three kinds; pixels and encoded images.
Torch alone is the reference, and numpy for the distances.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from artifact.distances import DISTANCES
from artifact.images.preprocessing import load_pixels
from artifact.kinds import KINDS, distance_name, embedding_name
from export.build import deploy
from serving.client.scorer import Scorer
from serving.embedded.server import Server
from tests.shared.pictures import pictures
from tests.shared.shapes_run import small_run
from tests.shared.triton_server import TritonServer, unavailable
from trainer.run.saved_run import Run

TOLERANCE = 1e-4
Vectors = np.ndarray[Any, np.dtype[np.float32]]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """One trained run of each kind."""
    return {kind: small_run(tmp_path_factory.mktemp(kind) / kind, kind=kind, epochs=1) for kind in KINDS}


@pytest.fixture(scope="module")
def repository(runs: dict[str, Run], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All of them, published in both modes."""
    root = tmp_path_factory.mktemp("chain") / "repository"
    for run in runs.values():
        deploy(run, root)
    return root


@pytest.fixture(scope="module", params=["in-process", "embedded", "triton"])
def place(request: pytest.FixtureRequest, repository: Path) -> Iterator[dict[str, Any]]:
    """How a Scorer reaches the models."""
    with ExitStack() as stack:
        if request.param == "in-process":
            yield {"repository": repository}
        elif request.param == "embedded":
            yield {"url": f"127.0.0.1:{stack.enter_context(Server(repository, grpc_port=0)).port}"}
        elif reason := unavailable():
            pytest.skip(f"real Triton cannot run here: {reason}")
        else:
            yield {"url": stack.enter_context(TritonServer(repository)).grpc_url}


def by_torch(run: Run, images: list[bytes]) -> Vectors:
    """The trained network itself on the images' pixels."""
    pixels = np.stack([load_pixels(image, run.preprocessing) for image in images])
    with torch.no_grad():
        return run.branch(torch.from_numpy(pixels)).numpy()


@pytest.mark.parametrize("send", ["pixels", "encoded"])
@pytest.mark.parametrize("kind", list(KINDS))
def test_every_link_gives_torchs_vectors(place: dict[str, Any], runs: dict[str, Run], kind: str, send: str) -> None:
    """Branch and full artifact, at every place, within 1e-4 of torch, for every sort of picture."""
    run = runs[kind]
    images = list(pictures().values())
    expected = by_torch(run, images)
    limit = TOLERANCE * max(1.0, float(np.abs(expected).max()))
    for name in (kind, f"{kind}_full"):
        with Scorer(name, send=send, **place) as scorer:
            assert np.abs(scorer.embed(images) - expected).max() <= limit
            streams = {stream: images[shift:] + images[:shift] for shift, stream in enumerate(KINDS[kind].streams)}
            scored = scorer.score(streams)
        vectors = {stream: np.roll(expected, -shift, axis=0) for shift, stream in enumerate(KINDS[kind].streams)}
        for stream, want in vectors.items():
            assert np.abs(scored[embedding_name(stream)] - want).max() <= limit
        for a, b in KINDS[kind].pairs:
            want = DISTANCES[run.distance](vectors[a], vectors[b])
            assert np.abs(scored[distance_name((a, b))] - want).max() <= 2 * limit


@pytest.mark.parametrize("place", ["embedded", "triton"], indirect=True)
def test_distances_of_the_full_graph_itself(place: dict[str, Any], runs: dict[str, Run]) -> None:
    """Asked directly, by an unmodified client, the full model gives the distances of its own vectors."""
    import tritonclient.grpc as triton

    run = runs["quartet"]
    random = np.random.default_rng(3)
    size = run.preprocessing.height
    pixels = {
        stream: random.integers(0, 256, (5, size, size, 3), dtype=np.uint8) for stream in KINDS["quartet"].streams
    }
    inputs = []
    for stream, array in pixels.items():
        inputs.append(triton.InferInput(stream, array.shape, "UINT8"))
        inputs[-1].set_data_from_numpy(array)
    client = triton.InferenceServerClient(place["url"])
    try:
        answer = client.infer("quartet_full", inputs)
    finally:
        client.close()
    with torch.no_grad():
        vectors = {stream: run.branch(torch.from_numpy(array)).numpy() for stream, array in pixels.items()}
    limit = TOLERANCE * max(1.0, *(float(np.abs(each).max()) for each in vectors.values()))
    for a, b in KINDS["quartet"].pairs:
        want = DISTANCES[run.distance](vectors[a], vectors[b])[:, None]
        assert np.abs(answer.as_numpy(distance_name((a, b))) - want).max() <= 2 * limit
