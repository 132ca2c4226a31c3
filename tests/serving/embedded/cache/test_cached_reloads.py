"""A server with a small cache under load, while its model is another one every few moments."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from artifact.repository.publishing import publish
from serving.embedded.cache.kept_rows import entry_bytes
from serving.embedded.server import Server
from serving.protocol import DIGEST_IN_ANSWER
from tests.shared.pictures import noise, png
from tests.shared.tiny_artifact import linear_vectors, write_tiny_artifact
from tests.shared.triton_client import client_of, infer
from tests.shared.waiting import WAIT_S

NUM_RELOADS, NUM_THREADS = 5, 8


def test_answers_are_of_the_digest_that_they_name(tmp_path: Path) -> None:
    """Two artifacts take turns under one name; each vector is that of its answer's digest, kept, shared or computed."""
    root, pixels = tmp_path / "repository", noise(12)
    files, ended = [png(row) for row in pixels], threading.Event()
    artifacts = [tmp_path / f"{seed}.onnx" for seed in (0, 1)]
    seeds = {write_tiny_artifact(file, seed=seed).digest: seed for seed, file in enumerate(artifacts)}
    publish(artifacts[0], root)

    def ask(seed: int) -> set[str]:
        drawn, seen = random.Random(seed), set[str]()
        while not ended.is_set():
            rows = [drawn.randrange(12) for _ in range(drawn.randint(1, 5))]
            by_files = drawn.random() < 0.5
            name, images = ("tiny_encoded", [files[row] for row in rows]) if by_files else ("tiny", pixels[rows])
            answer = infer(client, name, {"image": images})
            digest = answer.get_response().parameters[DIGEST_IN_ANSWER].string_param
            expected = linear_vectors(pixels[rows], seed=seeds[digest])
            np.testing.assert_allclose(answer.as_numpy("embedding"), expected, atol=1e-5)
            seen.add(digest)
        return seen

    room = 20 * entry_bytes(bytes(16))
    with (
        Server(root, grpc_port=0, cache_mb=room / 2**20) as server,
        client_of(server) as client,
        ThreadPoolExecutor(NUM_THREADS) as pool,
    ):
        asking = [pool.submit(ask, seed) for seed in range(NUM_THREADS)]
        try:
            for turn in range(NUM_RELOADS):
                publish(artifacts[(turn + 1) % 2], root)
                client.load_model("tiny")
        finally:
            ended.set()
        seen = set.union(*(each.result(WAIT_S) for each in asking))
        assert server._store.cache is not None
        assert server._store.cache.state.num_bytes <= room
        assert not server._store.cache._flights
    assert seen == set(seeds)
