"""The embedded server through NVIDIA's own client: vectors, merging, limits, and neighbours of bad requests.

The texts of refusals are compared with real Triton's in conformance/refusals.py, through the same server.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton
from tritonclient.grpc import service_pb2 as messages
from tritonclient.grpc import service_pb2_grpc as services

from artifact.kinds import KINDS
from serving.embedded.server import Server
from serving.protocol import DIGEST_IN_ANSWER, QUEUE_FULL
from tests.shared.held_server import num_waiting, together
from tests.shared.pictures import noise, png
from tests.shared.tiny_artifact import linear_vectors, publish_tiny
from tests.shared.triton_client import client_of, infer, refusal
from tests.shared.waiting import WAIT_S, eventually

NOT_AN_IMAGE = "not an image in any of JPEG, PNG, WEBP, GIF, BMP, TIFF, PPM (starts with b'not an i')"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("served") / "repository"
    publish_tiny(root)
    publish_tiny(root, name="pair", kind="siamese", mode="full", seed=3)
    return root


@pytest.fixture
def server(repository: Path) -> Iterator[Server]:
    with Server(repository, grpc_port=0) as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[triton.InferenceServerClient]:
    with client_of(server) as client:
        yield client


def test_branch_gives_vectors_of_pixels_and_of_files(client: triton.InferenceServerClient) -> None:
    """The same rows as pixels to NAME and as files to NAME_encoded give the vectors that numpy computes."""
    pixels = noise(5)
    expected = linear_vectors(pixels)
    np.testing.assert_allclose(infer(client, "tiny", {"image": pixels}).as_numpy("embedding"), expected, atol=1e-5)
    encoded = infer(client, "tiny_encoded", {"image": [png(row) for row in pixels]})
    np.testing.assert_allclose(encoded.as_numpy("embedding"), expected, atol=1e-5)
    decoded = infer(client, "tiny_decode", {"image": [png(row) for row in pixels]})
    np.testing.assert_array_equal(decoded.as_numpy("image_pixels"), pixels)


def test_full_gives_vectors_and_distances(client: triton.InferenceServerClient) -> None:
    """Every stream's vectors and the distance of its pair, from pixels and from files."""
    pixels = {stream: noise(4, seed=seed) for seed, stream in enumerate(KINDS["siamese"].streams)}
    left, right = (linear_vectors(rows, seed=3) for rows in pixels.values())
    files = {stream: [png(row) for row in rows] for stream, rows in pixels.items()}
    for answer in (infer(client, "pair", pixels), infer(client, "pair_encoded", files)):
        np.testing.assert_allclose(answer.as_numpy("embedding_left"), left, atol=1e-5)
        np.testing.assert_allclose(answer.as_numpy("embedding_right"), right, atol=1e-5)
        distance = np.sqrt(np.square(left - right).sum(axis=1, keepdims=True))
        np.testing.assert_allclose(answer.as_numpy("distance_left_right"), distance, atol=1e-5)


def test_answers_carry_the_digest(client: triton.InferenceServerClient, repository: Path, tmp_path: Path) -> None:
    """An answer with vectors says which artifact gave them, and its id, name and version."""
    digest = publish_tiny(tmp_path / "other").digest  # the same artifact again: export is deterministic
    for name, tensors in (("tiny", noise(1)), ("tiny_encoded", [png(noise(1)[0])])):
        answer = infer(client, name, {"image": tensors}, request_id="seven").get_response()
        assert answer.parameters[DIGEST_IN_ANSWER].string_param == digest
        assert (answer.id, answer.model_name, answer.model_version) == ("seven", name, "1")


def test_nvidias_client_can_ask_everything(client: triton.InferenceServerClient) -> None:
    """Every method of InferenceServerClient that the server's extensions promise."""
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("pair_encoded", "1")
    assert not client.is_model_ready("pair_encoded", "2")
    metadata = client.get_server_metadata(as_json=True)
    assert metadata["name"] == "lookalike"
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", metadata["version"])
    assert client.get_model_metadata("tiny", as_json=True)["inputs"] == [
        {"name": "image", "datatype": "UINT8", "shape": ["-1", "8", "8", "3"]}
    ]
    assert client.get_model_config("tiny").config.max_batch_size == 64
    index = {(model.name, model.state) for model in client.get_model_repository_index().models}
    names = [base + suffix for base in ("pair", "tiny") for suffix in ("", "_decode", "_encoded")]
    assert index == {(name, "READY") for name in names}
    infer(client, "tiny", {"image": noise(2)})
    (statistics,) = client.get_inference_statistics("tiny").model_stats
    assert (statistics.inference_count, statistics.execution_count) == (2, 1)
    assert {model.name for model in client.get_inference_statistics().model_stats} == set(names)
    client.load_model("tiny")
    client.unload_model("pair_encoded", unload_dependents=True)
    assert not client.is_model_ready("pair")


def test_what_is_not_supported_says_so(client: triton.InferenceServerClient) -> None:
    """Shared memory, traces, logs and configs over the network: UNIMPLEMENTED, and no region is ever there."""
    assert not client.get_system_shared_memory_status().regions
    assert not client.get_cuda_shared_memory_status().regions
    for call in (
        lambda: client.register_system_shared_memory("region", "/key", 64),
        client.unregister_cuda_shared_memory,
        client.get_trace_settings,
        lambda: client.update_log_settings({"log_file": "server.log"}),
        lambda: client.load_model("tiny", config="{}"),
        lambda: client.load_model("tiny", config="{}", files={"file:1/model.onnx": b"x"}),
    ):
        assert refusal(call)[0] == "UNIMPLEMENTED"
    extensions = set(client.get_server_metadata().extensions)
    assert not extensions & {"system_shared_memory", "cuda_shared_memory", "trace", "logging"}


def test_server_merges_concurrent_requests(server: Server, client: triton.InferenceServerClient) -> None:
    """Requests that wait together are one run, and each gets its own vectors."""
    batches = [noise(count, seed=count) for count in (3, 1, 2)]
    calls = [lambda rows=rows: infer(client, "tiny", {"image": rows}) for rows in batches]
    before = client.get_inference_statistics("tiny").model_stats[0]
    with together(server, *calls) as answers:
        eventually(lambda: num_waiting(server) == 3, "three waiting")
    for rows, answer in zip(batches, answers, strict=True):
        got = answer.result(WAIT_S).as_numpy("embedding")
        np.testing.assert_allclose(got, linear_vectors(rows), atol=1e-5)
    after = client.get_inference_statistics("tiny").model_stats[0]
    assert after.inference_count - before.inference_count == 7  # with the one row that they waited for
    assert after.execution_count - before.execution_count == 2
    assert [counts.batch_size for counts in after.batch_stats] == [1, 6]


def test_bad_image_leaves_its_neighbours_alone(server: Server, client: triton.InferenceServerClient) -> None:
    """Of encoded requests that wait together, the one with a bad image is refused and the others are answered."""
    rows = [noise(2, seed=seed) for seed in range(4)]
    files = [[png(image) for image in batch] for batch in rows]
    bad = [files[0][0], b"not an image"]
    calls = [lambda images=images: infer(client, "tiny_encoded", {"image": images}) for images in (*files, bad)]
    with together(server, *calls) as answers:
        text = f"in ensemble 'tiny_encoded', cannot read 1 of 2 images: [row 1, image] {NOT_AN_IMAGE}"
        assert refusal(lambda: answers[-1].result(WAIT_S)) == ("INVALID_ARGUMENT", text)  # before the others even run
        eventually(lambda: num_waiting(server) == 4, "four waiting")
    for batch, answer in zip(rows, answers[:-1], strict=True):
        np.testing.assert_allclose(answer.result(WAIT_S).as_numpy("embedding"), linear_vectors(batch), atol=1e-5)
    counts = client.get_inference_statistics("tiny_encoded").model_stats[0].inference_stats
    assert (counts.success.count, counts.fail.count) == (4, 1)


def test_image_limits_are_the_servers(repository: Path) -> None:
    """An image over the server's limits is refused from its header, in NAME_decode's words."""
    with Server(repository, grpc_port=0, max_megapixels=0.0001) as server, client_of(server) as client:
        big = png(np.zeros((11, 10, 3), np.uint8))
        status, text = refusal(lambda: infer(client, "tiny_decode", {"image": [png(noise(1)[0]), big]}))
    assert status == "INVALID_ARGUMENT"
    assert text == (
        "cannot read 1 of 2 images: [row 1, image] 10x11 pixels (0.1 megapixels), over the server's limit of 0.0001 "
        "megapixels; raise it with --max-megapixels where the model is published or served"
    )


def test_message_limit_is_the_servers(repository: Path) -> None:
    """A message over the limit is RESOURCE_EXHAUSTED, and the next one is answered."""
    with Server(repository, grpc_port=0, max_message_bytes=10_000) as server, client_of(server) as client:
        status, _ = refusal(lambda: infer(client, "tiny", {"image": noise(60)}))
        assert status == "RESOURCE_EXHAUSTED"
        assert infer(client, "tiny", {"image": noise(40)}).as_numpy("embedding").shape == (40, 4)


def test_full_queue_is_unavailable(repository: Path) -> None:
    """With one request running and one waiting of one that may, the third is refused in Triton's words."""
    with Server(repository, grpc_port=0, max_queue=1) as server, client_of(server) as client:

        def call() -> np.ndarray:
            return infer(client, "tiny", {"image": noise(1)}).as_numpy("embedding")

        with together(server, call) as answers:
            eventually(lambda: num_waiting(server) == 1, "one waiting")
            assert refusal(call) == ("UNAVAILABLE", f"{QUEUE_FULL}: 1 requests wait for this model (max_queue)")
        np.testing.assert_allclose(answers[0].result(WAIT_S), linear_vectors(noise(1)), atol=1e-5)


def test_bytes_in_the_server_are_bounded(repository: Path) -> None:
    """While a request is in the server, another that would make them too large together is refused."""
    with Server(repository, grpc_port=0, max_running_bytes=2_000) as server, client_of(server) as client:
        with together(server, lambda: infer(client, "tiny", {"image": noise(8)})) as answers:
            eventually(lambda: num_waiting(server) == 1, "one waiting")
            assert refusal(lambda: infer(client, "pair", {s: noise(3) for s in ("left", "right")})) == (
                "UNAVAILABLE",
                f"{QUEUE_FULL}: the requests in the server would be over 2000 bytes (max_running_bytes)",
            )
        answers[0].result(WAIT_S)
        assert infer(client, "tiny", {"image": noise(20)}).as_numpy("embedding").shape == (20, 4)  # alone it may


def test_cancelled_request_does_not_run(server: Server, client: triton.InferenceServerClient) -> None:
    """A client that gives up while its request waits costs no run of the model."""
    with grpc.insecure_channel(server.url) as channel:
        stub = services.GRPCInferenceServiceStub(channel)
        request = messages.ModelInferRequest(model_name="tiny", raw_input_contents=[noise(5).tobytes()])
        request.inputs.add(name="image", datatype="UINT8", shape=[5, 8, 8, 3])
        before = client.get_inference_statistics("tiny").model_stats[0].inference_count
        with together(server):
            call = stub.ModelInfer.future(request, timeout=WAIT_S)
            eventually(lambda: num_waiting(server) == 1, "one waiting")
            call.cancel()
            eventually(lambda: num_waiting(server) == 0, "its place is free")
    eventually(
        lambda: client.get_inference_statistics("tiny").model_stats[0].inference_stats.fail.count == 1, "a failure"
    )
    assert client.get_inference_statistics("tiny").model_stats[0].inference_count == before + 1


def test_values_that_are_no_uint8_are_refused(server: Server) -> None:
    """Typed contents over 255 are refused; Triton would cut them off without a word."""
    request = messages.ModelInferRequest(model_name="tiny")
    tensor = request.inputs.add(name="image", datatype="UINT8", shape=[1, 8, 8, 3])
    tensor.contents.uint_contents.extend([300] * 192)
    with grpc.insecure_channel(server.url) as channel:
        stub = services.GRPCInferenceServiceStub(channel)
        text = "value 300 for input tensor 'image' for model 'tiny' is over 255, the largest UINT8"
        assert refusal(lambda: stub.ModelInfer(request, timeout=WAIT_S)) == ("INVALID_ARGUMENT", text)


def test_regions_of_shared_memory_are_not_found(server: Server) -> None:
    """An input that points into shared memory is refused as Triton refuses an unknown region."""
    request = messages.ModelInferRequest(model_name="tiny")
    tensor = request.inputs.add(name="image", datatype="UINT8", shape=[1, 8, 8, 3])
    tensor.parameters["shared_memory_region"].string_param = "secret"
    tensor.parameters["shared_memory_byte_size"].int64_param = 192
    with grpc.insecure_channel(server.url) as channel:
        stub = services.GRPCInferenceServiceStub(channel)
        refused = refusal(lambda: stub.ModelInfer(request, timeout=WAIT_S))
    assert refused == ("NOT_FOUND", "Unable to find shared memory region: 'secret'")
