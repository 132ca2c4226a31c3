"""The decoder's bounds: by requests, by megapixels and by bytes, each named in its refusal; one alone always fits."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from artifact.errors import UnavailableError, UsageError
from artifact.images.image_batch import BadImagesError
from artifact.images.limits import DEFAULT_LIMITS, Limits
from artifact.images.preprocessing import Preprocessing
from serving.embedded.models.decoding import Decoder, num_pixels
from serving.embedded.options import ServerOptions
from serving.embedded.requests.caller import PATIENT, Caller, Presence
from serving.embedded.server import Server
from serving.protocol import QUEUE_FULL
from tests.shared.pictures import noise, pictures, png
from tests.shared.tiny_artifact import publish_tiny
from tests.shared.triton_client import client_of, infer, refusal
from tests.shared.waiting import WAIT_S, eventually

TO = Preprocessing(height=4, width=4, fit="stretch", mean=(0.5,) * 3, std=(0.5,) * 3)


def blank(side: int) -> bytes:
    """A PNG of so many rows and columns; large ones compress to next to nothing."""
    file = io.BytesIO()
    Image.new("RGB", (side, side)).save(file, "PNG")
    return file.getvalue()


@contextmanager
def busy(images: list[bytes], **options: Any) -> Iterator[Decoder]:
    """A decoder in whose only thread a request is held."""
    go, begun = threading.Event(), threading.Event()

    def held() -> bool:
        begun.set()
        return go.wait(WAIT_S)

    def decode_held() -> None:
        with decoder.decoded({"image": images}, TO, DEFAULT_LIMITS, caller=Caller(Presence(held))):
            pass

    decoder = Decoder(ServerOptions(**{"threads": 1} | options))
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(decode_held)
        try:
            assert begun.wait(WAIT_S)
            yield decoder
        finally:
            go.set()
            running.result(WAIT_S)
    eventually(lambda: decoder._requests._holders == 0, "those that waited are done")
    decoder.close()


def enter(decoder: Decoder, images: list[bytes], limits: Limits = DEFAULT_LIMITS) -> Any:
    return decoder.decoded({"image": images}, TO, limits, caller=PATIENT)


def decode(decoder: Decoder, images: list[bytes]) -> None:
    with enter(decoder, images):
        pass


def test_waiting_images_are_bounded_by_their_pixels() -> None:
    """Not by their number nor by their bytes; what fits waits, and a request alone may have more."""
    large, small = blank(1000), blank(100)
    assert len(large) < 10_000
    with busy([large] * 3, max_decode_megapixels=3.5) as decoder:
        with pytest.raises(UnavailableError) as refused, enter(decoder, [large]):
            pass
        assert str(refused.value) == (
            f"{QUEUE_FULL}: images that wait for decoding would have over 3.5 megapixels (max_decode_megapixels)"
        )
        waiting = threading.Thread(target=decode, args=(decoder, [small] * 50))
        waiting.start()
        eventually(lambda: decoder._pixels._holders == 2, "half a megapixel waits")
        with pytest.raises(UnavailableError), enter(decoder, [small]):
            pass
    waiting.join(WAIT_S)
    assert decoder._pixels._holders == 0
    with busy([small], max_decode_megapixels=0.001):
        pass


def test_waiting_requests_are_bounded_by_their_number() -> None:
    """As before, whatever their pixels."""
    with busy([blank(2)], max_queue=1) as decoder, pytest.raises(UnavailableError) as refused, enter(decoder, [b"x"]):
        pass
    assert str(refused.value) == f"{QUEUE_FULL}: 1 requests wait for decoding (max_queue)"


def test_decoded_images_count_until_they_are_answered() -> None:
    """Bytes of all models' rows together; they are refused before anything is decoded."""
    decoder = Decoder(ServerOptions(threads=1, max_running_bytes=100))
    with ExitStack() as held:
        held.enter_context(enter(decoder, [blank(2)] * 3))
        with pytest.raises(UnavailableError) as refused, enter(decoder, [b"no image"]):
            pass
        assert str(refused.value) == f"{QUEUE_FULL}: decoded images would take over 100 bytes (max_running_bytes)"
    with enter(decoder, [blank(2)] * 2) as pixels:
        assert pixels["image"].shape == (2, 4, 4, 3)
    decoder.close()


def test_room_is_free_after_images_that_cannot_be_read() -> None:
    """However a request ends."""
    decoder = Decoder(ServerOptions(threads=1, max_running_bytes=50, max_decode_megapixels=0.001, max_queue=1))
    for _ in range(3):
        with pytest.raises(BadImagesError), enter(decoder, [b"no image"]):
            pass
        with enter(decoder, [blank(8)]):
            pass
    decoder.close()


def test_pixels_are_known_from_headers() -> None:
    """For every sort of picture what decoding it costs; nothing for what is refused before."""
    for name, image in pictures().items():
        with Image.open(io.BytesIO(image)) as opened:
            assert num_pixels(image, DEFAULT_LIMITS) == opened.width * opened.height, name
    for image in (b"", b"no image", blank(8)[:20], b"\x89PNG\r\n\x1a\n"):
        assert num_pixels(image, DEFAULT_LIMITS) == 0
    assert num_pixels(blank(8), Limits(max_pixels=63)) == 0
    assert num_pixels(blank(8), Limits(max_bytes=10)) == 0


def test_server_refuses_pixels_over_its_bound(tmp_path: Path) -> None:
    """Over gRPC, in the words that clients know a busy server by; pixels that are sent as such need no decoding."""
    publish_tiny(tmp_path / "repository")
    pixels = noise(2)
    with (
        Server(tmp_path / "repository", grpc_port=0, max_decode_megapixels=1e-4) as server,
        client_of(server) as client,
    ):
        with server._store._decoder._pixels.hold(80):
            status, text = refusal(lambda: infer(client, "tiny_encoded", {"image": [png(row) for row in pixels]}))
            assert (status, text.partition(":")[0]) == ("UNAVAILABLE", QUEUE_FULL)
            assert infer(client, "tiny", {"image": pixels}).as_numpy("embedding").shape == (2, 4)
        answer = infer(client, "tiny_encoded", {"image": [png(row) for row in pixels]}).as_numpy("embedding")
        np.testing.assert_allclose(answer, infer(client, "tiny", {"image": pixels}).as_numpy("embedding"), atol=1e-5)
    with pytest.raises(UsageError, match="max_decode_megapixels: expected more than 0, got 0"):
        ServerOptions(max_decode_megapixels=0)
