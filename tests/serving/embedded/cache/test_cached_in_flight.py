"""Requests in flight at a server with a cache: one network run for all, whoever is cancelled, and an end for all."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc as triton

from serving.embedded.server import Server
from tests.shared.held_server import Held
from tests.shared.pictures import noise, png
from tests.shared.tiny_artifact import linear_vectors, publish_tiny
from tests.shared.triton_client import client_of, infer, refusal
from tests.shared.waiting import WAIT_S, eventually

PIXELS = noise(3)
FILES = [png(row) for row in PIXELS]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    publish_tiny(tmp_path / "repository")
    with Server(tmp_path / "repository", grpc_port=0, cache_mb=1) as server:
        yield server


def num_following(server: Server) -> int:
    """Rows that requests wait for while others compute them."""
    assert server._store.cache is not None
    return sum(len(flight._waiting) for flight in list(server._store.cache._flights.values()))


@pytest.mark.parametrize(("name", "image"), [("tiny", PIXELS[:1]), ("tiny_encoded", FILES[:1])])
def test_identical_images_in_flight_run_once(server: Server, name: str, image: object) -> None:
    """Eight clients send one image while the network is held: one run of one row answers all, decoded once."""
    held = Held(server)
    with client_of(server) as client, ThreadPoolExecutor(8) as pool:
        try:
            calls = [pool.submit(infer, client, name, {"image": image}) for _ in range(8)]
            eventually(lambda: (held.num_rows, num_following(server)) == ([1], 7), "one run, seven who wait")
        finally:
            held.release()
        for call in calls:
            got = call.result(WAIT_S).as_numpy("embedding")
            np.testing.assert_allclose(got, linear_vectors(PIXELS[:1]), atol=1e-5)
        counts = client.get_inference_statistics(name).model_stats[0]
        decodes = client.get_inference_statistics("tiny_decode").model_stats[0].execution_count
    assert held.num_rows == [1]
    assert decodes == (name == "tiny_encoded")
    numbers = counts.inference_stats
    assert (numbers.success.count, numbers.cache_hit.count, numbers.cache_miss.count) == (8, 7, 1)
    assert (counts.inference_count, counts.execution_count) == (1, 1)


def test_cancelled_request_hands_its_image_over(server: Server) -> None:
    """A client that gives up while its image waits in the queue takes nothing from another that sent the same."""
    held = Held(server)
    with client_of(server) as client, ThreadPoolExecutor(3) as pool:
        try:
            busy = pool.submit(infer, client, "tiny", {"image": PIXELS[2:]})
            eventually(lambda: held.num_rows == [1], "the first run")
            tensor = triton.InferInput("image", (2, 8, 8, 3), "UINT8").set_data_from_numpy(PIXELS[:2])
            gone = client.async_infer("tiny", [tensor], lambda result, error: None)
            eventually(lambda: held.batcher.num_waiting == 1, "the leader")
            other = pool.submit(infer, client, "tiny", {"image": PIXELS[1:2]})
            eventually(lambda: num_following(server) == 1, "the one who waits")
            gone.cancel()
            eventually(lambda: (held.batcher.num_waiting, num_following(server)) == (1, 0), "another leader")
        finally:
            held.release()
        np.testing.assert_allclose(other.result(WAIT_S).as_numpy("embedding"), linear_vectors(PIXELS[1:2]), atol=1e-5)
        busy.result(WAIT_S)
    assert held.num_rows == [1, 1]


def test_stop_ends_those_who_wait_for_a_row(tmp_path: Path, server: Server) -> None:
    """A server that stops without grace refuses a row's leader and all who wait for it; nobody hangs."""
    held, cache = Held(server), server._store.cache
    assert cache is not None
    with client_of(server) as client, ThreadPoolExecutor(6) as pool:
        try:
            busy = pool.submit(infer, client, "tiny", {"image": PIXELS[2:]})
            eventually(lambda: held.num_rows == [1], "the first run")
            calls = [pool.submit(infer, client, "tiny", {"image": PIXELS[:1]}) for _ in range(4)]
            eventually(lambda: num_following(server) == 3, "three who wait")
            stopping = pool.submit(server.stop, 0.05)
            codes = {refusal(lambda each=each: each.result(WAIT_S))[0] for each in calls}  # type: ignore[misc]
        finally:
            held.release()
        stopping.result(WAIT_S)
        refusal(lambda: busy.result(WAIT_S))
    assert codes <= {"UNAVAILABLE", "CANCELLED"}
    assert not cache._flights
