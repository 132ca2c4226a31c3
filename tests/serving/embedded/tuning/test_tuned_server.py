"""Tuned models in use: by the server, by a client, on a smaller machine; and the command that tunes them."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from artifact.errors import ModelNotFoundError, RepositoryError
from artifact.repository.tuning import INTRA_THREADS, settings_for
from lookalike.cli import main
from serving.client.connections.grpc_connection import GrpcConnection
from serving.client.options import ScorerOptions
from serving.embedded.models import instances
from serving.embedded.models.instances import instances_here
from serving.embedded.server import Server
from serving.embedded.tuning import tune as tuning
from serving.embedded.tuning.measuring import Measured
from serving.embedded.tuning.tune import tune
from tests.shared.held_server import Held
from tests.shared.pictures import noise
from tests.shared.tiny_artifact import linear_vectors
from tests.shared.triton_client import client_of, infer
from tests.shared.tuned_models import (
    KIND_CPU,
    TUNED,
    config_of,
    settings,
)
from tests.shared.waiting import eventually


def test_server_runs_what_was_tuned(root: Path, fast_measure: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two requests run at once, what waits is merged up to four rows, and every answer is right."""
    monkeypatch.setattr(instances, "available_cores", lambda: 8)
    tune(root, "tiny")
    with Server(root, grpc_port=0) as server, client_of(server) as client, ThreadPoolExecutor(8) as pool:
        held = Held(server)
        try:
            asked = [noise(1, seed=seed) for seed in range(8)]
            futures = [pool.submit(infer, client, "tiny", {"image": rows}) for rows in asked]
            eventually(lambda: held.num_rows == [1, 1] and held.batcher.num_waiting == 6, "two run and six wait")
        finally:
            held.release()
        for rows, future in zip(asked, futures, strict=True):
            got = future.result().as_numpy("embedding")
            np.testing.assert_allclose(got, linear_vectors(rows), rtol=0, atol=1e-5)
        assert sorted(held.num_rows[2:]) == [2, 4]
        config = client.get_model_config("tiny").config
        assert settings(config) == TUNED
        large = noise(64, seed=9)
        answer = infer(client, "tiny", {"image": large}).as_numpy("embedding")
        np.testing.assert_allclose(answer, linear_vectors(large), rtol=0, atol=1e-5)


def test_client_keeps_every_instance_busy(root: Path) -> None:
    """A request is never split, so a client has one more in flight than the server has instances, within bounds."""
    path = root / "tiny" / "config.pbtxt"
    with Server(root, grpc_port=0) as server, client_of(server) as client:
        for count, in_flight in ((1, 4), (7, 8), (500, 16)):
            config = config_of(root)
            config.instance_group[0].count = count
            path.write_text(str(config))
            client.load_model("tiny")
            with closing(GrpcConnection("tiny", ScorerOptions(url=server.url))) as connection:
                assert connection.in_flight == in_flight


def test_server_follows_a_tuning_when_it_loads_again(root: Path, fast_measure: None) -> None:
    """The same version with other settings is not the session that is already there."""
    with Server(root, grpc_port=0) as server, client_of(server) as client:
        before = server._store.find("tiny")
        client.load_model("tiny")
        assert server._store.find("tiny") is before, "nothing changed, nothing was loaded"
        tune(root, "tiny")
        client.load_model("tiny")
        assert server._store.find("tiny") is not before


def test_settings_fit_the_machine_that_serves(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A smaller machine starts fewer; --threads puts what was tuned aside; another device's settings do not count."""
    monkeypatch.setattr(instances, "available_cores", lambda: 4)
    config = config_of(root)

    def here(device: str = "cpu", threads: int | None = None) -> tuple[int, int, int]:
        got = instances_here(config, device, threads, where=root)
        return got.instances, got.threads, got.preferred_rows

    assert here() == (1, 4, 0)
    config.instance_group[0].count, config.instance_group[0].kind = 16, KIND_CPU
    config.parameters[INTRA_THREADS].string_value = "6"
    config.dynamic_batching.preferred_batch_size.extend([4, 8])
    assert here() == (4, 4, 8)
    assert here(threads=3) == (1, 3, 8)
    assert here(device="cuda") == (1, 4, 0)
    config.parameters[INTRA_THREADS].string_value = "many"
    with pytest.raises(RepositoryError, match="parameter 'intra_op_thread_count': expected a number, got 'many'"):
        settings_for(config, "cpu", where=root)


def test_command_says_that_the_machine_was_busy(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Settings are written all the same, with a line that says what they are worth."""
    monkeypatch.setattr(tuning, "measure", lambda *_, **__: [Measured(1, 2, 8, 100.0, 5, 0.7)])
    assert main(["tune", "tiny", "--repository", str(root)]) == 0
    assert "this machine did other work meanwhile" in capsys.readouterr().err
    assert list(config_of(root).dynamic_batching.preferred_batch_size) == [8]


def test_command_prints_and_writes(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`lookalike tune`: a table for people, one document for machines; a wrong name is one line."""
    assert main(["tune", "tiny", "--repository", str(root), "--seconds", "1"]) == 0
    printed = capsys.readouterr()
    assert "rows a second" in printed.out
    assert "written: batches of" in printed.out
    assert printed.err.startswith("measuring tiny on this machine for 1 s\n")
    assert main(["tune", "tiny", "--repository", str(root), "--seconds", "1", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["preferred_batch_size"] == config_of(root).dynamic_batching.preferred_batch_size[0]
    assert facts["name"] == "tiny"
    assert main(["tune", "nope", "--repository", str(root), "--seconds", "1"]) == 1
    assert capsys.readouterr().err == (
        f"measuring nope on this machine for 1 s\nlookalike: no model 'nope': expected one of tiny ({root})\n"
    )
    with pytest.raises(ModelNotFoundError):
        tune(root, "tiny", version=7)


def test_export_tunes_published_models_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--tune without a repository has nowhere to write."""
    assert main(["export", str(tmp_path), "--file", str(tmp_path / "x.onnx"), "--tune"]) == 2
    assert capsys.readouterr().err == (
        "lookalike: --tune needs --repository DIR: it writes into the config of a published model\n"
    )
