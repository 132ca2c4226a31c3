"""Wrong requests: each is refused with the status and the very text that tritonserver 2.51 gives, and harms no other.

The table of single requests lies in conformance/cases.py, a test a row.
"""

from __future__ import annotations

import contextlib

import grpc
import numpy as np
from tritonclient.grpc import service_pb2_grpc as services

from artifact.images.image_batch import BadImagesError, load_batch, parse_bad_images
from artifact.images.limits import SERVER_LIMITS
from tests.shared.conformance.cases import some_pixels
from tests.shared.conformance.served import (
    BRANCH,
    FULL,
    TIMEOUT_S,
    Served,
    Untold,
    column,
    connected,
    read,
    request,
    require_close,
)
from tests.shared.pictures import pictures

NOT_AN_IMAGE = "not an image in any of JPEG, PNG, WEBP, GIF, BMP, TIFF, PPM (starts with b'not an i')"


def absurd_sizes_are_refused(served: Served) -> None:
    """Shapes whose byte size is negative or overflows are refused, whatever the words, and the server lives."""
    pixels = some_pixels(1)
    for rows in (-1, -(2**62), 2**62, 2**63 - 1):
        message = request("pets", {"image": pixels})
        message.inputs[0].shape[0] = rows
        with contextlib.suppress(Untold):
            status, _ = served.refusal(lambda message=message: served.stub.ModelInfer(message, timeout=TIMEOUT_S))
            assert status in ("INVALID_ARGUMENT", "INTERNAL"), rows
    _require_alive(served)


def unknown_models_are_refused_by_every_method(served: Served) -> None:
    """Metadata and config say not found; statistics, loading and unloading have words of their own."""
    unknown = ("NOT_FOUND", "Request for unknown model: 'nope' is not found")
    unknown_version = ("NOT_FOUND", "Request for unknown model: 'pets' version 9 is not found")
    for method in ("ModelMetadata", "ModelConfig"):
        assert served.refusal(lambda method=method: served.call(method, name="nope")) == unknown
        assert served.refusal(lambda method=method: served.call(method, name="pets", version="9")) == unknown_version
    assert served.refusal(lambda: served.call("ModelStatistics", name="nope")) == (
        "INVALID_ARGUMENT",
        "requested model 'nope' is not available",
    )
    assert served.refusal(lambda: served.call("ModelStatistics", name="pets", version="9")) == (
        "INVALID_ARGUMENT",
        "requested model version is not available for model 'pets'",
    )
    for name in ("nope", "", "../repository/pets") if served.is_grpc else ("nope",):
        assert served.refusal(lambda name=name: served.call("RepositoryModelLoad", model_name=name)) == (
            "INTERNAL",
            f"failed to load '{name}', failed to poll from model repository",
        )
    served.call("RepositoryModelUnload", model_name="nope")  # no error: it is not loaded, as was asked


def versions_that_are_no_numbers_are_refused(served: Served) -> None:
    """The same words from every method that takes a version."""
    text = (
        "failed to get model version from specified version string 'abc' (details: stol), version should be an "
        "integral value > 0"
    )
    for method in ("ModelMetadata", "ModelConfig", "ModelStatistics", "ModelReady"):
        assert served.refusal(lambda method=method: served.call(method, name="pets", version="abc")) == (
            "INVALID_ARGUMENT",
            text,
        )


def bad_images_are_named_by_row_and_stream(served: Served) -> None:
    """One INVALID_ARGUMENT that names every bad row, stream and reason, through NAME_decode and NAME_encoded alike."""
    good = pictures()["png"]
    left, right = [good, b"not an image", good], [b"", b"not an image", good]
    text = (
        f"cannot read 3 of 6 images: [row 0, right] empty (0 bytes); [row 1, left] {NOT_AN_IMAGE}; "
        f"[row 1, right] {NOT_AN_IMAGE}"
    )
    tensors = {"left": column(left), "right": column(right)}
    assert served.refusal(lambda: served.infer("pairs_decode", tensors)) == ("INVALID_ARGUMENT", text)
    assert served.refusal(lambda: served.infer("pairs_encoded", tensors, id="a7")) == (
        "INVALID_ARGUMENT",
        f"in ensemble 'pairs_encoded', {text}",
    )


def every_reason_is_the_same_on_both_sides(served: Served) -> None:
    """Cut off, over a limit, of another format, garbage behind a right start: the reason that this process gives."""
    images = pictures()
    bad = [data[: len(data) * 2 // 3] for data in images.values()] + [data[:12] for data in images.values()]
    bad += [b"", b"\0" * 100, b"GIF89a" + b"\xff" * 50, b"P5 1 1 255 a", b"P5 99999 99999 255 a", b"\x89PNG\r\n\x1a\n"]
    rows = [*bad, images["png"]]
    expected = _local_refusal({"image": rows})
    assert len(parse_bad_images(expected)) >= len(bad) - 10  # a cut picture may still be one (BMP, progressive JPEG)
    got = served.refusal(lambda: served.infer("pets_encoded", {"image": column(rows)}))
    assert got == ("INVALID_ARGUMENT", f"in ensemble 'pets_encoded', {expected}")


def a_full_batch_of_bad_images_is_refused(served: Served) -> None:
    """64 rows of four bad images: the refusal names all 256 and still fits the 8 KiB that gRPC grants a status."""
    strict = [("grpc.max_metadata_size", 8192), ("grpc.absolute_max_metadata_size", 8192)]  # no lucky 9 KiB
    with grpc.insecure_channel(served.url, options=strict) as channel:
        stub = services.GRPCInferenceServiceStub(channel)
        for image in (b"", b"not an image", pictures()["png"][:60]):
            message = request("quartets_encoded", dict.fromkeys(FULL[2].streams, column([image] * 64)))
            status, text = served.refusal(lambda message=message: stub.ModelInfer(message, timeout=TIMEOUT_S))
            assert status == "INVALID_ARGUMENT", text
            named = {(row, stream) for row, stream, _ in parse_bad_images(text)}
            assert named == {(row, stream) for row in range(64) for stream in FULL[2].streams}


def a_bad_image_leaves_its_neighbours_alone(served: Served) -> None:
    """Of many requests at once, those with a bad image are refused and all others answered, each with its own rows."""
    images = list(pictures().values())
    rows = [[images[number % len(images)], images[(number * 7 + 3) % len(images)]] for number in range(60)]
    for number in range(0, 60, 4):
        rows[number][1] = b"not an image"
    waiting = [
        served.stub.ModelInfer.future(request("pets_encoded", {"image": column(those)}), timeout=TIMEOUT_S)
        for those in rows
    ]
    for number, (those, answer) in enumerate(zip(rows, waiting, strict=True)):
        if number % 4 == 0:
            assert served.refusal(answer.result) == (
                "INVALID_ARGUMENT",
                f"in ensemble 'pets_encoded', cannot read 1 of 2 images: [row 1, image] {NOT_AN_IMAGE}",
            )
        else:
            require_close(read(answer.result()), BRANCH.outputs({"image": BRANCH.pixels(those)}))


def wrong_requests_leave_their_neighbours_alone(served: Served) -> None:
    """Requests that do not fit the model go between those that do, on one connection, and spoil none."""
    pixels = [np.full((1, 8, 8, 3), number, np.uint8) for number in range(40)]
    messages = [request("pets", {"image": rows if number % 2 else rows[:, :7]}) for number, rows in enumerate(pixels)]
    with connected(served.url, served.repository) as same:
        waiting = [same.stub.ModelInfer.future(message, timeout=TIMEOUT_S) for message in messages]
        for number, (rows, answer) in enumerate(zip(pixels, waiting, strict=True)):
            if number % 2:
                require_close(read(answer.result()), BRANCH.outputs({"image": rows}))
            else:
                assert served.refusal(answer.result)[0] == "INVALID_ARGUMENT"


def _require_alive(served: Served) -> None:
    require_close(served.infer("pets", {"image": some_pixels(2)}), BRANCH.outputs({"image": some_pixels(2)}))


def _local_refusal(streams: dict[str, list[bytes]]) -> str:
    try:
        load_batch(streams, BRANCH.preprocessing, SERVER_LIMITS)
    except BadImagesError as error:
        return str(error)
    raise AssertionError("none of the images is bad")


CHECKS = (
    absurd_sizes_are_refused,
    unknown_models_are_refused_by_every_method,
    bad_images_are_named_by_row_and_stream,
    every_reason_is_the_same_on_both_sides,
    a_bad_image_leaves_its_neighbours_alone,
)
GRPC_CHECKS = (
    versions_that_are_no_numbers_are_refused,
    a_full_batch_of_bad_images_is_refused,
    wrong_requests_leave_their_neighbours_alone,
)
"""What only gRPC can say, or is about its connections."""
