"""A region artifact behind the embedded server and real Triton: boxes beside pixels, beside files, and refused."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from artifact.errors import ArtifactError
from artifact.images.preprocessing import load_pixels
from artifact.model.description import describe
from artifact.model.file import append_manifest, read_manifest
from serving.check import check_artifact
from serving.difference import compare_artifacts
from serving.embedded.models.servables import MAX_BOXES
from serving.embedded.server import Server
from tests.shared.conformance.served import Served, column, connected
from tests.shared.pictures import pictures
from tests.shared.region_artifact import (
    DIM,
    HEIGHT,
    NAME,
    SPEC,
    WIDTH,
    publish_regions,
    region_model,
    region_vectors,
    write_region_artifact,
)
from tests.shared.tiny_artifact import write_tiny_artifact
from tests.shared.triton_server import TritonServer, unavailable

NAN = np.float32("nan")


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the region artifact alone."""
    return publish_regions(tmp_path_factory.mktemp("regions") / "repository")


@pytest.fixture(scope="module", params=["embedded", "triton"])
def served(request: pytest.FixtureRequest, repository: Path) -> Iterator[Served]:
    """The repository behind a server."""
    if request.param == "embedded":
        with Server(repository, grpc_port=0) as server, connected(f"127.0.0.1:{server.port}", repository) as found:
            yield found
    elif reason := unavailable():
        pytest.skip(f"real Triton cannot run here: {reason}")
    else:
        with TritonServer(repository) as server, connected(server.grpc_url, repository) as found:
            yield found


def drawn(num_images: int, num_boxes: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Pixels, and boxes of which the last of each image is none."""
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 256, (num_images, HEIGHT, WIDTH, 3), np.uint8)
    boxes = np.sort(random.random((num_images, num_boxes, 2, 2)), axis=2).reshape(num_images, num_boxes, 4)
    boxes[:, num_boxes - 1 :][:, : num_boxes > 1] = NAN
    return pixels, boxes.astype(np.float32)


@pytest.mark.parametrize("num_boxes", [0, 1, 3, 40])
def test_pixels_and_boxes_give_a_vector_for_each_box(served: Served, num_boxes: int) -> None:
    """Any number of boxes an image; rows of NaN are zeros."""
    pixels, boxes = drawn(3, num_boxes)
    got = served.infer(NAME, {"image": pixels, "boxes": boxes})["embedding"]
    assert got.shape == (3, num_boxes, DIM)
    np.testing.assert_allclose(got, region_vectors(pixels, boxes), atol=1e-5)
    assert not got[np.isnan(boxes).any(axis=2)].any()


def test_files_and_boxes_give_the_same_through_the_ensemble(served: Served) -> None:
    """NAME_encoded passes the boxes by the decoder."""
    images = list(pictures().values())[:4]
    pixels = np.stack([load_pixels(image, SPEC) for image in images])
    boxes = drawn(len(images), 3)[1]
    got = served.infer(f"{NAME}_encoded", {"image": column(images), "boxes": boxes})["embedding"]
    np.testing.assert_allclose(got, region_vectors(pixels, boxes), atol=1e-5)


def test_requests_of_several_numbers_of_boxes_at_a_time_are_all_answered(served: Served) -> None:
    """Those of one number may run together, those of another never do, and everyone gets its own."""
    asked = [drawn(1 + number % 3, 1 + number % 4, seed=number) for number in range(48)]
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda each: served.infer(NAME, {"image": each[0], "boxes": each[1]}), asked))
    for (pixels, boxes), answer in zip(asked, answers, strict=True):
        np.testing.assert_allclose(answer["embedding"], region_vectors(pixels, boxes), atol=1e-5)


def test_boxes_that_are_none_of_these_are_refused_in_tritons_words(served: Served) -> None:
    """Missing boxes, five numbers a box, and boxes of another number of images."""
    pixels, boxes = drawn(2, 3)
    for tensors, text in (
        ({"image": pixels}, "expected 2 inputs but got 1"),
        ({"image": pixels, "boxes": np.zeros((2, 3, 5), np.float32)}, "unexpected shape for input 'boxes'"),
        ({"image": pixels, "boxes": boxes[:1]}, "batch size does not match other inputs"),
    ):
        status, told = served.refusal(lambda tensors=tensors: served.infer(NAME, tensors))
        assert status == "INVALID_ARGUMENT"
        assert text in told


def test_metadata_name_boxes_of_any_number(served: Served) -> None:
    """As a client finds them: the batch and R are open."""
    metadata = served.call("ModelMetadata", name=f"{NAME}_encoded")
    assert {each.name: list(each.shape) for each in metadata.inputs} == {"image": [-1, 1], "boxes": [-1, -1, 4]}
    assert {each.name: list(each.shape) for each in metadata.outputs} == {"embedding": [-1, -1, DIM]}


def test_more_boxes_than_there_is_memory_for_are_refused_in_one_line(repository: Path) -> None:
    """The embedded server has a bound that Triton has not, for files before they are decoded."""
    pixels, boxes = np.zeros((1, HEIGHT, WIDTH, 3), np.uint8), np.zeros((1, MAX_BOXES + 1, 4), np.float32)
    with Server(repository, grpc_port=0) as server, connected(f"127.0.0.1:{server.port}", repository) as found:
        for model, image in ((NAME, pixels), (f"{NAME}_encoded", column([b"not an image"]))):
            status, text = found.refusal(lambda m=model, i=image: found.infer(m, {"image": i, "boxes": boxes}))
            assert status == "INVALID_ARGUMENT"
            assert "at most 256 boxes an image" in text


def test_rest_takes_boxes_as_json(repository: Path) -> None:
    """NaN has no place in JSON: a padding row is written as one without an area."""
    pixels, boxes = drawn(1, 2)
    boxes[0, 1] = 0
    inputs = [
        {"name": "image", "datatype": "UINT8", "shape": list(pixels.shape), "data": pixels.ravel().tolist()},
        {"name": "boxes", "datatype": "FP32", "shape": list(boxes.shape), "data": boxes.ravel().tolist()},
    ]
    with Server(repository, grpc_port=0, http_port=0) as server:
        url = f"http://{server.http_url}/v2/models/{NAME}/infer"
        with urllib.request.urlopen(urllib.request.Request(url, json.dumps({"inputs": inputs}).encode())) as answer:
            output = json.load(answer)["outputs"][0]
    got = np.array(output["data"], np.float32).reshape(output["shape"])
    np.testing.assert_allclose(got, region_vectors(pixels, boxes), atol=1e-5)
    assert not got[0, 1].any()


def test_a_cache_keeps_no_vector_of_a_box(repository: Path) -> None:
    """The same picture with other boxes has other vectors, whatever the server keeps."""
    pixels, boxes = drawn(1, 2)
    with (
        Server(repository, grpc_port=0, cache_mb=16) as server,
        connected(f"127.0.0.1:{server.port}", repository) as found,
    ):
        for shift in (0.0, 0.1, 0.2):
            got = found.infer(NAME, {"image": pixels, "boxes": boxes * (1 - shift)})["embedding"]
            np.testing.assert_allclose(got, region_vectors(pixels, boxes * (1 - shift)), atol=1e-5)


def test_check_runs_golden_boxes(tmp_path: Path) -> None:
    """Golden pictures with boxes give their vectors, and one vector off does not pass."""
    path = tmp_path / "model.onnx"
    manifest = write_region_artifact(path)
    result = check_artifact(path)
    assert result.num_golden == 4
    assert result.golden_max_abs < 1e-5
    assert manifest.golden is not None
    golden = manifest.golden.model_copy(update={"boxes": None})
    lying = tmp_path / "lying.onnx"
    append_manifest(
        lying, region_model().SerializeToString(deterministic=True), manifest.model_copy(update={"golden": golden})
    )
    with pytest.raises(ArtifactError, match="golden examples cannot be read: got"):
        check_artifact(lying)


def test_describe_tells_boxes_and_vectors(tmp_path: Path) -> None:
    """Inputs and outputs with R as any number."""
    write_region_artifact(tmp_path / "model.onnx")
    described = describe(tmp_path / "model.onnx")
    assert [(each["name"], each["shape"], each["type"]) for each in described["inputs"]] == [
        ("image", f"[N, {HEIGHT}, {WIDTH}, 3]", "UINT8"),
        ("boxes", "[N, any, 4]", "FP32"),
    ]
    assert [(each["name"], each["shape"]) for each in described["outputs"]] == [("embedding", f"[N, any, {DIM}]")]


def test_diff_compares_region_artifacts_with_each_other_alone(tmp_path: Path) -> None:
    """The same artifact moves nothing; against a branch there is nothing to compare."""
    first, branch = tmp_path / "a.onnx", tmp_path / "b.onnx"
    write_region_artifact(first)
    same = compare_artifacts(first, first)
    assert same.movement is not None
    assert same.movement.num_images == 4
    assert same.movement.within_tolerance
    write_tiny_artifact(branch, dim=DIM)
    for pair in ((first, branch), (branch, first)):
        other = compare_artifacts(*pair)
        assert other.movement is None
        assert "do not take the same" in str(other.reason)


def test_goldens_of_other_modes_say_nothing_of_boxes(tmp_path: Path) -> None:
    """A field that is not used is absent, so that digests stay what they were."""
    write_tiny_artifact(tmp_path / "tiny.onnx")
    assert "boxes" not in read_manifest(tmp_path / "tiny.onnx").model_dump(mode="json")["golden"]
