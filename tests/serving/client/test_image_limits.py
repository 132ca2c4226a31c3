"""The limits of images from the options to the refusal: in this process, at a server, and in what is sent to one."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from artifact.errors import InvalidRequestError, UsageError
from artifact.images.limits import MB
from artifact.repository.publishing import publish
from serving.client.scorer import Scorer
from serving.embedded.options import ServerOptions
from serving.embedded.server import Server
from tests.shared.pictures import encode, noise
from tests.shared.tiny_artifact import linear_vectors, write_tiny_artifact

SIDE = 100
"""Of the large picture: 0.01 megapixels, and some 30 kB that nothing compresses."""
PIXELS = f"{SIDE}x{SIDE} pixels (0.1 megapixels), over the "
NARROW: dict[str, Any] = {"max_megapixels": 0.005}
WHERE = "where the model is published or served"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("limits")
    for name, kind, mode in (("tiny", "triplet", "branch"), ("quartet", "quartet", "full")):
        write_tiny_artifact(folder / f"{name}.onnx", kind=kind, mode=mode)
        publish(folder / f"{name}.onnx", folder / "repository", name=name)
    return folder / "repository"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Five pictures of the artifact's size, and in their midst one of 100 x 100 pixels."""
    folder = tmp_path_factory.mktemp("files")
    pixels: list[Any] = list(noise(5))
    pixels.insert(2, np.random.default_rng(1).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8))
    for number, each in enumerate(pixels):
        Image.fromarray(each).save(folder / f"{number}.png")
    return sorted(folder.iterdir())


def reasons(scorer: Scorer, files: list[Path], stream: str = "image") -> dict[int, str]:
    """{row: reason} of the bad ones; the vectors of the others are right."""
    (scored,) = scorer.stream([{stream: files}])
    expected = linear_vectors(noise(5))
    kept = [row for row in scored.rows.tolist() if row != 2]
    np.testing.assert_allclose(
        scored.columns["embedding"][[scored.rows.tolist().index(row) for row in kept]],
        expected[[row - (row > 2) for row in kept]],
        atol=1e-5,
    )
    return {row: reason for row, _, reason in scored.bad}


@pytest.mark.parametrize("send", ["pixels", "encoded"])
def test_limits_of_a_scorer_are_the_same_however_images_travel(repository: Path, files: list[Path], send: str) -> None:
    """In this process and to a server, as pixels and as files: one bad row, which names the option."""
    expected = {2: PIXELS + "limit of 0.005 megapixels; raise it with --max-megapixels"}
    size = files[2].stat().st_size
    with Server(repository, grpc_port=0) as server:
        for place in ({"repository": repository}, {"url": server.url}):
            with Scorer("tiny", **place, send=send, **NARROW) as scorer:
                assert reasons(scorer, files) == expected
            with Scorer("tiny", **place, send=send, max_image_mb=20_000 / MB) as scorer:
                text = f"{size} bytes, over the limit of 20000 bytes; raise it with --max-image-mb: {files[2]}"
                assert reasons(scorer, files) == {2: text}
                by_content: list[Any] = [path.read_bytes() for path in files]
                assert reasons(scorer, by_content) == {2: text.removesuffix(f": {files[2]}")}
            with Scorer("tiny", **place, send=send) as scorer:
                assert reasons(scorer, files) == {}


@pytest.mark.parametrize("how", ["opened", "loaded", "made", "draft"])
@pytest.mark.parametrize("use", ["embed", "stream", "score"])
def test_limits_of_a_scorer_hold_for_pil_images(repository: Path, how: str, use: str) -> None:
    """Opened or loaded already: under a small limit refused by its option, whatever the default; else embedded."""
    file = encode(Image.fromarray(np.random.default_rng(1).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)), "JPEG")

    def image() -> Image.Image:
        if how == "made":
            return Image.new("RGB", (SIDE, SIDE), "red")
        found = Image.open(io.BytesIO(file))
        if how == "loaded":
            found.load()
        if how == "draft":
            found.draft("L", (SIDE, SIDE))
        return found

    def reason(scorer: Scorer) -> str | None:
        try:
            if use == "embed":
                scorer.embed([image()])
            elif use == "stream":
                (scored,) = scorer.stream([{"image": [image()]}])
                return scored.bad[0][2] if scored.bad else None
            else:
                scorer.score({name: [image()] for name in scorer.manifest.streams})
        except InvalidRequestError as error:
            return str(error)
        return None

    with Scorer("tiny", repository=repository, **NARROW) as scorer:
        assert (PIXELS + "limit of 0.005 megapixels; raise it with --max-megapixels") in str(reason(scorer))
    with Scorer("tiny", repository=repository) as scorer:
        assert reason(scorer) is None


def test_a_pil_image_is_as_large_as_the_scorers_limit_allows(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over the default of 128 megapixels where the Scorer's is higher, and refused by its header where it is not."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)  # of those who open such pictures
    data = encode(Image.new("1", (12_000, 11_000)), "PNG")
    with Scorer("tiny", repository=repository) as scorer:
        (scored,) = scorer.stream([{"image": [Image.open(io.BytesIO(data))]}])
    assert [reason for _, _, reason in scored.bad] == [
        "12000x11000 pixels (132 megapixels), over the limit of 128 megapixels; raise it with --max-megapixels"
    ]
    with Scorer("tiny", repository=repository, max_megapixels=132) as scorer:
        (scored,) = scorer.stream([{"image": [Image.open(io.BytesIO(data[: len(data) // 2]))]}])
    [(_, _, reason)] = scored.bad
    assert "truncated" in reason, "read up to where it was cut, so that no such picture has to be decoded here"


def test_limits_of_a_server_are_its_own(repository: Path, files: list[Path]) -> None:
    """Its refusal says whose they are; pixels that are decoded here do not meet them."""
    with Server(repository, grpc_port=0, **NARROW) as server:
        with Scorer("tiny", url=server.url, send="encoded") as scorer:
            expected = f"server's limit of 0.005 megapixels; raise it with --max-megapixels {WHERE}"
            assert reasons(scorer, files) == {2: PIXELS + expected}
        with Scorer("tiny", url=server.url, send="pixels") as scorer:
            assert reasons(scorer, files) == {}
    size = files[2].stat().st_size
    with (
        Server(repository, grpc_port=0, max_image_mb=20_000 / MB) as server,
        Scorer("tiny", url=server.url, send="encoded") as scorer,
    ):
        expected = f"server's limit of 20000 bytes; raise it with --max-image-mb {WHERE}"
        assert reasons(scorer, files) == {2: f"{size} bytes, over the {expected}"}


def test_a_server_takes_what_a_model_was_published_with_unless_it_is_told(tmp_path: Path, files: list[Path]) -> None:
    """The spec of NAME_decode holds for every server of the repository; its own option comes before."""
    root = tmp_path / "repository"
    write_tiny_artifact(tmp_path / "tiny.onnx")
    publish(tmp_path / "tiny.onnx", root, **NARROW)
    with Server(root, grpc_port=0) as server, Scorer("tiny", url=server.url, send="encoded") as scorer:
        assert list(reasons(scorer, files)) == [2]
    with (
        Server(root, grpc_port=0, max_megapixels=1) as server,
        Scorer("tiny", url=server.url, send="encoded") as scorer,
    ):
        assert reasons(scorer, files) == {}


@pytest.mark.parametrize("batch_size", [None, 4])
def test_an_image_larger_than_a_servers_messages_is_a_bad_row(
    repository: Path, files: list[Path], batch_size: int | None
) -> None:
    """Asked for as files it says so, and the rest of its batch is right; else pixels are sent."""
    with Server(repository, grpc_port=0, max_message_bytes=20_000) as server:
        with Scorer("tiny", url=server.url, send="encoded", batch_size=batch_size) as scorer:
            assert reasons(scorer, files) == {
                2: f"{files[2].stat().st_size} bytes in one request, more than the server takes ({server.url}); send "
                "pixels with --send pixels, or raise the server's --max-message-mb"
            }
        with Scorer("tiny", url=server.url, batch_size=batch_size) as scorer:
            scorer.core.sending.choice = "encoded"  # as measured
            assert reasons(scorer, files) == {}
            assert scorer.sending == "pixels"


def test_a_row_of_the_largest_images_fits_a_servers_messages(
    repository: Path, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A quartet of one large image sends it four times: what the one limit takes the other must not refuse."""
    monkeypatch.setattr("serving.embedded.options._MESSAGE_BYTES", 1000)
    monkeypatch.setattr("serving.embedded.options.MB", 20_000)  # what is left for the rest of the message
    size = files[2].stat().st_size
    with (
        Server(repository, grpc_port=0, max_image_mb=size / MB) as server,
        Scorer("quartet", url=server.url, send="encoded", max_image_mb=size / MB) as scorer,
    ):
        (scored,) = scorer.stream([{"image": [files[2]]}])
        assert scored.bad == []
    assert ServerOptions().message_bytes(2**31) == 2**31 - 1, "gRPC's own limit"
    assert ServerOptions(max_message_bytes=7).message_bytes(2**31) == 7


@pytest.mark.parametrize("name", ["max_megapixels", "max_image_mb"])
def test_a_limit_that_is_none_is_refused_by_everybody(repository: Path, name: str) -> None:
    """The Scorer, the server and publishing, in one line."""
    for make in (
        lambda **limits: Scorer("tiny", repository=repository, **limits),
        lambda **limits: Server(repository, **limits),
        lambda **limits: publish(repository / "tiny" / "1" / "model.onnx", repository, name="tiny", **limits),
    ):
        with pytest.raises(UsageError, match=rf"^{name}: expected more than 0, at most 1,000,000, got -1$"):
            make(**{name: -1})
