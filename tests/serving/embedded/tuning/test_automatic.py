"""Automatic tuning of a server: measured while idle, kept, and in force without a request that fails."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from artifact.locks import FileLock
from artifact.repository.tuning import Tuning
from serving.embedded.models import instances, records
from serving.embedded.models.records import TUNED_PARAMETER
from serving.embedded.models.servables import Network
from serving.embedded.server import Server
from serving.embedded.tuning import automatic, idle_slices, running
from serving.embedded.tuning.measuring import Layout, Measured
from tests.shared.pictures import noise
from tests.shared.tiny_artifact import linear_vectors, publish_tiny
from tests.shared.triton_client import client_of, infer
from tests.shared.tuned_models import TUNED, cells, config_of, settings
from tests.shared.waiting import WAIT_S, eventually

RATES = {(1, 4): 100.0, (2, 1): 150.0, (2, 4): 200.0, (2, 8): 190.0}


@pytest.fixture(autouse=True)
def two_cores(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of two cores with an empty cache folder, whose servers are idle a tenth of a second after a request."""
    for module in (records, instances):
        monkeypatch.setattr(module, "available_cores", lambda: 2)
    monkeypatch.setattr(idle_slices, "QUIET_S", 0.1)


class Measuring:
    """A stand-in for `measure` of known outcome: it runs slices while it is held, then gives its cells."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.outcomes: list[list[Measured]] = []
        self.calls = 0
        self.slices = 0
        self.go = threading.Event()
        self.go.set()
        monkeypatch.setattr(automatic, "measure", self)

    def __call__(self, layouts: Sequence[Layout], run_slice: Callable[..., object], **_: object) -> list[Measured]:
        self.calls += 1
        while True:
            run_slice(layouts[0], 1, 0.0)
            self.slices += 1
            if self.go.is_set():
                return self.outcomes.pop(0) if self.outcomes else cells(RATES)


@pytest.fixture
def measuring(monkeypatch: pytest.MonkeyPatch) -> Measuring:
    return Measuring(monkeypatch)


def network_of(server: Server) -> Network:
    network = server._store.find("tiny")
    assert isinstance(network, Network)
    return network


def tuned(server: Server) -> Tuning:
    """What a server came to run as."""
    eventually(lambda: network_of(server).tuned is not None, "the tuning")
    found = network_of(server).tuned
    assert found is not None
    return found


def serve(root: Path, lines: list[str] | None = None, **options: Any) -> Server:
    report = (lines if lines is not None else []).append
    return Server(root, **{"grpc_port": 0, "auto_tune": True, "log_level": "warning", "report": report} | options)


def require_answers(server: Server) -> None:
    with client_of(server) as client:
        pixels = noise(3)
        got = infer(client, "tiny", {"image": pixels}).as_numpy("embedding")
        np.testing.assert_allclose(got, linear_vectors(pixels), rtol=0, atol=1e-5)


def test_server_measures_once_and_keeps_it(root: Path, cache: Path, measuring: Measuring) -> None:
    """The first server measures, says so and runs so; the next finds the record and does from the start."""
    lines: list[str] = []
    with serve(root, lines) as server:
        first = tuned(server)
        eventually(lambda: len(lines) == 1, "the report")
        require_answers(server)
    assert (first.instances, first.threads, first.preferred_rows) == (2, 1, 4)
    (file,) = cache.rglob("*.json")
    how = "2 instances of 1 thread, batches of 4"
    assert lines == [f"model 'tiny' version 1 was measured: it runs as {how} from now on ({file})"]
    assert settings(config_of(root)) == ([(1, 0)], [], {}), "the repository is as it was"
    lines.clear()
    with serve(root, lines) as server:
        assert network_of(server).tuned == first
        require_answers(server)
    assert lines == [f"model 'tiny' version 1 runs as measured here: {how}"]
    assert measuring.calls == 1


def test_config_that_is_answered_says_how_a_model_runs(root: Path, measuring: Measuring) -> None:
    """Instances, threads and the preferred size, with what was measured: clients see how many requests keep it busy."""
    measuring.go.clear()
    with serve(root) as server, client_of(server) as client:
        assert settings(client.get_model_config("tiny").config) != TUNED
        measuring.go.set()
        tuned(server)
        config = client.get_model_config("tiny").config
        assert settings(config) == TUNED
        assert '"rows_per_s":200.0' in config.parameters[TUNED_PARAMETER].string_value
        assert TUNED_PARAMETER not in client.get_model_config("tiny_encoded").config.parameters


def test_servers_that_are_not_to_measure_do_not(root: Path, cache: Path, measuring: Measuring) -> None:
    """Those of a program, those that were told a number of threads, and where the config says how."""
    for options in ({"auto_tune": False}, {"threads": 1}):
        with serve(root, **options) as server:
            assert network_of(server).record is None
    config = config_of(root)
    config.instance_group[0].count = 2
    (root / "tiny" / "config.pbtxt").write_text(str(config))
    with serve(root) as server:
        assert network_of(server).record is None
    assert measuring.calls == 0
    assert not list(cache.rglob("*"))


def test_measuring_gives_way_to_requests(root: Path, measuring: Measuring) -> None:
    """While they come nothing is measured, and all are answered; then it goes on."""
    measuring.go.clear()
    with serve(root) as server, client_of(server) as client:
        eventually(lambda: measuring.slices > 0, "a slice")
        for seed in range(20):
            pixels = noise(2, seed=seed)
            got = infer(client, "tiny", {"image": pixels}).as_numpy("embedding")
            np.testing.assert_allclose(got, linear_vectors(pixels), rtol=0, atol=1e-5)
        seen = measuring.slices
        eventually(lambda: measuring.slices > seen + 1, "more slices")
        measuring.go.set()
        tuned(server)
    assert measuring.calls == 1


def test_rearranging_fails_no_request(root: Path, measuring: Measuring) -> None:
    """Under a load of eight clients the network changes its sessions to and fro."""
    measuring.go.clear()
    over = threading.Event()

    def ask(seed: int) -> int:
        pixels, count = noise(1 + seed % 3, seed=seed), 0
        with client_of(server) as client:
            while not over.is_set():
                got = infer(client, "tiny", {"image": pixels}).as_numpy("embedding")
                np.testing.assert_allclose(got, linear_vectors(pixels), rtol=0, atol=1e-5)
                count += 1
        return count

    with serve(root) as server, ThreadPoolExecutor(8) as pool:
        network = network_of(server)
        asking = [pool.submit(ask, seed) for seed in range(8)]
        try:
            for count in (2, 1, 2, 1, 2):
                network.rearrange(Tuning(device="cpu", instances=count, threads=1, preferred_rows=2 * count))
                seen = network.statistics.success.count
                eventually(lambda seen=seen: network.statistics.success.count > seen + 8, "answers of the new sessions")
        finally:
            over.set()
        assert sum(each.result(WAIT_S) for each in asking) == network.statistics.success.count
        assert network.statistics.fail.count == 0


def test_noisy_measurement_is_made_again(
    root: Path, cache: Path, measuring: Measuring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is neither used nor kept; the next one is, if it is quiet."""
    monkeypatch.setattr(automatic, "_PAUSE_S", 0.01)
    measuring.outcomes = [[Measured(1, 2, 8, 100.0, 5, 0.7)]] * 2
    lines: list[str] = []
    with serve(root, lines) as server:
        assert tuned(server).preferred_rows == 4
    assert measuring.calls == 3
    assert lines[:2] == ["model 'tiny' version 1 was measured while this machine did other work: not used"] * 2
    assert len(list(cache.rglob("*.json"))) == 1


def test_machine_that_is_never_quiet_is_left_alone(
    root: Path, cache: Path, measuring: Measuring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After four attempts."""
    monkeypatch.setattr(automatic, "_PAUSE_S", 0.01)
    measuring.outcomes = [[Measured(1, 2, 8, 100.0, 5, 0.7)]] * 9
    lines: list[str] = []
    with serve(root, lines) as server:
        eventually(lambda: len(lines) == 4, "four attempts")
        assert network_of(server).tuned is None
    assert measuring.calls == 4
    assert not list(cache.rglob("*.json"))


def test_models_that_come_later_are_measured(root: Path, measuring: Measuring) -> None:
    """A version that is loaded is another network, with a record of its own."""
    with serve(root) as server, client_of(server) as client:
        tuned(server)
        publish_tiny(root, seed=1)
        client.load_model("tiny")
        assert tuned(server)
    assert measuring.calls == 2


def test_measuring_ends_with_its_model(root: Path, measuring: Measuring) -> None:
    """One that is unloaded meanwhile is not waited for, and the server stops while it measures."""
    measuring.go.clear()
    with serve(root) as server, client_of(server) as client:
        eventually(lambda: measuring.slices > 0, "a slice")
        client.unload_model("tiny")
        seen = measuring.slices
        client.load_model("tiny")
        eventually(lambda: measuring.calls == 2 and measuring.slices > seen, "the new one is measured")


def test_one_server_measures_at_a_time(root: Path, cache: Path, measuring: Measuring) -> None:
    """Another waits, and takes the record that has come meanwhile."""
    folder = cache / "lookalike" / "tuning"
    folder.mkdir(parents=True)
    chosen = Tuning(device="cpu", instances=1, threads=2, preferred_rows=8, record={"noisy": False})
    with FileLock(folder / "lock", create=True), serve(root) as server:
        record = network_of(server).record
        assert record is not None
        record.write(chosen)
    assert network_of(server).tuned is None
    with serve(root) as server:
        assert network_of(server).tuned == chosen
    assert measuring.calls == 0


def test_record_that_cannot_be_kept_is_used_all_the_same(
    root: Path, cache: Path, measuring: Measuring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until the server stops; one line says why."""
    cache.write_text("no folder")
    lines: list[str] = []
    with serve(root, lines) as server:
        assert tuned(server).instances == 2
        eventually(lambda: len(lines) == 2, "the reports")
    assert lines[0].startswith("what was measured of model 'tiny' is not kept: ")
    assert lines[1].endswith("batches of 4 until it stops")


def test_file_that_was_replaced_is_not_measured(root: Path, measuring: Measuring) -> None:
    """What a record says is of the artifact that is named in it."""
    lines: list[str] = []
    server = serve(root, lines)
    load_all = server._following.start

    def load_and_replace() -> None:
        load_all()
        (root / "tiny" / "1" / "model.onnx").write_bytes((root.parent / "1.onnx").read_bytes())

    server._following.start = load_and_replace  # type: ignore[method-assign]
    with server:
        eventually(lambda: len(lines) == 1, "the report")
        assert lines[0].startswith("model 'tiny' version 1 was not measured, and runs as it did: the file was replaced")
        require_answers(server)


def test_real_sessions_are_measured_while_idle(root: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a second of it on this machine, busy or not."""
    monkeypatch.setattr(automatic, "SECONDS", 0.5)
    for module in (automatic, running):
        monkeypatch.setattr(module, "is_noisy", lambda _: False)
    with serve(root) as server:
        chosen = tuned(server)
        require_answers(server)
    rows = [cell["instances"] * cell["batch_size"] for cell in chosen.record["measured"]]
    assert max(rows) <= 32
    assert all(cell["rows_per_s"] > 0 for cell in chosen.record["measured"])
    assert network_of(server).record.read() == chosen  # type: ignore[union-attr]
