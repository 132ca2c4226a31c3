"""The start of a server: what it says while it loads, what it leaves on the machine, and what it imports."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from serving.embedded.models.inventory import LOADING
from serving.embedded.models.store import ModelStore
from serving.embedded.server import Server
from tests.shared.pictures import noise
from tests.shared.places import ROOT
from tests.shared.tiny_artifact import publish_tiny
from tests.shared.triton_client import client_of, infer, refusal
from tests.shared.waiting import WAIT_S, eventually


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("starting") / "repository"
    publish_tiny(folder)
    return folder


def http_status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=WAIT_S) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def test_server_is_live_and_not_ready_while_it_loads(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over both fronts; a model that is not there yet is UNAVAILABLE and not unknown; afterwards all is answered."""
    began, go, load = threading.Event(), threading.Event(), ModelStore.load

    def slowly(store: ModelStore, name: str, **options: bool) -> None:
        began.set()
        assert go.wait(WAIT_S)
        load(store, name, **options)

    monkeypatch.setattr(ModelStore, "load", slowly)
    server = Server(repository, grpc_port=0, http_port=0)
    starting = threading.Thread(target=server.start)
    starting.start()
    try:
        assert began.wait(WAIT_S)
        url = f"http://{server.http_url}/v2"
        with client_of(server) as client:
            assert client.is_server_live()
            assert not client.is_server_ready()
            assert [http_status(f"{url}/health/{path}") for path in ("live", "ready")] == [200, 400]
            assert refusal(lambda: infer(client, "tiny", {"image": noise(1)})) == ("UNAVAILABLE", LOADING)
            assert http_status(f"{url}/models/tiny") == 503
            go.set()
            eventually(client.is_server_ready, "ready")
            assert http_status(f"{url}/health/ready") == 200
            assert infer(client, "tiny", {"image": noise(1)}).as_numpy("embedding").shape == (1, 4)
            assert refusal(lambda: infer(client, "nope", {"image": noise(1)}))[0] == "NOT_FOUND"
    finally:
        go.set()
        starting.join(WAIT_S)
        server.stop(0)


@pytest.mark.slow
def test_server_leaves_no_telemetry_and_imports_nothing_it_does_not_need(repository: Path, tmp_path: Path) -> None:
    """A home of its own is empty after a session ran; no torch, no tables, no client, no OpenTelemetry."""
    heavy = (
        "torch",
        "pyarrow",
        "faiss",
        "pandas",
        "scipy",
        "opentelemetry",
        "serving.client",
        "rows",
        "aiohttp",
        "ray",
    )
    code = f"""
import sys
from serving.embedded.server import Server
with Server({str(repository)!r}, grpc_port=0, http_port=0, metrics_port=0):
    print([name for name in {heavy!r} if name in sys.modules])
"""
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("ORT_", "XDG_"))}
    variables |= {"HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=variables)
    assert done.stdout == "[]\n", done.stderr
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
