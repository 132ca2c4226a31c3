"""The short forms of the benchmarks of faults: the same code with smaller numbers; and what disks and folders do."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.faults import malformed, reloads, restarts, soak
from benchmarks.faults.growth import Samples
from benchmarks.faults.mutations import grpc_bytes, http_bytes
from benchmarks.serving.processes import Usage
from serving.embedded.server import Server
from tests.shared.conformance.cases import some_pixels
from tests.shared.conformance.served import BRANCH, connected, publish_models, require_close
from tests.shared.serving_urls import free_port
from tests.shared.waiting import eventually


def test_malformed_requests_are_told_by_their_number() -> None:
    """The same number is the same request, so that a run goes on where it was cut off; others are others."""
    for make in (grpc_bytes, http_bytes):
        assert make(7) == make(7)
        assert len({make(number) for number in range(200)}) > 150


@pytest.mark.slow
def test_malformed_requests_harm_nobody(tmp_path: Path) -> None:
    """Over both fronts: known outcomes, no hang, and right requests are answered afterwards."""
    result = malformed.run(count=800, chunk=400, partial=tmp_path / "arms.json")
    assert result["requests"] == 800


@pytest.mark.slow
def test_soak_answers_rightly() -> None:
    """Every kind of request for some seconds, a model loaded anew meanwhile, and nothing wrong."""
    result = soak.run(seconds=6, sample_s=0.5, reload_s=1)
    assert result["reloads"] > 1
    assert result["growth"]["samples"] > 3


@pytest.mark.slow
def test_reloads_under_load_fail_no_request() -> None:
    """Versions change under load, and the folder is deleted and published again."""
    assert reloads.run(reloads=8)["reloads"] == 8


@pytest.mark.slow
def test_restarts_lose_and_double_nothing() -> None:
    """The server is killed and started again while a job scores through it."""
    result = restarts.run(kills=2, rows=400, seed=1)
    assert result["rows_lost"] == result["rows_doubled"] == 0


def test_growth_is_told_without_the_warm_up() -> None:
    """Twenty samples: the first fifth does not count, then the beginning is compared with the end."""
    samples = Samples(0)
    samples.taken = [Usage(0, 10.0 * number if number < 4 else 100 + number, 5, 9) for number in range(20)]
    assert samples.growth() == {
        "rss_mib": [105.0, 118.0],
        "threads": [5, 5],
        "descriptors": [9, 9],
        "rss_growth_percent": round(100 * (118 / 105 - 1), 2),
        "samples": 20,
    }


def test_deleted_model_goes_on_answering(tmp_path: Path) -> None:
    """Its folder is gone: what is loaded answers, a load is refused in Triton's words, and nothing else changes."""
    repository = publish_models(tmp_path)
    with Server(repository, grpc_port=0) as server, connected(server.url, repository) as served:
        for folder in repository.glob("pets*"):
            shutil.rmtree(folder)
        refusal = served.refusal(lambda: served.call("RepositoryModelLoad", model_name="pets"))
        assert refusal == ("INTERNAL", "failed to load 'pets', failed to poll from model repository")
        require_close(served.infer("pets", {"image": some_pixels(2)}), BRANCH.outputs({"image": some_pixels(2)}))
        assert served.call("ModelReady", name="pets_encoded").ready


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a disk that is full is /dev/full, which is Linux's")
def test_full_disk_of_the_log_stops_no_request(tmp_path: Path) -> None:
    """Nothing that the server says can be written: it serves all the same, and ends well when it is told to."""
    repository = publish_models(tmp_path)
    program = (
        "import resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))\n"
        "from lookalike.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    port = free_port()
    command = [sys.executable, "-c", program, "serve", str(repository), "--grpc-port", str(port), "--no-http"]
    with Path("/dev/full").open("wb") as full:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=full, stderr=full)
    try:
        with connected(f"127.0.0.1:{port}", repository) as served:
            message = {"image": np.zeros((1, 8, 8, 3), np.uint8)}
            eventually(lambda: served.answer_or_refusal(lambda: served.infer("pets", message))[1] is None, "an answer")
            refusal = served.refusal(lambda: served.call("RepositoryModelLoad", model_name="nope"))  # is reported
            assert refusal[0] == "INTERNAL"
            require_close(served.infer("pets", message), BRANCH.outputs(message))
        process.terminate()
        assert process.wait(30) in (0, 120)  # the latter is Python's own, for what it could not write
    finally:
        process.kill()
        process.wait()
