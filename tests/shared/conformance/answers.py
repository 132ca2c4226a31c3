"""Right requests and their answers: pixels, encoded images, vectors, distances, and what a server tells of itself."""

from __future__ import annotations

from itertools import islice

import numpy as np
import tritonclient.grpc as triton
from tritonclient.grpc import service_pb2 as messages

from artifact.model.file import read_manifest
from artifact.model.manifest import manifest_from_fields
from artifact.repository.triton_config import manifests_in
from tests.shared.conformance.served import (
    BRANCH,
    FULL,
    MODELS,
    TIMEOUT_S,
    Served,
    column,
    eventually,
    read,
    request,
    require_close,
)
from tests.shared.pictures import pictures


def pixels_give_vectors(served: Served) -> None:
    """NAME of a branch: uint8 pixels to vectors, for one row, several, and as many as may be."""
    for num_rows in (1, 7, 64):
        pixels = noise((num_rows, 8, 8, 3), seed=num_rows)
        require_close(served.infer("pets", {"image": pixels}), BRANCH.outputs({"image": pixels}))


def pixels_give_vectors_and_distances(served: Served) -> None:
    """NAME of a full artifact: every stream's vector and the distances, whatever the order of the inputs."""
    for model in FULL:
        shape = (5, model.size, model.size, 3)
        pixels = {stream: noise(shape, seed=seed) for seed, stream in enumerate(model.streams)}
        turned = dict(reversed(pixels.items()))
        require_close(served.infer(model.name, turned), model.outputs(pixels))


def encoded_images_give_exactly_our_pixels(served: Served) -> None:
    """NAME_decode: the same bytes as `load_pixels` in this process, for every sort of picture and every fit."""
    images = list(pictures().values())
    for model in MODELS:
        answer = served.infer(f"{model.name}_decode", dict.fromkeys(model.streams, column(images)))
        assert sorted(answer) == sorted(f"{stream}_pixels" for stream in model.streams)
        for pixels in answer.values():
            for name, got, expected in zip(pictures(), pixels, model.pixels(images), strict=True):
                np.testing.assert_array_equal(got, expected, err_msg=f"{model.name}: {name}")


def encoded_images_give_vectors(served: Served) -> None:
    """NAME_encoded: encoded images to vectors and distances, each stream with other images."""
    images = list(pictures().values())
    for model in MODELS:
        rows = {stream: images[shift:] + images[:shift] for shift, stream in enumerate(model.streams)}
        answer = served.infer(f"{model.name}_encoded", {stream: column(those) for stream, those in rows.items()})
        require_close(answer, model.outputs({stream: model.pixels(those) for stream, those in rows.items()}))


def asked_outputs_only(served: Served) -> None:
    """A request that names outputs gets those and no others."""
    images = list(islice(pictures().values(), 2))
    tensors = {"left": column(images), "right": column(images[::-1])}
    expected = FULL[0].outputs({"left": FULL[0].pixels(images), "right": FULL[0].pixels(images[::-1])})
    for asked in (["distance_left_right"], ["embedding_right", "distance_left_right"]):
        answer = served.infer("pairs_encoded", tensors, outputs=asked)
        require_close(answer, {name: expected[name] for name in asked})


def answers_say_what_they_answer(served: Served) -> None:
    """The answer carries the request's id, the model's name and its version."""
    pixels = noise((1, 8, 8, 3), seed=0)
    for version in ("", "1"):
        answer = served.stub.ModelInfer(
            request("pets", {"image": pixels}, id="one", version=version), timeout=TIMEOUT_S
        )
        assert (answer.id, answer.model_name, answer.model_version) == ("one", "pets", "1")


def typed_contents_are_taken(served: Served) -> None:
    """Values in `contents` instead of raw bytes give the same vectors."""
    pixels = noise((2, 8, 8, 3), seed=0)
    message = request("pets", {"image": pixels})
    del message.raw_input_contents[:]
    message.inputs[0].contents.uint_contents.extend(pixels.ravel().tolist())
    answer = read(served.stub.ModelInfer(message, timeout=TIMEOUT_S))
    require_close(answer, BRANCH.outputs({"image": pixels}))


def typed_contents_hold_images(served: Served) -> None:
    """Elements of BYTES in `contents`, unframed."""
    images = list(islice(pictures().values(), 2))
    message = request("pets_encoded", {"image": column(images)})
    del message.raw_input_contents[:]
    message.inputs[0].contents.bytes_contents.extend(images)
    answer = read(served.stub.ModelInfer(message, timeout=TIMEOUT_S))
    require_close(answer, BRANCH.outputs({"image": BRANCH.pixels(images)}))


def messages_over_4_mib_are_taken(served: Served) -> None:
    """Neither side has grpcio's own limit of 4 MiB a message."""
    image = pictures()["bmp"].ljust(100_000, b"\0")  # what follows the pixels of a BMP file is ignored
    answer = served.infer("pets_encoded", {"image": column([image] * 64)})
    require_close(answer, BRANCH.outputs({"image": BRANCH.pixels([image] * 64)}))


def nvidias_client_is_answered(served: Served) -> None:
    """tritonclient, as NVIDIA wrote it: metadata, inference and unpacking."""
    images = column(list(islice(pictures().values(), 3)))
    with triton.InferenceServerClient(served.url) as client:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("pets_encoded")
        tensor = triton.InferInput("image", images.shape, "BYTES")
        tensor.set_data_from_numpy(images)
        answer = client.infer("pets_encoded", [tensor], client_timeout=TIMEOUT_S)
    require_close(
        {"embedding": answer.as_numpy("embedding")}, BRANCH.outputs({"image": BRANCH.pixels(list(images[:, 0]))})
    )


def streams_are_answered_in_order(served: Served) -> None:
    """ModelStreamInfer: every request its answer, a wrong one its error, and the stream goes on."""
    pixels = noise((2, 8, 8, 3), seed=0)
    requests = [
        request("pets", {"image": pixels}, id="a"),
        request("nope", {"image": pixels}, id="b"),
        request("pets_encoded", {"image": column([b"bad"])}, id="c"),
        request("pets", {"image": pixels[:1]}, id="d"),
    ]
    answers = list(served.stub.ModelStreamInfer(iter(requests), timeout=TIMEOUT_S))
    by_id = {answer.infer_response.id: answer for answer in answers}
    assert sorted(by_id) == ["a", "b", "c", "d"]
    require_close(read(by_id["a"].infer_response), BRANCH.outputs({"image": pixels}))
    require_close(read(by_id["d"].infer_response), BRANCH.outputs({"image": pixels[:1]}))
    assert by_id["a"].error_message == by_id["d"].error_message == ""
    assert by_id["a"].infer_response.parameters["triton_final_response"].bool_param
    assert by_id["b"].error_message == "Request for unknown model: 'nope' is not found"
    assert by_id["c"].error_message.startswith("in ensemble 'pets_encoded', cannot read 1 of 1 images: [row 0, image] ")


def many_at_once_are_answered_each(served: Served) -> None:
    """Requests that the server merges into one batch get their own rows back; and it does merge them."""
    pixels = [noise((1 + number % 3, 8, 8, 3), seed=number) for number in range(150)]
    for _ in range(20):
        waiting = [
            served.stub.ModelInfer.future(request("pets", {"image": rows}), timeout=TIMEOUT_S) for rows in pixels
        ]
        for rows, answer in zip(pixels, waiting, strict=True):
            require_close(read(answer.result()), BRANCH.outputs({"image": rows}))
        stats = served.call("ModelStatistics", name="pets").model_stats[0]
        if stats.execution_count < stats.inference_stats.success.count:
            return
    raise AssertionError(f"no two of {stats.inference_stats.success.count} requests were ever merged")


def server_and_models_are_ready(served: Served) -> None:
    """Live, ready, and each model by its name and version; what is not there is not ready, and no error."""
    assert served.call("ServerLive").live
    assert served.call("ServerReady").ready
    for model in MODELS:
        for suffix in ("", "_decode", "_encoded"):
            assert served.call("ModelReady", name=model.name + suffix).ready
            assert served.call("ModelReady", name=model.name + suffix, version="1").ready
    assert not served.call("ModelReady", name="nope").ready
    assert not served.call("ModelReady", name="pets", version="9").ready


def server_metadata_names_its_extensions(served: Served) -> None:
    """Clients ask for what is in this list only."""
    answer = served.call("ServerMetadata")
    assert answer.name
    assert answer.version
    wanted = {"binary_tensor_data", "model_configuration", "model_repository", "statistics"}
    assert wanted <= set(answer.extensions)


def model_metadata_is_the_signature(served: Served) -> None:
    """Names, types and shapes of the inputs and outputs, in order."""
    for model in MODELS:
        pixels, widths = (
            [-1, model.size, model.size, 3],
            {name: rows.shape[1] for name, rows in _outputs(model).items()},
        )
        vectors = [(name, "FP32", [-1, width]) for name, width in widths.items()]
        streams = model.streams
        _require_metadata(served, model.name, "onnxruntime_onnx", [(s, "UINT8", pixels) for s in streams], vectors)
        _require_metadata(
            served,
            f"{model.name}_decode",
            "python",
            [(s, "BYTES", [-1, 1]) for s in streams],
            [(f"{s}_pixels", "UINT8", pixels) for s in streams],
        )
        _require_metadata(
            served, f"{model.name}_encoded", "ensemble", [(s, "BYTES", [-1, 1]) for s in streams], vectors
        )


def model_config_carries_the_manifest(served: Served) -> None:
    """The digest and the manifest of the version, readable through the protocol alone, and true."""
    for model in MODELS:
        config = served.call("ModelConfig", name=model.name).config
        manifest = read_manifest(served.repository / model.name / "1" / "model.onnx")
        assert config.name == model.name
        assert config.max_batch_size == 64
        assert [(one.name, list(one.dims)) for one in config.input] == [
            (stream, [model.size, model.size, 3]) for stream in model.streams
        ]
        assert [one.name for one in config.output] == list(manifest.output_names)
        assert config.WhichOneof("scheduling_choice") == "dynamic_batching"
        assert config.parameters["lookalike.digest.1"].string_value == manifest.digest
        carried = manifests_in(config, where=served.url)[1]
        assert carried == manifest_from_fields(manifest.summary(), where="the file")
        steps = served.call("ModelConfig", name=f"{model.name}_encoded").config.ensemble_scheduling.step
        assert [step.model_name for step in steps] == [f"{model.name}_decode", model.name]


def index_lists_every_model(served: Served) -> None:
    """RepositoryIndex: NAME, NAME_decode and NAME_encoded of every model, and nothing that is no model."""
    index = {(model.name, model.version): model.state for model in served.call("RepositoryIndex").models}
    expected = {(model.name + suffix, "1") for model in MODELS for suffix in ("", "_decode", "_encoded")}
    assert expected <= set(index)
    assert {name for name, _ in index} == {name for name, _ in expected}
    assert all(index[one] == "READY" for one in expected)


def statistics_count_rows_and_requests(served: Served) -> None:
    """inference_count counts rows, success.count requests; an ensemble counts for its parts too; a refusal for none."""
    names = ("quartets", "quartets_decode", "quartets_encoded")
    before = {name: _counts(served, name) for name in names}
    model = FULL[2]
    images = column(list(islice(pictures().values(), 3)))
    served.infer("quartets_encoded", dict.fromkeys(model.streams, images))
    shape = (4, model.size, model.size, 3)
    served.infer("quartets", {stream: noise(shape, seed=0) for stream in model.streams})
    served.refusal(lambda: served.infer("quartets", {"anchor": images}))
    more = {"quartets": (7, 2), "quartets_decode": (3, 1), "quartets_encoded": (3, 1)}
    expected = {name: tuple(a + b for a, b in zip(before[name], more[name], strict=True)) for name in names}
    eventually(lambda: {name: _counts(served, name) for name in names} == expected, f"the counts {expected}")


def noise(shape: tuple[int, ...], *, seed: int) -> np.ndarray:
    """uint8 of any value, drawn from a seed."""
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def _outputs(model: object) -> dict[str, np.ndarray]:
    """The outputs of one black row: for their names and widths."""
    black = np.zeros((1, model.size, model.size, 3), np.uint8)  # type: ignore[attr-defined]
    return model.outputs(dict.fromkeys(model.streams, black))  # type: ignore[attr-defined]


def _require_metadata(
    served: Served,
    name: str,
    platform: str,
    inputs: list[tuple[str, str, list[int]]],
    outputs: list[tuple[str, str, list[int]]],
) -> None:
    tensor = messages.ModelMetadataResponse.TensorMetadata
    expected = messages.ModelMetadataResponse(
        name=name,
        versions=["1"],
        platform=platform,
        inputs=[tensor(name=one, datatype=datatype, shape=shape) for one, datatype, shape in inputs],
        outputs=[tensor(name=one, datatype=datatype, shape=shape) for one, datatype, shape in outputs],
    )
    assert served.call("ModelMetadata", name=name) == expected


def _counts(served: Served, name: str) -> tuple[int, int]:
    stats = served.call("ModelStatistics", name=name).model_stats[0]
    return stats.inference_count, stats.inference_stats.success.count


CHECKS = (
    pixels_give_vectors,
    pixels_give_vectors_and_distances,
    encoded_images_give_exactly_our_pixels,
    encoded_images_give_vectors,
    asked_outputs_only,
    answers_say_what_they_answer,
    typed_contents_are_taken,
    messages_over_4_mib_are_taken,
    many_at_once_are_answered_each,
    server_and_models_are_ready,
    server_metadata_names_its_extensions,
    model_metadata_is_the_signature,
    model_config_carries_the_manifest,
    index_lists_every_model,
    statistics_count_rows_and_requests,
)
GRPC_CHECKS = (typed_contents_hold_images, nvidias_client_is_answered, streams_are_answered_in_order)
"""What only gRPC can say, or is about its connections."""
