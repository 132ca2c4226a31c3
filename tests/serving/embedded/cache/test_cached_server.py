"""A server with a cache through NVIDIA's client: the same answers, what is run for them, and what a reload changes."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as triton
from google.protobuf import text_format

from artifact.errors import UsageError
from artifact.kinds import KINDS
from artifact.repository.publishing import publish, rollback
from artifact.repository.triton_config import CONFIG_FILE, read_config, write_config
from serving.embedded.options import ServerOptions
from serving.embedded.requests.caller import PATIENT
from serving.embedded.server import Server
from serving.protocol import DIGEST_IN_ANSWER
from tests.shared.command_line import Cli
from tests.shared.pictures import noise, png
from tests.shared.tiny_artifact import linear_vectors, publish_tiny
from tests.shared.triton_client import client_of, infer, refusal

PAIR = KINDS["siamese"].streams


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    publish_tiny(tmp_path / "repository")
    return tmp_path / "repository"


@pytest.fixture
def server(repository: Path) -> Iterator[Server]:
    with Server(repository, grpc_port=0, http_port=0, cache_mb=1) as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[triton.InferenceServerClient]:
    with client_of(server) as client:
        yield client


def runs_of(server: Server, name: str = "tiny") -> dict[int, int]:
    """{rows of a run: runs} of what a version has done."""
    statistics = server._store.find(name).statistics
    return {rows: counts.compute_infer.count for rows, counts in sorted(statistics.batches.items())}


def files_of(pixels: np.ndarray) -> list[bytes]:
    return [png(row) for row in pixels]


def config_of(root: Path, name: str, more: str) -> None:
    """Add to a published config."""
    file = root / name / CONFIG_FILE
    write_config(file, text_format.Merge(more, read_config(file)))


@pytest.mark.parametrize(("name", "make"), [("tiny", lambda pixels: pixels), ("tiny_encoded", files_of)])
def test_known_rows_are_answered_without_a_run(
    server: Server, client: triton.InferenceServerClient, name: str, make: Any
) -> None:
    """The same request has the same bytes and digest and no second run; of one with news only these are run."""
    pixels = noise(5)
    first, again = (infer(client, name, {"image": make(pixels[:3])}) for _ in range(2))
    assert again.as_numpy("embedding").tobytes() == first.as_numpy("embedding").tobytes()
    digest = first.get_response().parameters[DIGEST_IN_ANSWER].string_param
    assert again.get_response().parameters[DIGEST_IN_ANSWER].string_param == digest != ""
    mixed = infer(client, name, {"image": make(pixels[[4, 2, 3, 0, 4]])})
    np.testing.assert_allclose(mixed.as_numpy("embedding"), linear_vectors(pixels[[4, 2, 3, 0, 4]]), atol=1e-5)
    assert runs_of(server) == {2: 1, 3: 1}
    assert runs_of(server, "tiny_decode") == ({2: 1, 3: 1} if name == "tiny_encoded" else {})


def test_both_fronts_share_what_is_kept(server: Server, client: triton.InferenceServerClient) -> None:
    """Rows that came over gRPC are known over REST; classes are chosen from them as from computed ones."""
    pixels = noise(2)
    infer(client, "tiny", {"image": pixels})
    image = {"name": "image", "shape": pixels.shape, "datatype": "UINT8", "data": pixels.ravel().tolist()}
    classes = {"name": "embedding", "parameters": {"classification": 1}}
    body = json.dumps({"inputs": [image], "outputs": [classes]}).encode()
    with urllib.request.urlopen(f"http://{server.http_url}/v2/models/tiny/infer", body) as response:
        (output,) = json.load(response)["outputs"]
    assert [int(text.split(":")[1]) for text in output["data"]] == linear_vectors(pixels).argmax(1).tolist()
    assert runs_of(server) == {2: 1}


def test_all_streams_of_a_row_are_its_bytes(tmp_path: Path) -> None:
    """In a full model a row is all of its images: the same two the other way round are another row."""
    root = tmp_path / "repository"
    publish_tiny(root, name="pair", kind="siamese", mode="full", seed=3)
    a, b = noise(1), noise(2)[1:]
    with Server(root, grpc_port=0, cache_mb=1) as server, client_of(server) as client:
        for name, make in (("pair", lambda pixels: pixels), ("pair_encoded", files_of)):
            before = sum(runs_of(server, "pair").values())
            for left, right in ((a, b), (b, a), (a, b), (a, a), (b, a)):
                streams = dict(zip(PAIR, (left, right), strict=True))
                answer = infer(client, name, {stream: make(each) for stream, each in streams.items()})
                for stream, pixels in streams.items():
                    got = answer.as_numpy(f"embedding_{stream}")
                    np.testing.assert_allclose(got, linear_vectors(pixels, seed=3), atol=1e-5)
            assert sum(runs_of(server, "pair").values()) == before + 3


def test_reload_keeps_rows_of_the_same_digest_only(
    repository: Path, server: Server, client: triton.InferenceServerClient
) -> None:
    """Another artifact under the same name never answers with the old one's vectors; the old one finds them again."""
    pixels = noise(2)

    def require(seed: int, num_entries: int) -> None:
        for name, make in (("tiny", pixels), ("tiny_encoded", files_of(pixels))):
            got = infer(client, name, {"image": make}).as_numpy("embedding")
            np.testing.assert_allclose(got, linear_vectors(pixels, seed=seed), atol=1e-5)
        assert server._store.cache is not None
        assert server._store.cache.state.num_entries == num_entries

    require(0, 4)
    publish_tiny(repository, seed=1)
    client.load_model("tiny")
    require(1, 8)
    rollback(repository, "tiny")
    client.load_model("tiny")
    require(0, 8)
    assert runs_of(server) == {}
    publish(repository.with_name("artifact.onnx"), repository, name="other")
    client.load_model("other")
    infer(client, "other", {"image": pixels})
    assert runs_of(server, "other") == {}, "the same digest under another name"


def test_image_over_a_new_limit_is_refused_though_it_is_known(
    repository: Path, server: Server, client: triton.InferenceServerClient
) -> None:
    """What was taken under a larger limit is not answered from the cache once the limit is smaller."""
    files = files_of(noise(1))
    infer(client, "tiny_encoded", {"image": files})
    publish(repository.with_name("artifact.onnx"), repository, max_image_mb=len(files[0]) / 2**21)
    client.load_model("tiny_encoded")
    code, text = refusal(lambda: infer(client, "tiny_encoded", {"image": files}))
    assert code == "INVALID_ARGUMENT"
    assert "--max-image-mb" in text


def test_bad_images_are_refused_in_the_same_words(
    repository: Path, server: Server, client: triton.InferenceServerClient
) -> None:
    """A request with known, bad and repeated bad images gets the line of a server without a cache, each time."""
    files = files_of(noise(3))
    files[1] = files[2] = b"not an image"
    with Server(repository, grpc_port=0) as plain, client_of(plain) as other:
        expected = refusal(lambda: infer(other, "tiny_encoded", {"image": files}))
    infer(client, "tiny_encoded", {"image": files[:1]})
    assert [refusal(lambda: infer(client, "tiny_encoded", {"image": files})) for _ in range(2)] == [expected] * 2
    assert "[row 1, image]" in expected[1]
    assert "cannot read 2 of 3 images" in expected[1]


@pytest.mark.parametrize("more", ["response_cache {}", "dynamic_batching { preserve_ordering: true }"])
def test_config_can_say_no(tmp_path: Path, more: str) -> None:
    """A model whose config refuses a cache, or must keep the order of its answers, runs every request."""
    root = tmp_path / "repository"
    publish_tiny(root)
    config_of(root, "tiny", more)
    if "response_cache" in more:
        config_of(root, "tiny_encoded", more)
    with Server(root, grpc_port=0, cache_mb=1) as server, client_of(server) as client:
        for _ in range(2):
            infer(client, "tiny", {"image": noise(1)})
            infer(client, "tiny_encoded", {"image": files_of(noise(1))})
        assert runs_of(server) == {1: 4}
        for name in ("tiny", "tiny_encoded"):
            assert not client.get_model_config(name).config.response_cache.enable
        statistics = client.get_inference_statistics("tiny").model_stats[0].inference_stats
        assert (statistics.cache_hit.count, statistics.cache_miss.count) == (0, 0)


def test_served_config_says_that_vectors_are_kept(
    repository: Path, server: Server, client: triton.InferenceServerClient
) -> None:
    """Clients are told of the cache by the config, as Triton tells them; the file stays as it is."""
    enabled = {
        name: client.get_model_config(name).config.response_cache.enable
        for name in ("tiny", "tiny_decode", "tiny_encoded")
    }
    assert enabled == {"tiny": True, "tiny_decode": False, "tiny_encoded": True}
    assert not read_config(repository / "tiny" / CONFIG_FILE).HasField("response_cache")
    network = server._store.find("tiny")
    client.load_model("tiny")
    assert server._store.find("tiny") is network, "not loaded again for what is only told"


def test_config_that_changes_its_mind_is_obeyed_on_reload(
    repository: Path, server: Server, client: triton.InferenceServerClient
) -> None:
    """`response_cache {}` of a model that is loaded counts from its next load on, though the artifact is the same."""
    infer(client, "tiny", {"image": noise(1)})
    config_of(repository, "tiny", "response_cache {}")
    client.load_model("tiny")
    for _ in range(2):
        infer(client, "tiny", {"image": noise(1)})
    assert runs_of(server) == {1: 2}


def test_server_keeps_nothing_unless_told(repository: Path) -> None:
    """Without `cache_mb` every request runs; a config that asks for a cache is told of the option."""
    config_of(repository, "tiny", "response_cache { enable: true }")
    reports: list[str] = []
    with Server(repository, grpc_port=0, report=reports.append) as server, client_of(server) as client:
        for _ in range(2):
            infer(client, "tiny", {"image": noise(1)})
        assert runs_of(server) == {1: 2}
        assert server._store.cache is None
    expected = "model 'tiny' asks for a response cache and the server has none; --cache-mb gives it one"
    assert [line for line in reports if "cache" in line] == [expected]


@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), 2**21])
def test_size_that_makes_no_sense_is_refused(value: float) -> None:
    """A cache is of 0 MB or more, and of no more than a terabyte."""
    with pytest.raises(UsageError, match="cache_mb: expected 0 to 1,048,576 MB"):
        ServerOptions(cache_mb=value)


def test_command_refuses_such_a_size_in_one_line(cli: Cli, repository: Path) -> None:
    """`--cache-mb` is checked before anything starts."""
    code, _, errors = cli("serve", repository, "--cache-mb", "2000000")
    assert code == 2
    assert errors.count("\n") == 1
    assert "cache_mb: expected 0 to 1,048,576 MB, got 2e+06" in errors


def test_smaller_run_is_within_the_tolerance_of_a_whole_one(
    server: Server, client: triton.InferenceServerClient
) -> None:
    """Rows computed in other company differ from those of one run by no more than the artifact's own tolerance."""
    pixels = noise(16)
    for first in (0, 3, 11):
        infer(client, "tiny", {"image": pixels[first : first + 5]})
    got = infer(client, "tiny", {"image": pixels}).as_numpy("embedding")
    network = server._store.find("tiny")
    whole = network.run({"image": pixels}, 16, caller=PATIENT)["embedding"]  # type: ignore[attr-defined]
    tolerance = network.manifest.golden.tolerance  # type: ignore[attr-defined]
    assert np.abs(got - whole).max() <= tolerance * max(1, np.abs(whole).max())
